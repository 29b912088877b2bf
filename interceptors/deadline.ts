import { CacheError } from '../lib/errors.ts'

/** Settles as the promise does; rejects with a CacheError, ERR_CACHE_TIMEOUT, where that takes longer than `timeoutMs`.
 * `late` gets a result that came after that. */
export function withDeadline<T>(
  promise: PromiseLike<T>,
  timeoutMs: number,
  operation: string,
  late?: (result: T) => void
): Promise<T> {
  return new Promise((resolve, reject) => {
    let expired = false
    const expire = () => {
      expired = true
      reject(new CacheError('ERR_CACHE_TIMEOUT', `the store took more than ${timeoutMs} ms to ${operation}`))
    }
    let last: NodeJS.Immediate | undefined
    const timer = setTimeout(() => {
      // Where it was this process that took so long, the store's answer may have been waiting to be read all the time.
      last = setImmediate(expire)
    }, timeoutMs)
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

/** The deadline has been reported; nobody waits for what comes after it. */
function attempt(action: () => void): void {
  try {
    action()
  } catch {
    // As above.
  }
}
