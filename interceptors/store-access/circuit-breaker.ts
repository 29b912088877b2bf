import { monotonicMs } from '../../lib/event-loop.ts'

const FAILURES_TO_OPEN = 5
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/** Leaves alone what has failed several times in a row, for longer each time that a trial fails again. */
export class CircuitBreaker {
  #failures = 0
  #pauseMs = FIRST_PAUSE_MS
  #nextTrialAtMs = 0
  #onTrial = false

  /** Whether it is left alone, but for trials. */
  get isOpen(): boolean {
    return this.#failures >= FAILURES_TO_OPEN
  }

  /** Whether to try: always while it is closed; while it is open, once after each pause. */
  allows(): boolean {
    if (!this.isOpen) return true
    const nowMs = monotonicMs()
    if (nowMs < this.#nextTrialAtMs) return false
    // The others wait for what becomes of this one.
    this.#nextTrialAtMs = nowMs + this.#pauseMs
    this.#onTrial = true
    return true
  }

  succeeded(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    this.#onTrial = false
  }

  failed(): void {
    this.#failures++
    if (this.#failures === FAILURES_TO_OPEN) this.#pauseMs = FIRST_PAUSE_MS
    // What was under way when it opened says nothing new.
    else if (this.#onTrial) this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
    else return
    this.#onTrial = false
    this.#nextTrialAtMs = monotonicMs() + this.#pauseMs
  }
}
