import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers'
import { CacheError } from '../lib/errors.ts'
import { monotonicMs } from '../lib/event-loop.ts'

/** By so much a timer may be early. */
const EARLY_MS = 2

/** How long a request waits for a store of which it makes several calls: for all of them no longer than for one. */
export interface Patience {
  /** When it goes on without the store, by monotonicMs(); undefined: it has not had to wait yet. */
  storeDeadline?: { atMs: number } | undefined
}

/** How long a store has from now on; the time runs from the first of the calls that is not answered at once.
 * Milliseconds, >= 0. */
export function remainingMs(patience: Patience | undefined, timeoutMs: number): number {
  if (patience === undefined) return timeoutMs
  const nowMs = monotonicMs()
  if (patience.storeDeadline === undefined) {
    patience.storeDeadline = { atMs: nowMs + timeoutMs }
    return timeoutMs
  }
  const leftMs = patience.storeDeadline.atMs - nowMs
  return leftMs > EARLY_MS ? leftMs : 0
}

/** Has the time begin anew where an answer came in time, and is only seen after it: this process stood still, and not the
 * store. */
export function answered(patience: Patience | undefined, timeoutMs: number): void {
  const deadline = patience?.storeDeadline
  if (deadline === undefined) return
  const nowMs = monotonicMs()
  if (deadline.atMs - nowMs <= EARLY_MS) deadline.atMs = nowMs + timeoutMs
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
      const before = remaining < timeoutMs ? ', with what it was asked before' : ''
      reject(new CacheError('ERR_CACHE_TIMEOUT', `the store took more than ${timeoutMs} ms to ${operation}${before}`))
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

/** Whether a deadline is all that a call has failed by: then what it was about may be as good as ever. */
export function isLate(error: unknown): boolean {
  return Object(error).code === 'ERR_CACHE_TIMEOUT'
}

/** The deadline has been reported; nobody waits for what comes after it. */
function attempt(action: () => void): void {
  try {
    action()
  } catch {
    // As above.
  }
}
