// This package's interceptor on undici's stores: what it serves, and what it leaves there.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Agent, cacheStores, interceptors } from 'undici'
import { CacheError, cacheInterceptor } from 'undici-http-cache'
import { fromUndiciStore, type UndiciCacheStore } from 'undici-http-cache/stores/undici'
import type { MaybePromise } from '../../stores/store.ts'
import { finished, Subject } from '../../stores/testing/subject.ts'
import { type AskOptions, ask } from '../support/ask.ts'
import { startOrigin } from '../support/origin.ts'
import { AddingStore, StreamingStore, sqliteStore } from './undici-stores.ts'

const STORES: readonly { name: string; make: () => UndiciCacheStore | string }[] = [
  { name: 'MemoryCacheStore', make: () => new cacheStores.MemoryCacheStore() },
  { name: 'SqliteCacheStore', make: () => sqliteStore() },
  { name: 'a store that streams', make: () => new StreamingStore() },
  { name: 'a store that never replaces', make: () => new AddingStore() }
]

for (const { name, make } of STORES) {
  test(`serves from ${name} what the origin said, line by line and byte by byte`, async t => {
    const inner = made(make, t)
    if (inner === undefined) return
    const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256))
    await using origin = await startOrigin({
      headers: { 'Cache-Control': 'max-age=60', 'X-Twice': ['one', 'two'], 'X-Latin1': '\xe9\xff' },
      trailers: { 'X-Trailer': 'end' },
      body
    })
    await using cache = caching(inner)
    const first = await cache.ask(origin.url)
    const hit = await cache.ask(origin.url)
    assert.equal(hit.outcome, 'hit')
    assert.equal(origin.requests.length, 1)
    assert.equal(hit.body, first.body)
    assert.deepEqual(hit.headers['x-twice'], ['one', 'two'])
    assert.equal(hit.headers['x-latin1'], first.headers['x-latin1'])
    assert.deepEqual(hit.trailers, { 'x-trailer': 'end' })
    assertNothingInternal(hit.headers)
    assert.deepEqual(cache.faults, [])
  })

  test(`tells variants apart on ${name}`, async t => {
    const inner = made(make, t)
    if (inner === undefined) return
    await using origin = await startOrigin(({ headers }) => ({
      headers: { 'cache-control': 'max-age=60', vary: 'Accept-Language' },
      body: headers['accept-language'] ?? 'none'
    }))
    await using cache = caching(inner)
    const requests = [{ 'accept-language': 'en' }, { 'accept-language': 'de' }, {}]
    for (const headers of requests) await cache.ask(origin.url, { headers })
    for (const headers of requests) {
      const hit = await cache.ask(origin.url, { headers })
      assert.equal(hit.outcome, 'hit')
      assert.equal(hit.body, headers['accept-language'] ?? 'none')
    }
    assert.equal(origin.requests.length, 3)
  })

  test(`freshens what is stored in ${name}`, async t => {
    const inner = made(make, t)
    if (inner === undefined) return
    await using origin = await startOrigin([
      { headers: { 'cache-control': 'max-age=60', etag: '"1"', 'x-version': 'old' }, body: 'content' },
      { status: 304, headers: { 'cache-control': 'max-age=60', etag: '"1"', 'x-version': 'new' } }
    ])
    await using cache = caching(inner)
    await cache.ask(origin.url)
    const validated = await cache.ask(origin.url, { headers: { 'cache-control': 'no-cache' } })
    const hit = await cache.ask(origin.url)
    assert.equal(origin.requests[1]?.headers['if-none-match'], '"1"')
    for (const answer of [validated, hit]) {
      assert.equal(answer.statusCode, 200)
      assert.equal(answer.body, 'content')
      assert.equal(answer.headers['x-version'], 'new')
    }
    assert.deepEqual([validated.outcome, hit.outcome], ['revalidated', 'hit'])
    assert.equal(origin.requests.length, 2)
  })

  test(`replaces and invalidates what is stored in ${name}`, async t => {
    const inner = made(make, t)
    if (inner === undefined) return
    await using origin = await startOrigin()
    await using cache = caching(inner)
    await cache.ask(origin.url)
    assert.equal((await cache.ask(origin.url, { headers: { 'cache-control': 'no-cache' } })).body, '#2')
    assert.equal((await cache.ask(origin.url)).body, '#2')
    await cache.ask(origin.url, { method: 'POST', body: 'x' })
    assert.equal((await cache.ask(origin.url)).body, '#4')
    await cache.interceptor.purge({ url: origin.url })
    assert.equal((await cache.ask(origin.url)).body, '#5')
    assert.equal((await cache.ask(origin.url)).body, '#5')
  })
}

test('goes on revalidating, rightly, where a freshened response cannot be written', async () => {
  const inner = new cacheStores.MemoryCacheStore()
  let writable = true
  const store: UndiciCacheStore = {
    get: key => inner.get(key),
    createWriteStream: (key, value) => (writable ? inner.createWriteStream(key, value) : undefined),
    delete: key => inner.delete(key)
  }
  await using origin = await startOrigin([
    { headers: { 'cache-control': 'max-age=0', etag: '"1"', 'x-version': '1' }, body: 'content' },
    { status: 304, headers: { 'cache-control': 'max-age=60', 'x-version': '2' } },
    { status: 304, headers: { 'cache-control': 'max-age=60', 'x-version': '3' } },
    { status: 304, headers: { 'cache-control': 'max-age=60', 'x-version': '4' } }
  ])
  await using cache = caching(store)
  await cache.ask(origin.url)
  writable = false
  for (const version of ['2', '3']) {
    const { body, headers, outcome } = await cache.ask(origin.url)
    assert.deepEqual([body, headers['x-version'], outcome], ['content', version, 'revalidated'])
  }
  assert.equal(origin.requests.length, 3, 'one request each')
  const all = await Promise.all([1, 2, 3].map(() => cache.ask(origin.url)))
  assert.deepEqual(
    all.map(({ body, headers }) => [body, headers['x-version']]),
    all.map(() => ['content', '4'])
  )
  assert.ok(origin.requests.length <= 6, 'nor more where several wait for one')
})

test("undici's own cache on the same store neither sees nor is seen, and invalidates both", async () => {
  const inner = new cacheStores.MemoryCacheStore()
  await using origin = await startOrigin()
  await using cache = caching(inner)
  const undicis = cache.plain.compose(interceptors.cache({ store: inner }))
  assert.equal((await cache.ask(origin.url)).body, '#1')
  const missed = await ask(undicis, origin.url)
  assert.equal(missed.body, '#2')
  const hits = [await ask(undicis, origin.url), await cache.ask(origin.url)]
  assert.deepEqual(
    hits.map(({ body }) => body),
    ['#2', '#1']
  )
  for (const { headers } of [missed, ...hits]) assertNothingInternal(headers)
  await ask(undicis, origin.url, { method: 'POST', body: 'x' })
  assert.equal((await cache.ask(origin.url)).body, '#4')
  await cache.ask(origin.url, { method: 'POST', body: 'x' })
  assert.equal((await ask(undicis, origin.url)).body, '#6')
})

test('leaves no stream of the store behind', async t => {
  const inner = new StreamingStore()
  await using origin = await startOrigin({
    headers: { 'cache-control': 'max-age=0', etag: '"1"' },
    body: 'x'.repeat(200_000)
  })
  await using cache = caching(inner)
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
  assert.equal(await subject.put(subject.entry({ expiresAtMs: Date.now() - 1 })), undefined, 'expired on arrival')
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

function made(make: () => UndiciCacheStore | string, t: { skip(why: string): void }): UndiciCacheStore | undefined {
  const inner = make()
  if (typeof inner !== 'string') return inner
  t.skip(inner)
  return undefined
}

function caching(inner: UndiciCacheStore) {
  const faults: unknown[] = []
  const store = fromUndiciStore(inner)
  /** Responses that are neither committed nor aborted. */
  let unfinished = 0
  const put = store.put.bind(store)
  store.put = async (entry, options) => {
    const writer = await put(entry, options)
    if (writer === undefined) return undefined
    unfinished++
    const ending = async <T>(end: MaybePromise<T>) => {
      try {
        return await end
      } finally {
        unfinished--
      }
    }
    return {
      write: chunk => writer.write(chunk),
      commit: finishedEntry => ending(writer.commit(finishedEntry)),
      abort: () => ending(writer.abort())
    }
  }
  const interceptor = cacheInterceptor({ store, onStoreError: error => faults.push(error) })
  const plain = new Agent()
  const agent = plain.compose(interceptor)
  return {
    agent,
    plain,
    interceptor,
    faults,
    /** One request; what it brought is stored by then. */
    async ask(url: string, options?: AskOptions) {
      const answer = await ask(agent, url, options)
      do await nextTurn()
      while (unfinished > 0)
      return answer
    },
    async [Symbol.asyncDispose]() {
      await plain.close()
      await store.close()
    }
  }
}

function assertNothingInternal(headers: object): void {
  const names = Object.keys(headers).filter(name => name.startsWith('undici'))
  assert.deepEqual(names, [])
}
