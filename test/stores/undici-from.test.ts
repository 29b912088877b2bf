// This package's interceptor on undici's stores: what it serves, and what it leaves there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cacheStores, interceptors } from 'undici'
import type { UndiciCacheStore } from 'undici-http-cache/stores/undici'
import { ask } from '../support/ask.ts'
import { startOrigin } from '../support/origin.ts'
import { cachingOnUndicis } from './undici-caching.ts'
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
    await using cache = cachingOnUndicis(inner)
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
    await using cache = cachingOnUndicis(inner)
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
    await using cache = cachingOnUndicis(inner)
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
    await using cache = cachingOnUndicis(inner)
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
  await using cache = cachingOnUndicis(store)
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
  await using cache = cachingOnUndicis(inner)
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

function made(make: () => UndiciCacheStore | string, t: { skip(why: string): void }): UndiciCacheStore | undefined {
  const inner = make()
  if (typeof inner !== 'string') return inner
  t.skip(inner)
  return undefined
}

function assertNothingInternal(headers: object): void {
  const names = Object.keys(headers).filter(name => name.startsWith('undici'))
  assert.deepEqual(names, [])
}
