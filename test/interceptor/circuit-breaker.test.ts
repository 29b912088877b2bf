// A store that has failed several times in a row is left alone for a while.
import assert from 'node:assert/strict'
import { beforeEach, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, until } from '../support/cached-agent.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { type Origin, startOrigin } from '../support/origin.ts'

const TIMEOUT_MS = 40
const hung = () => new Promise(() => {})

interface World extends AsyncDisposable {
  readonly origin: Origin
  readonly store: FaultyStore
  readonly cached: CachedAgent
  get(path?: string, method?: 'GET' | 'POST'): ReturnType<CachedAgent['get']>
}

/** The breaker's clock, which stands still until it is told. */
let nowMs = 0

beforeEach(context => {
  nowMs = 0
  ;(context as TestContext).mock.method(process, 'uptime', () => nowMs / 1000)
})

async function world(store = new FaultyStore(new MemoryStore()), storeTimeoutMs = TIMEOUT_MS): Promise<World> {
  const origin = await startOrigin(({ number, headers }) =>
    headers['if-none-match'] === undefined
      ? { headers: { 'cache-control': 'max-age=60', etag: '"1"' }, body: `#${number}` }
      : { status: 304 }
  )
  const cached = new CachedAgent({ store, storeTimeoutMs, closeTimeoutMs: 200 })
  return {
    origin,
    store,
    cached,
    get: (path = '/', method = 'GET') => cached.get(origin.url + path, { method }),
    async [Symbol.asyncDispose]() {
      await cached[Symbol.asyncDispose]()
      await origin.close()
    }
  }
}

describe('a store that hangs', () => {
  test('altogether is left alone after five failures: later requests are not delayed', async () => {
    await using setting = await world()
    const { store, get } = setting
    const operations = ['get', 'put', 'update', 'delete', 'open'] as const
    for (const operation of operations) store.faults[operation] = hung
    for (let i = 0; i < 5; i++) await get()
    const asked = store.operations.length
    for (let i = 0; i < 10; i++) await get()
    assert.equal(store.operations.length, asked, 'what is not asked is not waited for')
  })

  test('only when it opens bodies is not asked for bodies, and its lookups do not count for it', async () => {
    await using setting = await world()
    const { store, get } = setting
    await get()
    store.faults.open = hung
    for (let i = 0; i < 5; i++) await get()
    assert.equal(store.countOf('open'), 5)
    for (let i = 0; i < 5; i++) assert.equal((await get()).fromCache, false)
    assert.equal(store.countOf('open'), 5)
  })

  test('only when it is read is not read', async () => {
    await using setting = await world(new FaultyStore(new AsyncStore()))
    const { store, get } = setting
    await get()
    await until(() => store.operations.includes('commit'))
    store.faults.read = hung
    while (store.countOf('read') < 5) await get()
    for (let i = 0; i < 5; i++) assert.equal((await get()).fromCache, false)
    assert.equal(store.countOf('read'), 5)
  })

  for (const operation of ['write', 'commit'] as const) {
    test(`only when it should ${operation} is given nothing more to store, and serves what it has`, async () => {
      await using setting = await world()
      const { store, get } = setting
      await get('/stored')
      store.faults[operation] = hung
      for (let i = 0; i < 5; i++) {
        await get(`/${i}`)
        await sleep(TIMEOUT_MS + 10)
      }
      const before = store.countOf('put')
      for (let i = 0; i < 3; i++) await get(`/later/${i}`)
      assert.equal(store.countOf('put'), before)
      assert.equal((await get('/stored')).fromCache, true)
    })
  }

  test('only when it deletes is told of each deletion, does not delay it, and serves none of these keys', async () => {
    const timeoutMs = 200
    await using setting = await world(new FaultyStore(new MemoryStore()), timeoutMs)
    const { store, get } = setting
    const paths = Array.from({ length: 8 }, (_, i) => `/${i}`)
    for (const path of paths) await get(path)
    store.faults.delete = hung
    for (const path of paths.slice(0, 5)) await get(path, 'POST')
    const started = Date.now()
    for (const path of paths.slice(5)) await get(path, 'POST')
    assert.ok(Date.now() - started < 3 * timeoutMs, 'three requests took as long as with deadlines')
    assert.equal(store.countOf('delete'), 8)
    for (const path of paths) assert.equal((await get(path)).fromCache, false)
    store.faults.delete = undefined
    await sleep(timeoutMs + 50)
    await get('/7')
    assert.equal((await get('/7')).fromCache, true)
  })
})

describe('a store that was left alone', () => {
  test('is tried again after a while, by one request at a time, and used once it has recovered', async () => {
    await using setting = await world()
    const { store, get } = setting
    await get()
    store.faults.get = hung
    await Promise.all(Array.from({ length: 20 }, (_, i) => get(`/${i}`)))
    const asked = store.countOf('get')
    assert.equal((await get()).fromCache, false)
    assert.equal(store.countOf('get'), asked)

    nowMs += 500
    await Promise.all(Array.from({ length: 20 }, (_, i) => get(`/${i}`)))
    assert.equal(store.countOf('get'), asked + 1)

    store.faults.get = undefined
    nowMs += 1000
    for (let i = 0; i < 3; i++) assert.equal((await get()).fromCache, true)
  })

  test('is not left alone for one fault among successes', async () => {
    await using setting = await world()
    const { store, get } = setting
    await get()
    for (let i = 0; i < 20; i++) {
      store.faults.get = i % 4 === 3 ? undefined : () => Promise.reject(new Error('a fault'))
      assert.equal((await get()).fromCache, i % 4 === 3)
    }
  })
})
