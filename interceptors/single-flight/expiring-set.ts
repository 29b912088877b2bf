import { monotonicMs } from '../../lib/event-loop.ts'

/** A set whose members expire. */
export class ExpiringSet {
  readonly #forMs: number
  readonly #maxNames: number
  readonly #untilMs = new Map<string, number>()

  /** `maxNames`: the most that are kept; the oldest are removed first. */
  constructor(forMs: number, maxNames: number) {
    this.#forMs = forMs
    this.#maxNames = maxNames
  }

  has(name: string): boolean {
    const untilMs = this.#untilMs.get(name)
    return untilMs !== undefined && untilMs > monotonicMs()
  }

  /** Adds a name, for as long as names are kept from now on. */
  add(name: string): void {
    const nowMs = monotonicMs()
    this.#untilMs.delete(name)
    this.#untilMs.set(name, nowMs + this.#forMs)
    for (const [oldest, untilMs] of this.#untilMs) {
      if (untilMs > nowMs && this.#untilMs.size <= this.#maxNames) return
      this.#untilMs.delete(oldest)
    }
  }

  delete(name: string): void {
    this.#untilMs.delete(name)
  }
}
