/** Names that count for a limited time. */
export class NamesForAWhile {
  readonly #forMs: number
  readonly #maxNames: number
  readonly #untilMs = new Map<string, number>()

  /** `maxNames`: how many are known at the most; the oldest are forgotten first. */
  constructor(forMs: number, maxNames: number) {
    this.#forMs = forMs
    this.#maxNames = maxNames
  }

  has(name: string): boolean {
    const untilMs = this.#untilMs.get(name)
    return untilMs !== undefined && untilMs > performance.now()
  }

  /** From now on. */
  add(name: string): void {
    this.#untilMs.delete(name)
    this.#untilMs.set(name, performance.now() + this.#forMs)
    if (this.#untilMs.size <= this.#maxNames) return
    for (const oldest of this.#untilMs.keys()) {
      this.#untilMs.delete(oldest)
      return
    }
  }

  delete(name: string): void {
    this.#untilMs.delete(name)
  }
}
