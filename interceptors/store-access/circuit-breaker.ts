import { monotonicMs } from '../../lib/event-loop.ts'

const FAILURES_TO_OPEN = 5
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/** Opens after five failures in a row. While it is open, only trials are allowed, with a longer pause after each that fails. */
export class CircuitBreaker {
  #failures = 0
  #pauseMs = FIRST_PAUSE_MS
  #nextTrialAtMs = 0
  #onTrial = false

  /** Whether only trials are allowed. */
  get isOpen(): boolean {
    return this.#failures >= FAILURES_TO_OPEN
  }

  /** Whether a call is allowed: always while it is closed; while it is open, one after each pause. */
  allows(): boolean {
    if (!this.isOpen) return true
    const nowMs = monotonicMs()
    if (nowMs < this.#nextTrialAtMs) return false
    // No other call is allowed before it is known what became of this one.
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
    // A call that was under way when the breaker opened is not a trial.
    else if (this.#onTrial) this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
    else return
    this.#onTrial = false
    this.#nextTrialAtMs = monotonicMs() + this.#pauseMs
  }
}
