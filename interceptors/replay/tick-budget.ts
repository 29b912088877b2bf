import { monotonicMs, soon } from '../../lib/event-loop.ts'

const MAX_HITS = 128
const MAX_BYTES = 4_194_304
const MAX_MS = 1
/** How many answers are given without a look at the clock. */
const UNTIMED_HITS = 16
const HITS_PER_LOOK = 8

/** Bounds what is answered within one turn of the event loop. Otherwise clients that send their next request as soon as a hit
 * is answered would keep timers and sockets waiting for ever. */
export class TickBudget {
  #hits = 0
  #bytes = 0
  #startedAtMs = 0
  #isSpent = false
  /** Whether a turn has been scheduled in which counting begins anew. */
  #isDue = false
  readonly #waiting: { readonly bytes: number; readonly answer: () => void }[] = []

  /** Whether one more answer of that many bytes fits into this turn, and none is deferred; otherwise it has to be deferred. */
  take(bytes: number): boolean {
    if (this.#isSpent || this.#waiting.length > 0) return false
    this.#spend(bytes)
    return true
  }

  /** Gives the answer in a later turn, after those that are deferred already. */
  defer(bytes: number, answer: () => void): void {
    this.#waiting.push({ bytes, answer })
    this.#arrangeTurn()
    // In case the scheduled turn is lost.
    soon(this.#turn)
  }

  #spend(bytes: number): void {
    this.#hits++
    this.#bytes += bytes
    if (this.#hits < UNTIMED_HITS && this.#bytes < MAX_BYTES) return
    this.#arrangeTurn()
    this.#isSpent = this.#hits >= MAX_HITS || this.#bytes >= MAX_BYTES || this.#isOverTime()
  }

  #isOverTime(): boolean {
    return this.#hits % HITS_PER_LOOK === 0 && monotonicMs() - this.#startedAtMs > MAX_MS
  }

  #arrangeTurn(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#startedAtMs = monotonicMs()
    soon(this.#turn)
  }

  readonly #turn = (): void => {
    this.#hits = 0
    this.#bytes = 0
    this.#isSpent = false
    this.#isDue = false
    // Scheduled first, in case an answer throws.
    if (this.#waiting.length > 0) this.#arrangeTurn()
    while (!this.#isSpent) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#spend(next.bytes)
      next.answer()
    }
  }
}
