import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers'
import { CacheError } from '../../lib/errors.ts'
import { monotonicMs } from '../../lib/event-loop.ts'
import { propertyOf } from '../../lib/foreign-values.ts'

/** How much too early a timer may fire. */
const EARLY_MS = 2
/** An answer that is seen so long after the deadline came before it: this process stood still, not the store. */
const STOOD_STILL_MS = 25

/** The time that one request gives the store: for all calls that it makes one after the other, no more than for one. The time
 * runs from the first call that is not answered at once. */
export class StoreDeadline {
  readonly timeoutMs: number
  // Private by TypeScript alone: each request makes a deadline, and private fields of JavaScript take longer to make.
  /** By monotonicMs(); undefined: the request has not had to wait yet. */
  private atMs: number | undefined = undefined
  /** Since when the request waits for something else. */
  private pausedAtMs: number | undefined = undefined
  private isRenewed = false

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs
  }

  /** Returns how long the store has from now on. Milliseconds, >= 0. */
  remainingMs(): number {
    const nowMs = monotonicMs()
    if (this.atMs === undefined) {
      this.atMs = nowMs + this.timeoutMs
      return this.timeoutMs
    }
    if (this.pausedAtMs !== undefined) this.atMs += nowMs - this.pausedAtMs
    this.pausedAtMs = undefined
    const leftMs = this.atMs - nowMs
    return leftMs > EARLY_MS ? leftMs : 0
  }

  /** Stops the time until the next call: the request waits for something else than the store. */
  pause(): void {
    if (this.atMs !== undefined) this.pausedAtMs ??= monotonicMs()
  }

  /** Notes that a call has been answered in time. Where that is seen only long after the deadline, the time begins anew, once:
   * it was this process that stood still. */
  noteAnswer(): void {
    if (this.atMs === undefined || this.isRenewed) return
    const nowMs = monotonicMs()
    if (nowMs - this.atMs < STOOD_STILL_MS) return
    this.atMs = nowMs + this.timeoutMs
    this.isRenewed = true
  }
}

/** Settles as the promise does; rejects with a CacheError, ERR_CACHE_TIMEOUT, where that takes longer than `timeoutMs`,
 * of which calls before this one may have left `remaining`. `late` gets a result that came after that. */
export function withDeadline<T>(
  promise: PromiseLike<T>,
  timeoutMs: number,
  operation: string,
  late?: (result: T) => void,
  remaining: number = timeoutMs
): Promise<T> {
  return new Promise((resolve, reject) => {
    let expired = false
    const expire = () => {
      expired = true
      reject(tooLate(timeoutMs, operation, remaining))
    }
    let last: NodeJS.Immediate | undefined
    const timer = setTimeout(() => {
      // If this process stood still, the store's answer may have arrived, and is read before this.
      last = setImmediate(expire)
    }, remaining)
    Promise.resolve(promise).then(
      result => {
        clearTimeout(timer)
        clearImmediate(last)
        if (!expired) resolve(result)
        else if (late !== undefined) attempt(() => late(result))
      },
      error => {
        clearTimeout(timer)
        clearImmediate(last)
        reject(error)
      }
    )
  })
}

export function tooLate(timeoutMs: number, operation: string, remaining = timeoutMs): CacheError {
  const before = remaining < timeoutMs ? ', with what it was asked before' : ''
  return new CacheError('ERR_CACHE_TIMEOUT', `the store took more than ${timeoutMs} ms to ${operation}${before}`)
}

/** Whether a call has failed only because of the deadline: the stored response may be intact. */
export function isLate(error: unknown): boolean {
  return propertyOf(error, 'code') === 'ERR_CACHE_TIMEOUT'
}

/** Runs what follows a late answer. Its errors are ignored: the deadline has been reported. */
function attempt(action: () => void): void {
  try {
    action()
  } catch {
    // Ignored, as said above.
  }
}
