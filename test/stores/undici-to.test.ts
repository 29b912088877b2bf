// undici's own cache on this package's stores.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Agent, interceptors } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { fromUndiciStore, type ToUndiciStoreOptions, toUndiciStore } from 'undici-http-cache/stores/undici'
import type { Body, CacheStore } from '../../stores/store.ts'
import { type AskOptions, ask } from '../support/ask.ts'
import { startOrigin } from '../support/origin.ts'
import { AsyncStore } from './async-store.ts'
import { StreamingStore } from './undici-stores.ts'

const STORES: readonly { name: string; make: () => CacheStore }[] = [
  { name: 'a MemoryStore', make: () => new MemoryStore() },
  { name: 'an asynchronous store', make: () => new AsyncStore() },
  { name: "undici's contract and back", make: () => fromUndiciStore(new StreamingStore()) }
]

for (const { name, make } of STORES) {
  test(`undici's cache is served from ${name}`, async () => {
    const body = 'x'.repeat(300_000)
    await using origin = await startOrigin({
      headers: { 'cache-control': 'max-age=60', 'x-twice': ['one', 'two'], 'x-latin1': '\xe9', etag: '"1"' },
      body
    })
    await using cache = caching(make())
    const first = await cache.ask(origin.url)
    const hit = await cache.ask(origin.url)
    assert.equal(origin.requests.length, 1)
    assert.equal(hit.body, body)
    const { age, ...headers } = hit.headers
    assert.match(String(age), /^\d$/)
    const { connection: _, 'keep-alive': _keepAlive, ...sent } = first.headers
    const { 'keep-alive': _stored, ...got } = headers
    assert.deepEqual(got, sent, 'nothing lost, nothing added')
    assert.deepEqual(cache.faults, [])
  })

  test(`undici's cache tells variants apart in ${name}`, async () => {
    await using origin = await startOrigin(({ headers }) => ({
      headers: { 'cache-control': 'max-age=60', vary: 'Accept-Language, X-Other' },
      body: headers['accept-language'] ?? 'none'
    }))
    await using cache = caching(make())
    const requests = [{ 'accept-language': 'en' }, { 'accept-language': 'de' }, {}]
    for (const headers of [...requests, ...requests]) {
      assert.equal((await cache.ask(origin.url, { headers })).body, headers['accept-language'] ?? 'none')
    }
    assert.equal(origin.requests.length, 3)
  })

  test(`undici's cache revalidates what is in ${name}`, async () => {
    await using origin = await startOrigin(({ headers }) =>
      headers['if-none-match'] === '"1"'
        ? { status: 304, headers: { etag: '"1"' } }
        : { headers: { 'cache-control': 'no-cache, max-age=60', etag: '"1"' }, body: 'content' }
    )
    await using cache = caching(make())
    for (let i = 0; i < 3; i++) assert.equal((await cache.ask(origin.url)).body, 'content')
    assert.deepEqual(
      origin.requests.map(({ headers }) => headers['if-none-match']),
      [undefined, '"1"', '"1"']
    )
  })

  test(`undici's cache invalidates what is in ${name}`, async () => {
    await using origin = await startOrigin()
    await using cache = caching(make())
    await cache.ask(origin.url)
    assert.equal((await cache.ask(origin.url)).body, '#1')
    await cache.ask(origin.url, { method: 'POST', body: 'x' })
    assert.equal((await cache.ask(origin.url)).body, '#3')
    assert.equal((await cache.ask(origin.url)).body, '#3')
  })
}

test('what undici asked for before an invalidation is not stored after it', async () => {
  let answer = () => {}
  await using origin = await startOrigin(async ({ method, number }) => {
    if (number === 1) await new Promise<void>(resolve => (answer = resolve))
    return { headers: { 'cache-control': 'max-age=60' }, body: method + number }
  })
  await using cache = caching(new MemoryStore())
  const slow = cache.ask(origin.url)
  while (origin.requests.length === 0) await nextTurn()
  await cache.ask(origin.url, { method: 'POST', body: 'x' })
  answer()
  assert.equal((await slow).body, 'GET1')
  assert.equal((await cache.ask(origin.url)).body, 'GET3')
  assert.equal((await cache.ask(origin.url)).body, 'GET3', 'what is asked for after it is')
})

test('what undici revalidates, although it is fresh, is not stored after an invalidation either', async () => {
  let answer = () => {}
  await using origin = await startOrigin(async ({ method, number }) => {
    if (number === 2) await new Promise<void>(resolve => (answer = resolve))
    return { headers: { 'cache-control': 'max-age=60' }, body: method + number }
  })
  await using cache = caching(new MemoryStore())
  await cache.ask(origin.url)
  const slow = cache.ask(origin.url, { headers: { 'cache-control': 'no-cache' } })
  while (origin.requests.length < 2) await nextTurn()
  await cache.ask(origin.url, { method: 'POST', body: 'x' })
  answer()
  assert.equal((await slow).body, 'GET2')
  assert.equal((await cache.ask(origin.url)).body, 'GET4')
})

test('nothing is stored where the store cannot tell whether it was deleted meanwhile', async () => {
  const memory = new MemoryStore()
  const store: CacheStore = memory
  const get = memory.get.bind(memory)
  store.get = (key, variantOf) => {
    const { stored, otherVariants } = get(key, variantOf)
    return { stored, otherVariants, asOf: () => Promise.reject(new Error('store')) }
  }
  await using origin = await startOrigin()
  await using cache = caching(store)
  for (const body of ['#1', '#2']) assert.equal((await cache.ask(origin.url)).body, body)
  assert.equal(cache.faults.length, 2)
})

test('the newest of several responses is given back', async () => {
  const store = toUndiciStore(new MemoryStore())
  const key = { origin: 'http://a.test', method: 'GET', path: '/', headers: { a: '1', b: '1' } }
  for (const vary of [{ a: '1' }, { b: '1' }, { a: '1', b: '1' }]) {
    for (let i = 0; i < 2; i++) {
      await new Promise(resolve => setTimeout(resolve, 2))
      await write(store, key, JSON.stringify(vary), Date.now() + 60_000, vary)
      assert.deepEqual((await store.get(key))?.body, [Buffer.from(JSON.stringify(vary))])
    }
  }
})

test('what undici gives up is let go of', async () => {
  const memory = new MemoryStore()
  const put = memory.put.bind(memory)
  let aborted = 0
  ;(memory as CacheStore).put = (entry, options) => {
    const writer = put(entry, options)
    return writer && { ...writer, abort: () => void aborted++ }
  }
  let returned = 0
  async function* body() {
    try {
      while (true) yield Buffer.alloc(1000)
    } finally {
      returned++
    }
  }
  const store = toUndiciStore(opening(memory, body))
  const key = { origin: 'http://a.test', method: 'GET', path: '/', headers: {} }
  const stream = store.createWriteStream(key, valueUntil(Date.now() + 60_000))
  stream?.write('x')
  stream?.destroy()
  assert.equal(aborted, 1)
  await write(store, key, 'x'.repeat(1_000_000))
  const stored = (await store.get(key))?.body
  assert.ok(stored instanceof Readable)
  await once(stored, 'readable')
  stored.destroy()
  await once(stored, 'close')
  assert.deepEqual([aborted, returned], [1, 1])
})

test('what undici deletes in order to replace it is stored anew', async () => {
  const store = toUndiciStore(new MemoryStore())
  const key = { origin: 'http://a.test', method: 'GET', path: '/', headers: {} }
  assert.equal(await store.get(key), undefined)
  await store.delete(key)
  await write(store, key, 'content')
  assert.ok(await store.get({ ...key }))
})

test('clients cannot alter what is stored', async () => {
  await using origin = await startOrigin({
    headers: { 'cache-control': 'max-age=60', 'x-list': ['a', 'b'] },
    body: 'content'
  })
  await using cache = caching(new MemoryStore())
  for (let i = 0; i < 3; i++) {
    const { body, headers } = await cache.agent.request({ origin: origin.url, path: '/', method: 'GET' })
    assert.deepEqual(headers['x-list'], ['a', 'b'])
    ;(headers['x-list'] as string[]).push('c')
    for await (const chunk of body) {
      assert.equal(String(chunk), 'content')
      chunk.fill(0)
    }
  }
  assert.equal(origin.requests.length, 1)
})

test('a URL has one key, whatever its origin is given as, and another for another Host', async () => {
  const store = toUndiciStore(new MemoryStore())
  const key = { origin: 'http://a.test/', method: 'GET', path: '/x', headers: {} }
  await write(store, key, 'content')
  assert.ok(await store.get({ ...key, origin: 'http://A.test:80' }))
  assert.equal(await store.get({ ...key, headers: { host: 'b.test' } }), undefined)
  assert.equal(await store.get({ ...key, method: 'HEAD' }), undefined)
})

test("this package's interceptor on the same store neither sees nor is seen, and purges both", async () => {
  const memory = new MemoryStore()
  await using origin = await startOrigin()
  await using cache = caching(memory)
  const interceptor = cacheInterceptor({ store: memory })
  const agent = cache.plain.compose(interceptor)
  assert.equal((await cache.ask(origin.url)).body, '#1')
  assert.equal((await ask(agent, origin.url)).body, '#2')
  assert.equal((await cache.ask(origin.url)).body, '#1')
  assert.equal((await ask(agent, origin.url)).body, '#2')
  await interceptor.purge({ url: origin.url })
  assert.equal((await cache.ask(origin.url)).body, '#3')
  assert.equal((await ask(agent, origin.url)).body, '#4')
})

test('a store that fails, or does not answer, is a store that holds nothing', async () => {
  const never = () => new Promise<never>(() => {})
  const fail = () => {
    throw new Error('store')
  }
  const reject = () => Promise.reject(new Error('store'))
  for (const broken of [fail, reject, never]) {
    for (const method of ['get', 'put', 'delete'] as const) {
      await using origin = await startOrigin()
      const store: CacheStore = new MemoryStore()
      store[method] = broken
      await using cache = caching(store, { timeoutMs: 20 })
      for (const body of ['#1', method === 'delete' ? '#1' : '#2'])
        assert.equal((await cache.ask(origin.url)).body, body)
      await cache.ask(origin.url, { method: 'POST', body: 'x' })
      await new Promise(resolve => setTimeout(resolve, 30))
      assert.notEqual((await cache.ask(origin.url)).body, '#1', 'a failed invalidation')
      assert.notEqual(cache.faults.length, 0, `${method} that ${broken.name}s`)
    }
  }
})

test('a writer that fails costs the client nothing', async () => {
  for (const method of ['write', 'commit'] as const) {
    for (const error of [() => Promise.reject(new Error('store')), () => assert.fail('store')]) {
      await using origin = await startOrigin()
      const memory = new MemoryStore()
      const store: CacheStore = memory
      const put = memory.put.bind(memory)
      store.put = (entry, options) => {
        const writer = put(entry, options)
        return writer === undefined ? undefined : { ...writer, [method]: error }
      }
      await using cache = caching(store)
      assert.equal((await cache.ask(origin.url)).body, '#1')
      assert.equal((await cache.ask(origin.url)).body, '#2')
      assert.notEqual(cache.faults.length, 0)
    }
  }
})

test('a stored body of another length than it had ends in an error, and one that is gone in a miss', async () => {
  await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'content' })
  for (const pieces of [['cont'], ['content', 'more'], []]) {
    const memory = new MemoryStore()
    await using cache = caching(opening(memory, () => reading(pieces)))
    await cache.ask(origin.url)
    await assert.rejects(cache.ask(origin.url), { code: 'ERR_CACHE_BODY' })
  }
  await using cache = caching(opening(new MemoryStore(), () => undefined))
  await cache.ask(origin.url)
  assert.equal((await cache.ask(origin.url)).body, 'content')
})

test('nothing larger than the store takes is stored', async () => {
  const store = new MemoryStore({ maxEntrySizeBytes: 1000 })
  await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x'.repeat(5000) })
  await using cache = caching(store)
  for (let i = 0; i < 2; i++) assert.equal((await cache.ask(origin.url)).body.length, 5000)
  assert.equal(origin.requests.length, 2)
  assert.equal(store.entryCount, 0)
})

test('nothing is given back once undici has told to delete it', async () => {
  const store = toUndiciStore(new MemoryStore())
  const key = { origin: 'http://a.test', method: 'GET', path: '/', headers: {} }
  await write(store, key, 'content', Date.now() + 50)
  assert.ok(await store.get(key))
  await new Promise(resolve => setTimeout(resolve, 60))
  assert.equal(await store.get(key), undefined)
})

test('a value comes back as undici gave it', async () => {
  const store = toUndiciStore(new MemoryStore())
  const key = {
    origin: 'http://a.test',
    method: 'GET',
    path: '/',
    headers: { accept: 'ü\u{1f600}', 'x-list': ['a', 'b'] }
  }
  const value = {
    ...valueUntil(Date.now() + 60_000),
    headers: { 'content-type': 'a/b', 'x-list': ['a', 'b'], empty: '' },
    vary: { accept: 'ü\u{1f600}', 'x-list': ['a', 'b'], absent: null },
    etag: 'W/"ü"',
    cacheControlDirectives: { 'max-age': 60, 'no-cache': ['x'], public: true as const }
  }
  const stream = store.createWriteStream(key, value)
  assert.ok(stream)
  stream.end('content')
  await once(stream, 'finish')
  const { body, ...back } = (await store.get({ ...key })) ?? {}
  assert.deepEqual(back, value)
  assert.deepEqual(body, [Buffer.from('content')])
  assert.equal(await store.get({ ...key, headers: { ...key.headers, absent: 'x' } }), undefined)
})

test('refuses bad arguments by name', () => {
  const memory = new MemoryStore()
  const bad: [unknown, object, RegExp][] = [
    [{}, {}, /store/],
    [null, {}, /store/],
    [memory, { timeoutMs: 0 }, /timeoutMs/],
    [memory, { timeoutMs: Infinity }, /timeoutMs/],
    [memory, { onStoreError: 1 }, /onStoreError/]
  ]
  for (const [store, options, message] of bad) {
    assert.throws(() => toUndiciStore(store as never, options), { code: 'ERR_CACHE_OPTION', message })
  }
})

type UndiciStore = ReturnType<typeof toUndiciStore>

function valueUntil(deleteAt: number) {
  const cachedAt = deleteAt - 120_000
  return { statusCode: 200, statusMessage: 'OK', headers: {}, cachedAt, staleAt: deleteAt - 60_000, deleteAt }
}

async function write(
  store: UndiciStore,
  key: Parameters<UndiciStore['get']>[0],
  body: string,
  deleteAt = Date.now() + 120_000,
  vary?: Record<string, string>
): Promise<void> {
  const stream = store.createWriteStream(key, { ...valueUntil(deleteAt), ...(vary && { vary }) })
  assert.ok(stream)
  stream.end(body)
  await once(stream, 'close')
}

/** A store whose bodies turn out to be something else, read as they are asked for. */
function opening(store: CacheStore, body: () => Body | undefined): CacheStore {
  const get = store.get.bind(store)
  store.get = async (key, variantOf) => {
    const found = await get(key, variantOf)
    return {
      ...found,
      asOf: () => found.asOf(),
      stored: found.stored.map(({ entry }) => ({ entry, open: body }))
    }
  }
  return store
}

async function* reading(pieces: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece)
}

/** undici's cache on the store; what a request brought is stored once `ask` returns. */
function caching(store: CacheStore, options: ToUndiciStoreOptions = {}) {
  const faults: unknown[] = []
  const undiciStore = toUndiciStore(store, { ...options, onStoreError: error => faults.push(error) })
  const streams = new Set<Promise<unknown>>()
  const createWriteStream = undiciStore.createWriteStream.bind(undiciStore)
  undiciStore.createWriteStream = (key, value) => {
    const stream = createWriteStream(key, value)
    if (stream !== undefined) streams.add(once(stream, 'close').catch(() => {}))
    return stream
  }
  const plain = new Agent()
  const agent = plain.compose(interceptors.cache({ store: undiciStore }))
  return {
    agent,
    plain,
    faults,
    async ask(url: string, askOptions?: AskOptions) {
      const answer = await ask(agent, url, askOptions)
      await nextTurn()
      await Promise.race([Promise.all(streams), new Promise(resolve => setTimeout(resolve, 100))])
      return answer
    },
    async [Symbol.asyncDispose]() {
      await plain.close()
      await store.close()
    }
  }
}
