// What an adapter makes of stores by undici's contract that do less than they should, or something else.
import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { cacheStores } from 'undici'
import { CacheError, cacheInterceptor } from 'undici-http-cache'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import { finished, Subject } from '../../stores/testing/subject.ts'
import { startOrigin } from '../support/origin.ts'
import { cachingOnUndicis } from './undici-caching.ts'
import { AddingStore, StreamingStore } from './undici-stores.ts'

test('leaves no stream of the store behind', async t => {
  const inner = new StreamingStore()
  await using origin = await startOrigin({
    headers: { 'cache-control': 'max-age=0', etag: '"1"' },
    body: 'x'.repeat(200_000)
  })
  await using cache = cachingOnUndicis(inner)
  for (let i = 0; i < 3; i++) await cache.ask(origin.url)
  await nextTurn()
  assert.equal(inner.open.size, 0)
  const subject = new Subject(fromUndiciStore(inner), t, 1, async () => undefined)
  const entry = subject.entry()
  assert.ok(await subject.put(entry))
  const stored = await subject.find()
  await nextTurn()
  assert.equal(inner.open.size, 0, 'of what was only looked up')
  assert.deepEqual(await subject.read(stored), Buffer.from(entry.id))
  assert.deepEqual(await subject.read(stored), Buffer.from(entry.id), 'opened twice')
})

test('says in its capabilities what the contract of undici cannot do, and refuses it', async () => {
  const store = fromUndiciStore(new cacheStores.MemoryCacheStore())
  assert.deepEqual(store.capabilities, {
    synchronous: false,
    updateInPlace: false,
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

test('keeps no response of which the store keeps no whole', async t => {
  const inner = new cacheStores.MemoryCacheStore({ maxEntrySize: 1000 })
  const subject = new Subject(fromUndiciStore(inner), t, 1, async () => undefined)
  assert.equal(await subject.put(subject.entry(), new Uint8Array(2000)), undefined)
  assert.equal(await subject.find(), undefined)
  assert.ok(await subject.put(subject.entry(), new Uint8Array(500)))
  assert.equal(await subject.put(subject.entry({ expiresAtMs: 0 })), undefined, 'expired on arrival')
})

test('takes what is not its own, or damaged, for nothing', async t => {
  const inner = new AddingStore()
  const subject = new Subject(fromUndiciStore(inner), t, 1, async () => undefined)
  const vary = ['accept']
  const fields = { accept: 'a' }
  for (const field of ['undici-http-cache-record', 'undici-http-cache-lists']) {
    for (const damage of ['', '{', '{}', 'null', '[]', '{"key":1,"lists":[1]}', '{"version":9}']) {
      await subject.store.delete(subject.entry().key)
      assert.ok(await subject.put(subject.entry({ vary }, fields)))
      for (const { value } of inner.rows) {
        if (field in value.headers) value.headers[field] = damage
      }
      assert.equal(await subject.find(undefined, fields), undefined, `${field}: ${damage}`)
    }
  }
})

test("takes another URL's for nothing, where the store matches loosely", async t => {
  class LooseStore extends AddingStore {
    override get(key: Parameters<AddingStore['get']>[0]) {
      const { path } = this.rows.find(row => row.key.method === key.method)?.key ?? key
      return super.get({ ...key, path })
    }
  }
  const subject = new Subject(fromUndiciStore(new LooseStore()), t, 1, async () => undefined)
  const fields = { accept: 'a' }
  for (const vary of [['accept'], []]) {
    assert.ok(await subject.put(subject.entry({ vary }, fields)))
    const { stored, otherVariants } = await subject.get('https://store.test/other', fields)
    assert.deepEqual([stored, otherVariants], [[], false])
  }
})

test('does not write a body once more that comes back longer or shorter', async t => {
  const inner = new StreamingStore()
  const subject = new Subject(fromUndiciStore(inner), t, 1, async () => undefined)
  const stored = await subject.put(subject.entry())
  assert.ok(stored)
  const get = inner.get
  for (const damaged of ['short', 'x'.repeat(1000)]) {
    inner.get = async key => {
      const result = await get.call(inner, key)
      return result && { ...result, body: Readable.from([Buffer.from(damaged)]) }
    }
    assert.equal(await subject.store.update({ ...stored, statusText: 'New' }), false)
  }
  inner.get = get
  assert.deepEqual((await subject.find())?.entry, stored)
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
  const subject = new Subject(store, t, 1, async () => undefined)
  inner.createWriteStream = (key, value) => {
    const stream = add.call(inner, key, value)
    stream._final = () => {}
    return stream
  }
  const entry = subject.entry()
  const writer = await store.put(entry)
  const committed = Promise.resolve(writer?.commit(finished(entry, 0)))
  inner.createWriteStream = add
  const next = subject.put(subject.entry())
  await nextTurn()
  t.mock.timers.tick(10_000)
  await assert.rejects(committed, { code: 'ERR_CACHE_TIMEOUT' })
  assert.ok(await next, 'the next response for the key')
})

test('keeps no value of a selecting field, which may be a credential', async t => {
  const inner = new AddingStore()
  const subject = new Subject(fromUndiciStore(inner), t, 1, async () => undefined)
  const fields = { cookie: 'secret' }
  const stored = await subject.put(subject.entry({ vary: ['cookie'] }, fields))
  assert.deepEqual((await subject.find(undefined, fields))?.entry, stored)
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
    [inner, { synchronous: 1 }, /synchronous/],
    [inner, { clear: true }, /clear/]
  ]
  for (const [store, options, message] of bad) {
    assert.throws(() => fromUndiciStore(store as never, options), { code: 'ERR_CACHE_OPTION', message })
  }
})
