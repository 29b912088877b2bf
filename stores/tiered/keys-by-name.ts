import type { CacheKey } from '../../lib/rfc9111/types.ts'

const MAX_KNOWN = 100_000
/** Keys can be long: so many characters of them are remembered, at most. */
const MAX_CHARACTERS = 16_777_216

/** The cache keys by the names that a lower tier announces changes with. Bounded: the oldest are forgotten. */
export class KeysByName {
  readonly #nameOf: (key: CacheKey) => string
  readonly #onForgotten: (key: CacheKey) => void
  readonly #keys = new Map<string, CacheKey>()
  #characters = 0

  /** `onForgotten` is called with a key whose changes will not be noticed from now on. */
  constructor(nameOf: (key: CacheKey) => string, onForgotten: (key: CacheKey) => void) {
    this.#nameOf = nameOf
    this.#onForgotten = onForgotten
  }

  keyOf(name: string): CacheKey | undefined {
    return this.#keys.get(name)
  }

  /** To be called before a response of that key is stored in the upper tier. */
  learn(key: CacheKey): void {
    const name = this.#nameOf(key)
    if (this.#keys.delete(name)) this.#characters -= key.length
    this.#keys.set(name, key)
    this.#characters += key.length
    for (const [oldest, forgotten] of this.#keys) {
      if (this.#keys.size <= MAX_KNOWN && this.#characters <= MAX_CHARACTERS) return
      this.#keys.delete(oldest)
      this.#characters -= forgotten.length
      this.#onForgotten(forgotten)
    }
  }
}
