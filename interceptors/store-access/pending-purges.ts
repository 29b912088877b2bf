import { monotonicMs } from '../../lib/event-loop.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { CacheStore, Lookup } from '../../stores/store.ts'

/** How long after an attempt has failed the next may begin, and of how many tags it is known. */
const PAUSE_MS = 1000
const MAX_OWED = 1_000

/** Told of an attempt that has failed. */
type Report = (error: unknown, operation: 'delete' | 'clear') => void

/** Purges by tag, or of everything, that have failed: what they were to remove is not read before one has succeeded. They
 * are tried again as the store is used. Bounded: beyond 1,000 the oldest are forgotten. */
export class OwedPurges {
  readonly #store: CacheStore
  readonly #report: Report
  /** undefined: everything. With the time of the last attempt, by monotonicMs(); Infinity while one is under way. */
  readonly #owed = new Map<string | undefined, { triedAtMs: number }>()

  constructor(store: CacheStore, report: Report) {
    this.#store = store
    this.#report = report
  }

  /** Removes what carries the tag, or everything. Rejects where the store fails; it is owed then, unless the store says that
   * it cannot do such a thing. */
  async purge(tag: string | undefined): Promise<void> {
    try {
      await this.#remove(tag)
      this.#owed.delete(tag)
    } catch (error) {
      if (this.#canRemove(tag)) this.#note(tag)
      throw error
    }
  }

  /** What may be read of what a store has answered. undefined: nothing. */
  readable(lookup: Lookup): Lookup | undefined {
    if (this.#owed.size === 0) return lookup
    this.#tryAgain()
    if (this.#owed.has(undefined)) return undefined
    const stored = lookup.stored.filter(({ entry }) => !this.#isOwed(entry))
    if (stored.length === lookup.stored.length && lookup.deeper === undefined) return lookup
    const { otherVariants } = lookup
    const deeper = lookup.deeper?.bind(lookup)
    return { stored, otherVariants, asOf: () => lookup.asOf(), ...(deeper !== undefined && { deeper }) }
  }

  #isOwed({ tags }: Entry): boolean {
    return tags.some(tag => this.#owed.has(tag))
  }

  #note(tag: string | undefined): void {
    this.#owed.delete(tag)
    this.#owed.set(tag, { triedAtMs: monotonicMs() })
    if (this.#owed.size <= MAX_OWED) return
    for (const oldest of this.#owed.keys()) {
      this.#owed.delete(oldest)
      return
    }
  }

  #tryAgain(): void {
    const nowMs = monotonicMs()
    for (const [tag, owed] of this.#owed) {
      if (nowMs < owed.triedAtMs + PAUSE_MS) continue
      owed.triedAtMs = Infinity
      void this.#attempt(tag, owed)
    }
  }

  async #attempt(tag: string | undefined, owed: { triedAtMs: number }): Promise<void> {
    try {
      await this.#remove(tag)
      if (this.#owed.get(tag) === owed) this.#owed.delete(tag)
    } catch (error) {
      owed.triedAtMs = monotonicMs()
      this.#report(error, tag === undefined ? 'clear' : 'delete')
    }
  }

  async #remove(tag: string | undefined): Promise<void> {
    if (tag === undefined) await this.#store.clear()
    else await this.#store.deleteByTag(tag)
  }

  #canRemove(tag: string | undefined): boolean {
    const { tags, clear } = this.#store.capabilities
    return tag === undefined ? clear !== false : tags
  }
}
