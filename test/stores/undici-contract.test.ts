// fromUndiciStore passes the contract suite on undici's own stores, and on one that is slow and streams.
import { test } from 'node:test'
import { cacheStores } from 'undici'
import { testStore } from 'undici-http-cache/stores/testing'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import { StreamingStore, sqliteStore } from './undici-stores.ts'

testStore({
  name: "undici's MemoryCacheStore",
  create: ({ maxEntrySizeBytes }) => {
    const inner = new cacheStores.MemoryCacheStore({ maxEntrySize: maxEntrySizeBytes + 1, maxCount: 10_000 })
    return fromUndiciStore(inner, { maxEntrySizeBytes, synchronous: true })
  }
})

const sqlite = sqliteStore()
if (typeof sqlite === 'string') test("undici's SqliteCacheStore", { skip: sqlite })
else {
  sqlite.close()
  testStore({
    name: "undici's SqliteCacheStore",
    create: ({ maxEntrySizeBytes }) => {
      const inner = new cacheStores.SqliteCacheStore({ maxEntrySize: maxEntrySizeBytes + 1 })
      return fromUndiciStore(inner, { maxEntrySizeBytes, synchronous: true })
    }
  })
}

testStore({
  name: "an asynchronous store by undici's contract that streams",
  create: ({ maxEntrySizeBytes }) => fromUndiciStore(new StreamingStore(), { maxEntrySizeBytes })
})
