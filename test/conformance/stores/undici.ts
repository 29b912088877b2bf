import { cacheStores } from 'undici'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import type { StoreUnderTest } from './store-under-test.ts'

export async function start(): Promise<StoreUnderTest> {
  return { store: fromUndiciStore(new cacheStores.MemoryCacheStore()), remove: async () => {} }
}
