import { clearTimeout, setTimeout } from 'node:timers'

/** Beyond so many the oldest are not waited for: a store that never answers may have left them. */
const MAX_PENDING = 10_000

/** What a store is still at work on, for those who have to wait for it. */
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

  /** Settles once what is pending now is over, however it ends. */
  async settled(): Promise<void> {
    if (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  #remove(over: Promise<void>): void {
    this.#pending.delete(over)
  }
}

/** Settles as the promise does, or after so long. Its timer keeps the process alive: whoever awaits this would else be left
 * behind by a process that has nothing more to do. */
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
