import { monotonicMs } from '../../lib/event-loop.ts'
import type { EntryId } from '../../lib/rfc9111/types.ts'

/** Entries that are remembered; the last tier is asked again for others. */
const MAX_REMEMBERED = 100_000

/** How long the tiers above the last may be trusted: always while that one tells of what others change there; else for
 * `limitMs` after it was asked. */
export class Trust {
  /** Whether the last tier tells of changes just now. */
  isLive = false
  readonly #limitMs: number
  readonly #confirmedMs = new Map<EntryId, number>()

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  /** Notes that the last tier was asked at `askedMs`, and holds the entry. */
  confirm(id: EntryId, askedMs: number): void {
    if (this.#limitMs === Infinity) return
    this.#confirmedMs.delete(id)
    this.#confirmedMs.set(id, askedMs)
    if (this.#confirmedMs.size <= MAX_REMEMBERED) return
    for (const oldest of this.#confirmedMs.keys()) {
      this.#confirmedMs.delete(oldest)
      return
    }
  }

  holds(id: EntryId): boolean {
    if (this.isLive || this.#limitMs === Infinity) return true
    const confirmedMs = this.#confirmedMs.get(id)
    return confirmedMs !== undefined && monotonicMs() - confirmedMs < this.#limitMs
  }
}
