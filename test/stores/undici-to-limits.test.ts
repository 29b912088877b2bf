// What undici's contract asks of an adapted store beyond its use, and what faults of that store come to.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { toUndiciStore } from 'undici-http-cache/stores/undici'
import type { Body, CacheStore } from '../../stores/store.ts'
import { startOrigin } from '../support/origin.ts'
import { undicisCachingOn } from './undici-caching.ts'

test('the newest of several responses is given back', async () => {
  const store = toUndiciStore(new MemoryStore())
  const key = { origin: 'http://a.test', method: 'GET', path: '/', headers: { a: '1', b: '1' } }
  for (const vary of [{ a: '1' }, { b: '1' }, { a: '2' }, { a: '1', b: '2' }]) {
    await write(store, key, JSON.stringify(vary), Date.now() + 60_000, vary)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  assert.deepEqual((await store.get(key))?.body, [Buffer.from('{"b":"1"}')])
})

test('what undici deletes in order to replace it is stored anew', async () => {
  const store = toUndiciStore(new MemoryStore())
  const key = { origin: 'http://a.test', method: 'GET', path: '/', headers: {} }
  assert.equal(await store.get(key), undefined)
  await store.delete(key)
  await write(store, key, 'content')
  assert.ok(await store.get({ ...key }))
})

test('a URL has one key, whatever its origin is given as, and another for another Host', async () => {
  const store = toUndiciStore(new MemoryStore())
  const key = { origin: 'http://a.test/', method: 'GET', path: '/x', headers: {} }
  await write(store, key, 'content')
  assert.ok(await store.get({ ...key, origin: 'http://A.test:80' }))
  assert.equal(await store.get({ ...key, headers: { host: 'b.test' } }), undefined)
  assert.equal(await store.get({ ...key, method: 'HEAD' }), undefined)
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
  const store = toUndiciStore(new MemoryStore({ serializer: new JsonBytesSerializer() }))
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
    etag: 'W/"\u{1f600}"',
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

test('nothing is stored where the store cannot tell whether it was deleted meanwhile', async () => {
  const memory = new MemoryStore()
  const store: CacheStore = memory
  const get = memory.get.bind(memory)
  store.get = (key, variantOf) => {
    const { stored, otherVariants } = get(key, variantOf)
    return { stored, otherVariants, asOf: () => Promise.reject(new Error('store')) }
  }
  await using origin = await startOrigin()
  await using cache = undicisCachingOn(store)
  for (const body of ['#1', '#2']) assert.equal((await cache.ask(origin.url)).body, body)
  assert.equal(cache.faults.length, 2)
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
      await using cache = undicisCachingOn(store, { timeoutMs: 20 })
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
      await using cache = undicisCachingOn(store)
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
    await using cache = undicisCachingOn(opening(memory, () => reading(pieces)))
    await cache.ask(origin.url)
    await assert.rejects(cache.ask(origin.url), { code: 'ERR_CACHE_BODY' })
  }
  for (const gone of [undefined, Buffer.from('cont'), [Buffer.from('content'), Buffer.from('more')]]) {
    await using cache = undicisCachingOn(opening(new MemoryStore(), () => gone))
    await cache.ask(origin.url)
    assert.equal((await cache.ask(origin.url)).body, 'content')
  }
})

test('nothing larger than the store takes is stored', async () => {
  const memory = new MemoryStore()
  const store: CacheStore = Object.create(memory, {
    maxEntrySizeBytes: { value: 1000 },
    get: { value: memory.get.bind(memory) },
    put: { value: memory.put.bind(memory) },
    close: { value: memory.close.bind(memory) }
  })
  await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x'.repeat(5000) })
  await using cache = undicisCachingOn(store)
  for (let i = 0; i < 2; i++) assert.equal((await cache.ask(origin.url)).body.length, 5000)
  assert.equal(origin.requests.length, 2)
  assert.equal(memory.entryCount, 0)
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
