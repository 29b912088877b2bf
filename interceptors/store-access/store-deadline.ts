import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers'
import { CacheError } from '../../lib/errors.ts'
import { monotonicMs } from '../../lib/event-loop.ts'
import { propertyOf } from '../../lib/foreign-values.ts'

/** By so much a timer may be early. */
const EARLY_MS = 2
/** An answer that is seen so long after the deadline was there before: this process stood still, and not the store. */
const STOOD_STILL_MS = 25

/** How long a request waits for a store of which it makes several calls: for all of them no longer than for one. */
interface Deadline {
  /** By monotonicMs(). */
  atMs: number
  /** Since when it waits for something else. */
  pausedAtMs: number | undefined
  isRenewed: boolean
}

export interface Patience {
  /** When it goes on without the store, by monotonicMs(); undefined: it has not had to wait yet. */
  storeDeadline?: Deadline | undefined
}

/** How long a store has from now on; the time runs from the first of the calls that is not answered at once.
 * Milliseconds, >= 0. */
export function remainingMs(patience: Patience | undefined, timeoutMs: number): number {
  if (patience === undefined) return timeoutMs
  const nowMs = monotonicMs()
  if (patience.storeDeadline === undefined) {
    patience.storeDeadline = { atMs: nowMs + timeoutMs, pausedAtMs: undefined, isRenewed: false }
    return timeoutMs
  }
  const deadline = patience.storeDeadline
  if (deadline.pausedAtMs !== undefined) deadline.atMs += nowMs - deadline.pausedAtMs
  deadline.pausedAtMs = undefined
  const leftMs = deadline.atMs - nowMs
  return leftMs > EARLY_MS ? leftMs : 0
}

/** What the request waits for from now on is not the store; until the next call. */
export function pause({ storeDeadline }: Patience): void {
  if (storeDeadline !== undefined) storeDeadline.pausedAtMs ??= monotonicMs()
}

/** Has the time begin anew, once, where an answer came in time, and is only seen long after it. */
export function answered(patience: Patience | undefined, timeoutMs: number): void {
  const deadline = patience?.storeDeadline
  if (deadline === undefined || deadline.isRenewed) return
  const nowMs = monotonicMs()
  if (nowMs - deadline.atMs < STOOD_STILL_MS) return
  deadline.atMs = nowMs + timeoutMs
  deadline.isRenewed = true
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
      // Where it was this process that took so long, the store's answer may have been waiting to be read all the time.
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

/** Whether a deadline is all that a call has failed by: then what it was about may be as good as ever. */
export function isLate(error: unknown): boolean {
  return propertyOf(error, 'code') === 'ERR_CACHE_TIMEOUT'
}

/** The deadline has been reported; nobody waits for what comes after it. */
function attempt(action: () => void): void {
  try {
    action()
  } catch {
    // As above.
  }
}
