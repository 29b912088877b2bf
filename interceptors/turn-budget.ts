const MAX_HITS = 128
const MAX_BYTES = 4_194_304
const RESET_AFTER = 16

/** Bounds what is answered within one turn of the event loop: hits that are answered at once, each asking for the next,
 * would otherwise keep timers and sockets waiting for ever. */
export class TurnBudget {
  #hits = 0
  #bytes = 0
  #resets = false

  /** Whether one more answer of that many bytes fits into this turn. */
  take(bytes: number): boolean {
    this.#hits++
    this.#bytes += bytes
    if (!this.#resets && (this.#hits >= RESET_AFTER || this.#bytes > MAX_BYTES)) {
      this.#resets = true
      setImmediate(this.#reset).unref()
    }
    return this.#hits <= MAX_HITS && this.#bytes <= MAX_BYTES
  }

  readonly #reset = (): void => {
    this.#hits = 0
    this.#bytes = 0
    this.#resets = false
  }
}
