import { clearTimeout, setTimeout } from 'node:timers'
import { monotonicMs } from '../../lib/event-loop.ts'

/** How long those who are late hold up others, all in all; and how long all may be paused before the store goes on. */
const GRACE_PERIOD_MS = 1000

/** The time for which others, or the store, wait for readers who are paused. */
export class GracePeriod {
  /** For those who are late, all in all. */
  #leftMs = GRACE_PERIOD_MS
  #timer: NodeJS.Timeout | undefined
  /** Since when those who are late are waited for; undefined: they are not. */
  #waitsSinceMs: number | undefined
  readonly #owner: { timeOver(): void }

  /** `owner` is told when somebody has waited for long enough. */
  constructor(owner: { timeOver(): void }) {
    this.#owner = owner
  }

  /** Whether nobody waits any more for those who are late. */
  get isSpent(): boolean {
    return this.#leftMs <= 0
  }

  spend(): void {
    this.#leftMs = 0
  }

  /** Has somebody wait, or nobody: for those who are late, or for anybody to read on. */
  wait(isWaiting: boolean, isForLate: boolean, isForReaders: boolean): void {
    if (isWaiting !== (this.#timer !== undefined)) this.#switch(isWaiting, isForLate)
    // A connection that is paused keeps no process alive for those who read.
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
