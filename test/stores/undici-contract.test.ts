// fromUndiciStore passes the contract suite on undici's own stores, and on stranger ones.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { cacheStores } from 'undici'
import { testStore } from 'undici-http-cache/stores/testing'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import type { CacheStore } from '../../stores/store.ts'
import { DeletingStore, StreamingStore, sqliteStore } from './undici-stores.ts'

testStore({
  name: "undici's MemoryCacheStore",
  isSynchronous: true,
  create: ({ maxEntrySizeBytes }) => {
    const inner = new cacheStores.MemoryCacheStore({ maxEntrySize: maxEntrySizeBytes + 1, maxCount: 10_000 })
    return fromUndiciStore(inner, { maxEntrySizeBytes })
  }
})

const sqlite = sqliteStore()
if (typeof sqlite === 'string') test("undici's SqliteCacheStore", { skip: sqlite })
else {
  sqlite.close()
  const locations = new Map<CacheStore, string>()
  const open = (location: string, maxEntrySizeBytes = 8_388_608): CacheStore => {
    const inner = new cacheStores.SqliteCacheStore({ location, maxEntrySize: maxEntrySizeBytes + 1 })
    const store = fromUndiciStore(inner, { maxEntrySizeBytes })
    locations.set(store, location)
    return store
  }
  const locationOf = (store: CacheStore) => locations.get(store) ?? ''
  testStore({
    name: "undici's SqliteCacheStore",
    isSynchronous: true,
    create: ({ maxEntrySizeBytes }) => {
      const directory = mkdtempSync(join(tmpdir(), 'undici-http-cache-'))
      return open(join(directory, 'cache.db'), maxEntrySizeBytes)
    },
    reopen: store => open(locationOf(store)),
    dispose: store => rmSync(dirname(locationOf(store)), { recursive: true })
  })
}

testStore({
  name: "an asynchronous store by undici's contract that streams",
  create: ({ maxEntrySizeBytes }) => fromUndiciStore(new StreamingStore(), { maxEntrySizeBytes })
})

testStore({
  name: 'a store as undici-cache-redis is',
  create: ({ maxEntrySizeBytes }) => {
    const inner = new DeletingStore()
    const clear = () => void inner.rows.splice(0, inner.rows.length)
    return fromUndiciStore(inner, { maxEntrySizeBytes, clear })
  }
})
