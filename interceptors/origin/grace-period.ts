import { clearTimeout, setTimeout } from 'node:timers'
import { monotonicMs } from '../../lib/event-loop.ts'

/** How long late subscribers hold up the others, in total; and how long all may be paused before the store continues. */
const GRACE_PERIOD_MS = 1000

/** The time for which other subscribers, or the store, wait for paused ones. */
export class GracePeriod {
  /** What is left for late subscribers, in total. */
  #leftMs = GRACE_PERIOD_MS
  #timer: NodeJS.Timeout | undefined
  /** Since when late subscribers are waited for; undefined: they are not. */
  #waitsSinceMs: number | undefined
  readonly #owner: { timeOver(): void }

  /** `owner` is told when the time is over. */
  constructor(owner: { timeOver(): void }) {
    this.#owner = owner
  }

  /** Whether late subscribers are no longer waited for. */
  get isSpent(): boolean {
    return this.#leftMs <= 0
  }

  spend(): void {
    this.#leftMs = 0
  }

  /** Starts or stops the wait: for late subscribers, or for any subscriber to read on. */
  wait(isWaiting: boolean, isForLate: boolean, isForReaders: boolean): void {
    if (isWaiting !== (this.#timer !== undefined)) this.#switch(isWaiting, isForLate)
    // A paused connection does not keep the process alive for its readers.
    if (isForReaders) this.#timer?.ref()
    else this.#timer?.unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #switch(isWaiting: boolean, isForLate: boolean): void {
    if (isWaiting) {
      this.#waitsSinceMs = isForLate ? monotonicMs() : undefined
      this.#timer = setTimeout(() => this.#over(), isForLate ? Math.max(0, this.#leftMs) : GRACE_PERIOD_MS)
    } else {
      clearTimeout(this.#timer)
      this.#timer = undefined
      if (this.#waitsSinceMs !== undefined) this.#leftMs -= monotonicMs() - this.#waitsSinceMs
    }
  }

  #over(): void {
    this.#timer = undefined
    this.#owner.timeOver()
  }
}
