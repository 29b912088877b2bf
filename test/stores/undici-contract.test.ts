// fromUndiciStore passes the contract suite on undici's own stores, and on stranger ones.
import { test } from 'node:test'
import { cacheStores } from 'undici'
import { testStore } from 'undici-http-cache/stores/testing'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import { AddingStore, StreamingStore, sqliteStore } from './undici-stores.ts'

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

testStore({
  name: "an asynchronous store by undici's contract that never replaces",
  // A replacement removes what else the key holds.
  maxVariants: 1,
  create: ({ maxEntrySizeBytes }) => {
    const inner = new AddingStore()
    const store = fromUndiciStore(inner, {
      maxEntrySizeBytes,
      clear: () => void inner.rows.splice(0, inner.rows.length)
    })
    return store
  }
})
