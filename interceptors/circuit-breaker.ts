const FAILURES_TO_OPEN = 5
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/** Leaves a store alone that has failed several times in a row, for longer each time it fails again. */
export class CircuitBreaker {
  #failures = 0
  #pauseMs = FIRST_PAUSE_MS
  #closedAgainAt = 0

  /** Whether to try: always, but while the breaker is open. */
  allows(): boolean {
    return this.#failures < FAILURES_TO_OPEN || performance.now() >= this.#closedAgainAt
  }

  succeeded(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    this.#pauseMs = FIRST_PAUSE_MS
  }

  failed(): void {
    this.#failures++
    if (this.#failures < FAILURES_TO_OPEN) return
    this.#closedAgainAt = performance.now() + this.#pauseMs
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
  }
}
