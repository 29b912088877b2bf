import type { CacheKey } from '../store.ts'

/** Lets what is written for one key happen one after the other. */
export class WriteQueue {
  readonly #last = new Map<CacheKey, Promise<unknown>>()

  /** Runs `write` once what was queued for the key before is over, however it ended. */
  async run<T>(key: CacheKey, write: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key)
    const written = before === undefined ? write() : before.then(write, write)
    this.#last.set(key, written)
    try {
      return await written
    } finally {
      if (this.#last.get(key) === written) this.#last.delete(key)
    }
  }
}
