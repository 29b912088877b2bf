import { clearTimeout, setTimeout } from 'node:timers'
import { CacheError } from '../../lib/errors.ts'

/** One use of a driver: it ends when the driver has answered, or is told to end; no driver can make anybody wait for
 * longer, whether it listens to the signal or not. */
export class DriverUse {
  readonly #timeoutMs: number
  readonly #controller = new AbortController()
  readonly #waiting = new Set<(error: unknown) => void>()
  readonly #uses: Set<DriverUse>

  constructor(timeoutMs: number, uses: Set<DriverUse>) {
    this.#timeoutMs = timeoutMs
    this.#uses = uses
    uses.add(this)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** What comes of it, within the time that one answer may take. `late` gets what comes after that. Aborted, it rejects. */
  within<T>(work: T | PromiseLike<T>, late?: (result: T) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        clearTimeout(timer)
        this.#waiting.delete(fail)
        reject(error)
      }
      const timer = setTimeout(() => this.abort(tooLate(this.#timeoutMs)), this.#timeoutMs)
      timer.unref()
      this.#waiting.add(fail)
      Promise.resolve(work).then(result => {
        if (!this.#waiting.delete(fail)) return late?.(result)
        clearTimeout(timer)
        resolve(result)
      }, fail)
      if (this.signal.aborted) fail(this.signal.reason)
    })
  }

  abort(reason: unknown): void {
    this.end()
    if (this.signal.aborted) return
    this.#controller.abort(reason)
    for (const fail of [...this.#waiting]) fail(reason)
  }

  /** Nothing more is asked of the driver. */
  end(): void {
    this.#uses.delete(this)
  }
}

function tooLate(timeoutMs: number): CacheError {
  return new CacheError('ERR_CACHE_TIMEOUT', `the driver of an ObjectStore has not answered within ${timeoutMs} ms`)
}
