import { clearTimeout, setTimeout } from 'node:timers'

/** How many are waited for; beyond that the oldest are not, which a store that never answers may have left. */
const MAX_PENDING = 10_000

/** The writes that a store has not finished, for callers who wait for them. */
export class PendingWrites {
  readonly #pending = new Set<Promise<void>>()

  add(write: PromiseLike<unknown>): void {
    const over: Promise<void> = Promise.resolve(write).then(
      () => this.#remove(over),
      () => this.#remove(over)
    )
    this.#pending.add(over)
    if (this.#pending.size <= MAX_PENDING) return
    for (const oldest of this.#pending) {
      this.#pending.delete(oldest)
      return
    }
  }

  /** Settles once all that is pending now has ended, in whatever way. */
  async settled(): Promise<void> {
    if (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  #remove(over: Promise<void>): void {
    this.#pending.delete(over)
  }
}

/** Settles as the promise does, or after `timeoutMs`. Its timer keeps the process alive: otherwise a process that has nothing
 * more to do would end while a caller waits. */
export async function withinTime(promise: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, timeoutMs)
  })
  try {
    await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
