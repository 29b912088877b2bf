// What an adapter makes of stores by undici's contract that do less than they should, or something else.
import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { cacheStores } from 'undici'
import { CacheError, cacheInterceptor } from 'undici-http-cache'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import type { CacheStore, Entry, Stored } from '../../stores/store.ts'
import { startOrigin } from '../support/origin.ts'
import { bytesOf, entryOf, finished, KEY, store as put, variantFor } from '../support/responses.ts'
import { cachingOnUndicis } from './undici-caching.ts'
import { AddingStore, StreamingStore } from './undici-stores.ts'

function varying(vary: readonly string[], fields: Readonly<Record<string, string>>): Entry {
  return entryOf(KEY, { vary, variantKey: variantFor(fields)(vary) })
}

async function find(store: CacheStore, fields: Readonly<Record<string, string>> = {}): Promise<Stored | undefined> {
  return (await store.get(KEY, variantFor(fields))).stored[0]
}

test('leaves no stream of the store behind', async () => {
  const inner = new StreamingStore()
  await using origin = await startOrigin({
    headers: { 'cache-control': 'max-age=0', etag: '"1"' },
    body: 'x'.repeat(200_000)
  })
  await using cache = cachingOnUndicis(inner)
  for (let i = 0; i < 3; i++) await cache.ask(origin.url)
  await nextTurn()
  assert.equal(inner.open.size, 0)
  const store = fromUndiciStore(inner)
  const entry = entryOf()
  assert.ok(await put(store, entry))
  const stored = await find(store)
  await nextTurn()
  assert.equal(inner.open.size, 0, 'of what was only looked up')
  assert.deepEqual(await bytesOf(await stored?.open()), Buffer.from('x'))
  assert.deepEqual(await bytesOf(await stored?.open()), Buffer.from('x'), 'opened twice')
})

test('says in its capabilities what the contract of undici cannot do, and refuses it', async () => {
  const store = fromUndiciStore(new cacheStores.MemoryCacheStore())
  assert.deepEqual(store.capabilities, {
    tags: false,
    ranges: false,
    shared: false,
    clear: false
  })
  const unsupported = (error: unknown) => error instanceof CacheError && error.code === 'ERR_CACHE_UNSUPPORTED'
  await assert.rejects(async () => store.deleteByTag('x'), unsupported)
  await assert.rejects(async () => store.clear(), unsupported)
  await assert.rejects(cacheInterceptor({ store }).purge(), unsupported)
})

test('keeps no response of which the store keeps no whole', async () => {
  const inner = new cacheStores.MemoryCacheStore({ maxEntrySize: 1000 })
  const store = fromUndiciStore(inner)
  assert.equal(await put(store, entryOf(), [new Uint8Array(2000)]), undefined)
  assert.equal(await find(store), undefined)
  assert.ok(await put(store, entryOf(), [new Uint8Array(500)]))
  assert.equal(await put(store, entryOf(KEY, { expiresAtMs: 0 })), undefined, 'expired on arrival')
})

test('takes what is not its own, or damaged, for nothing', async () => {
  const inner = new AddingStore()
  const store = fromUndiciStore(inner)
  const vary = ['accept']
  const fields = { accept: 'a' }
  for (const field of ['undici-http-cache-record', 'undici-http-cache-lists']) {
    for (const damage of ['', '{', '{}', 'null', '[]', '{"key":1,"lists":[1]}', '{"version":9}']) {
      await store.delete(KEY)
      assert.ok(await put(store, varying(vary, fields)))
      for (const { value } of inner.rows) {
        if (field in value.headers) value.headers[field] = damage
      }
      assert.equal(await find(store, fields), undefined, `${field}: ${damage}`)
    }
  }
})

test("takes another URL's for nothing, where the store matches loosely", async () => {
  class LooseStore extends AddingStore {
    override get(key: Parameters<AddingStore['get']>[0]) {
      const { path } = this.rows.find(row => row.key.method === key.method)?.key ?? key
      return super.get({ ...key, path })
    }
  }
  const store = fromUndiciStore(new LooseStore())
  const fields = { accept: 'a' }
  for (const vary of [['accept'], []]) {
    assert.ok(await put(store, varying(vary, fields)))
    const { stored, otherVariants } = await store.get('https://store.test/other', variantFor(fields))
    assert.deepEqual([stored, otherVariants], [[], false])
  }
})

test('does not write a body once more that comes back longer or shorter', async () => {
  const inner = new StreamingStore()
  const store = fromUndiciStore(inner)
  const stored = await put(store, entryOf())
  assert.ok(stored)
  const get = inner.get
  for (const damaged of ['short', 'x'.repeat(1000)]) {
    inner.get = async key => {
      const result = await get.call(inner, key)
      return result && { ...result, body: Readable.from([Buffer.from(damaged)]) }
    }
    assert.equal(await store.update({ ...stored, statusText: 'New' }), false)
  }
  inner.get = get
  assert.deepEqual((await find(store))?.entry, stored)
})

test('does not wait for a store that never finishes writing', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.timers.reset()
    syncBuiltinESMExports()
  })
  const inner = new AddingStore()
  const add = inner.createWriteStream
  const store = fromUndiciStore(inner)
  inner.createWriteStream = (key, value) => {
    const stream = add.call(inner, key, value)
    stream._final = () => {}
    return stream
  }
  const entry = entryOf()
  const writer = await store.put(entry)
  const committed = Promise.resolve(writer?.commit(finished(entry, 0)))
  inner.createWriteStream = add
  const next = put(store, entryOf())
  await nextTurn()
  t.mock.timers.tick(10_000)
  await assert.rejects(committed, { code: 'ERR_CACHE_TIMEOUT' })
  assert.ok(await next, 'the next response for the key')
})

test('keeps no value of a selecting field, which may be a credential', async () => {
  const inner = new AddingStore()
  const store = fromUndiciStore(inner)
  const fields = { cookie: 'secret' }
  const stored = await put(store, varying(['cookie'], fields))
  assert.deepEqual((await find(store, fields))?.entry, stored)
  assert.equal(inner.rows.length, 2)
  assert.doesNotMatch(JSON.stringify(inner.rows), /secret/)
})

test('refuses bad arguments by name', () => {
  const inner = new cacheStores.MemoryCacheStore()
  const bad: [unknown, object, RegExp][] = [
    [undefined, {}, /undiciStore/],
    [{ get() {}, delete() {} }, {}, /undiciStore .*createWriteStream/],
    [inner, { maxEntrySizeBytes: 0 }, /maxEntrySizeBytes/],
    [inner, { maxEntrySizeBytes: '1' }, /maxEntrySizeBytes/],
    [inner, { clear: true }, /clear/]
  ]
  for (const [store, options, message] of bad) {
    assert.throws(() => fromUndiciStore(store as never, options), { code: 'ERR_CACHE_OPTION', message })
  }
})
