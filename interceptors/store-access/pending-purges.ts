import { monotonicMs } from '../../lib/event-loop.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { CacheStore, Lookup } from '../../stores/store.ts'

/** How long after a failed attempt the next may begin, and how many purges are remembered. */
const PAUSE_MS = 1000
const MAX_PENDING = 1_000

/** Reports an attempt that has failed. */
type Report = (error: unknown, operation: 'delete' | 'clear') => void

/** The purges by tag, or of everything, that have failed: what they were to remove is not read before one has succeeded. They
 * are tried again when the store is read. Beyond 1,000 the oldest are forgotten. */
export class PendingPurges {
  readonly #store: CacheStore
  readonly #report: Report
  /** undefined: everything. With the time of the last attempt, by monotonicMs(); Infinity while one is under way. */
  readonly #pending = new Map<string | undefined, { triedAtMs: number }>()

  constructor(store: CacheStore, report: Report) {
    this.#store = store
    this.#report = report
  }

  /** Removes what carries the tag, or everything. Rejects where the store fails; the purge is pending then, unless the store
   * says that it cannot do such a thing. */
  async purge(tag: string | undefined): Promise<void> {
    try {
      await this.#remove(tag)
      this.#pending.delete(tag)
    } catch (error) {
      if (this.#canRemove(tag)) this.#note(tag)
      throw error
    }
  }

  /** Leaves out of a lookup what a pending purge is to remove; undefined: nothing may be read of it. */
  readable(lookup: Lookup): Lookup | undefined {
    if (this.#pending.size === 0) return lookup
    this.#tryAgain()
    if (this.#pending.has(undefined)) return undefined
    const stored = lookup.stored.filter(({ entry }) => !this.#isPending(entry))
    if (stored.length === lookup.stored.length && lookup.deeper === undefined) return lookup
    const { otherVariants } = lookup
    const deeper = lookup.deeper?.bind(lookup)
    return { stored, otherVariants, asOf: () => lookup.asOf(), ...(deeper !== undefined && { deeper }) }
  }

  #isPending({ tags }: Entry): boolean {
    return tags.some(tag => this.#pending.has(tag))
  }

  #note(tag: string | undefined): void {
    this.#pending.delete(tag)
    this.#pending.set(tag, { triedAtMs: monotonicMs() })
    if (this.#pending.size <= MAX_PENDING) return
    for (const oldest of this.#pending.keys()) {
      this.#pending.delete(oldest)
      return
    }
  }

  #tryAgain(): void {
    const nowMs = monotonicMs()
    for (const [tag, pending] of this.#pending) {
      if (nowMs < pending.triedAtMs + PAUSE_MS) continue
      pending.triedAtMs = Infinity
      void this.#attempt(tag, pending)
    }
  }

  async #attempt(tag: string | undefined, pending: { triedAtMs: number }): Promise<void> {
    try {
      await this.#remove(tag)
      if (this.#pending.get(tag) === pending) this.#pending.delete(tag)
    } catch (error) {
      pending.triedAtMs = monotonicMs()
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
