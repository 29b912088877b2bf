import type { CacheStore } from 'undici-http-cache'

/** An empty store for one run of the suite. */
export interface StoreUnderTest {
  readonly store: CacheStore
  /** Called once the store is closed: takes away what it has left. */
  remove(): Promise<void>
}
