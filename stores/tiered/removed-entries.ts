import { monotonicMs } from '../../lib/event-loop.ts'
import type { EntryId } from '../../lib/rfc9111/types.ts'

const MAX_REMEMBERED = 10_000

/** Responses that were removed, or have moved, lately: a copy of one that was looked up before is out of date. Bounded:
 * beyond 10,000 the oldest are forgotten. */
export class RemovedEntries {
  readonly #removedMs = new Map<EntryId, number>()

  add(id: EntryId): void {
    this.#removedMs.delete(id)
    this.#removedMs.set(id, monotonicMs())
    if (this.#removedMs.size <= MAX_REMEMBERED) return
    for (const oldest of this.#removedMs.keys()) {
      this.#removedMs.delete(oldest)
      return
    }
  }

  /** Whether it was removed after the lower tier was asked, at `askedMs`. */
  has(id: EntryId, askedMs: number): boolean {
    const removedMs = this.#removedMs.get(id)
    return removedMs !== undefined && removedMs >= askedMs
  }
}
