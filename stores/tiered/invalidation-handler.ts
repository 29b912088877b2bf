import type { CacheKey } from '../../lib/rfc9111/types.ts'
import { succeeds } from '../shared/attempt.ts'
import type { CacheStore, Invalidations } from '../store.ts'
import { KeysByName } from './keys-by-name.ts'
import type { Trust } from './trust.ts'

/** Listens for what others change in the last tier, and deletes it from the tiers above. */
export class InvalidationHandler {
  readonly #uppers: readonly CacheStore[]
  readonly #trust: Trust
  readonly #names: KeysByName
  readonly #stop: () => void
  #isListening = false

  constructor(uppers: readonly CacheStore[], invalidations: Invalidations, trust: Trust) {
    this.#uppers = uppers
    this.#trust = trust
    this.#names = new KeysByName(
      key => invalidations.nameOf(key),
      key => void this.drop(key)
    )
    this.#stop = invalidations.listen({
      changed: name => {
        const key = this.#names.keyOf(name)
        if (key !== undefined) void this.drop(key)
      },
      everythingChanged: () => void this.#empty(),
      isListening: isListening => {
        this.#isListening = isListening
        void this.#empty()
      }
    })
  }

  /** To be called before a response of that key is stored in an upper tier. */
  learn(key: CacheKey): void {
    this.#names.learn(key)
  }

  async drop(key: CacheKey): Promise<void> {
    if (!(await this.#all(store => store.delete(key)))) await this.#empty()
  }

  stop(): void {
    this.#stop()
  }

  /** Empties the tiers above: changes of what they hold may have been missed. */
  async #empty(): Promise<void> {
    this.#trust.isLive = false
    const isEmpty = await this.#all(store => store.clear())
    this.#trust.isLive = isEmpty && this.#isListening
  }

  async #all(call: (store: CacheStore) => unknown): Promise<boolean> {
    const succeeded = await Promise.all(this.#uppers.map(store => succeeds(() => call(store))))
    return succeeded.every(Boolean)
  }
}
