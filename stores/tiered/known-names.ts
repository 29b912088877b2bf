import type { CacheKey } from '../../lib/rfc9111/types.ts'

const MAX_KNOWN = 100_000

/** The keys behind the names by which a lower tier tells of changes. */
export class KnownNames {
  readonly #nameOf: (key: CacheKey) => string
  readonly #onForgotten: (key: CacheKey) => void
  readonly #keys = new Map<string, CacheKey>()

  /** `onForgotten`: changes of that key will not be noticed from now on. */
  constructor(nameOf: (key: CacheKey) => string, onForgotten: (key: CacheKey) => void) {
    this.#nameOf = nameOf
    this.#onForgotten = onForgotten
  }

  keyOf(name: string): CacheKey | undefined {
    return this.#keys.get(name)
  }

  /** Before the upper tier is given anything of that key. */
  learn(key: CacheKey): void {
    const name = this.#nameOf(key)
    this.#keys.delete(name)
    this.#keys.set(name, key)
    if (this.#keys.size <= MAX_KNOWN) return
    for (const [oldest, forgotten] of this.#keys) {
      this.#keys.delete(oldest)
      this.#onForgotten(forgotten)
      return
    }
  }
}
