import { randomBytes } from 'node:crypto'
import { SharedRun } from '../shared/shared-run.ts'
import type { DriverCalls } from './driver-calls.ts'
import { MARKS } from './layout.ts'

const NAME = /^(\d{15})-(all|tag)-([\da-f]{32}|)-[\da-f]{8}$/
const ORDINAL_DIGITS = 15

export type MarkKind = 'all' | 'tag'

interface Mark {
  readonly kind: MarkKind
  readonly tag: string
  /** Larger than that of every mark that its maker had seen. About the time in milliseconds since the epoch. */
  readonly ordinal: number
  /** The place among the marks that this process has seen, in the order in which it saw them. */
  readonly sequence: number
}

/** The deletions that reach more than one key, as objects that say it by their names, so that all of them are seen with one
 * listing.
 *
 * Within a process their order is that in which it came to see them: a response is overtaken by every mark that was not seen
 * when it was asked for, and that is exact, without a clock. Records are compared by ordinals, in passing, for the sake of
 * what a process has left behind that came to a sudden end. */
export class DeletionMarks {
  readonly #calls: DriverCalls
  readonly #marks = new Map<string, Mark>()
  /** Those of this process that are not listed yet. */
  readonly #pending = new Set<string>()
  #sequence = 0
  #highest = 0
  #isListed = false
  readonly #listing = new SharedRun(() => this.#list())

  constructor(calls: DriverCalls) {
    this.#calls = calls
  }

  /** Sees every mark whose deletion was over before the call. Those who ask at the same time share one listing. */
  refresh(): Promise<void> {
    return this.#listing.run()
  }

  /** Sees something; what is missing makes a position older than it is, which does no harm. */
  async ensure(): Promise<void> {
    if (!this.#isListed) await this.refresh()
  }

  /** How many have been seen, and the highest ordinal among them. */
  get position(): { readonly sequence: number; readonly ordinal: number } {
    return { sequence: this.#sequence, ordinal: this.#highest }
  }

  /** Whether one that was seen after `sequence` reaches these tags. */
  overtook(sequence: number, tags: readonly string[]): boolean {
    return this.#some(tags, mark => mark.sequence > sequence)
  }

  /** Whether one reaches a record that was asked for at `ordinal`. */
  covers(ordinal: number, tags: readonly string[]): boolean {
    return this.#marks.size > 0 && this.#some(tags, mark => mark.ordinal > ordinal)
  }

  /** Deletes: at once for this process, for others once it has resolved. */
  async add(kind: MarkKind, tag = ''): Promise<void> {
    const ordinal = Math.max(this.#highest + 1, Date.now())
    const digits = String(ordinal).padStart(ORDINAL_DIGITS, '0')
    const name = `${digits}-${kind}-${tag}-${randomBytes(4).toString('hex')}`
    this.#pending.add(name)
    this.#see(name)
    try {
      await this.#calls.put(MARKS + name, new Uint8Array())
    } catch (error) {
      // It may be there all the same; the next listing tells.
      this.#marks.delete(name)
      throw error
    } finally {
      this.#pending.delete(name)
    }
  }

  /** Removes those from before `timeMs`: nothing is left of what they are about. */
  async forget(timeMs: number): Promise<void> {
    for (const [name, { ordinal }] of this.#marks) {
      if (ordinal >= timeMs) continue
      await this.#calls.delete(MARKS + name)
      this.#marks.delete(name)
    }
  }

  async #list(): Promise<void> {
    // One that is put meanwhile may be passed, and is no longer pending at the end.
    const kept = new Set(this.#pending)
    const begun = this.#sequence
    for await (const path of this.#calls.list(MARKS)) {
      const name = path.slice(MARKS.length)
      kept.add(name)
      this.#see(name)
    }
    for (const [name, { sequence }] of this.#marks) {
      if (!kept.has(name) && sequence <= begun) this.#marks.delete(name)
    }
    this.#isListed = true
  }

  #see(name: string): void {
    if (this.#marks.has(name)) return
    const [, digits, kind, tag = ''] = NAME.exec(name) ?? []
    if (kind === undefined) return
    const ordinal = Number(digits)
    this.#highest = Math.max(this.#highest, ordinal)
    this.#marks.set(name, { kind: kind as MarkKind, tag, ordinal, sequence: ++this.#sequence })
  }

  #some(tags: readonly string[], test: (mark: Mark) => boolean): boolean {
    for (const mark of this.#marks.values()) {
      if (test(mark) && (mark.kind === 'all' || tags.includes(mark.tag))) return true
    }
    return false
  }
}
