import type { CacheKey } from '../../lib/rfc9111/types.ts'

const MAX_KNOWN = 100_000
/** Keys can be long: so many characters of them are remembered, at most. */
const MAX_CHARACTERS = 16_777_216

/** The keys behind the names by which a lower tier tells of changes. */
export class KeysByName {
  readonly #nameOf: (key: CacheKey) => string
  readonly #onForgotten: (key: CacheKey) => void
  readonly #keys = new Map<string, CacheKey>()
  #characters = 0

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
