// Byte ranges of what is stored, through real connections.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { Agent, cacheStores, fetch, request } from 'undici'
import { cacheInfo, cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import type { CacheStore } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, Clock, until, withoutDates } from '../support/cached-agent.ts'
import { startOrigin } from '../support/origin.ts'

const BODY = randomBytes(300_000)
const WHOLE = { headers: { 'cache-control': 'max-age=60', etag: '"a"' }, body: BODY }

const stores: Record<string, () => CacheStore> = {
  memory: () => new MemoryStore(),
  'a store of promises and streams': () => new AsyncStore(),
  'a store that opens only whole bodies': () => fromUndiciStore(new cacheStores.MemoryCacheStore())
}

for (const [kind, makeStore] of Object.entries(stores)) {
  describe(`ranges from ${kind}`, () => {
    for (const [range, start, end] of [
      ['bytes=0-0', 0, 1],
      ['bytes=100000-199999', 100_000, 200_000],
      ['bytes=65530-65540', 65_530, 65_541],
      ['bytes=299999-', 299_999, 300_000],
      ['bytes=-70000', 230_000, 300_000],
      ['bytes=0-', 0, 300_000]
    ] as const) {
      test(`${range}, byte for byte, without the origin`, async () => {
        await using origin = await startOrigin(WHOLE)
        await using store = closing(makeStore())
        const dispatcher = new Agent().compose(cacheInterceptor({ store: store.store }))
        await (await request(origin.url, { dispatcher })).body.arrayBuffer()
        for (const ask of [request, fetch] as const) {
          const response = await ask(origin.url, { dispatcher, headers: { range } })
          const { status, headers, body } = await read(response)
          assert.equal(status, 206)
          assert.equal(headers('content-range'), `bytes ${start}-${end - 1}/300000`)
          assert.equal(headers('content-length'), `${end - start}`)
          assert.equal(headers('etag'), '"a"')
          assert.ok(body.equals(BODY.subarray(start, end)))
          assert.equal(cacheInfo(response)?.outcome, 'hit')
        }
        assert.equal(origin.requests.length, 1)
        await dispatcher.close()
      })
    }

    test('beyond the end: 416 without a body', async () => {
      await using origin = await startOrigin(WHOLE)
      await using store = closing(makeStore())
      await using cached = new CachedAgent({ store: store.store })
      await cached.get(origin.url)
      const response = await cached.get(origin.url, { headers: { range: 'bytes=300000-' } })
      assert.deepEqual([response.status, response.body, response.fromCache], [416, '', true])
      assert.equal(response.headers['content-range'], 'bytes */300000')
      assert.equal(response.headers['cache-control'], undefined)
      assert.equal(origin.requests.length, 1)
    })
  })
}

describe('a range', () => {
  test('of what is stale is validated, and answered from the store', async () => {
    await using origin = await startOrigin(({ headers }) =>
      headers['if-none-match'] === '"a"' ? { status: 304, headers: { etag: '"a"' } } : { ...WHOLE, body: '0123456789' }
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(100)
    const part = await cached.get(origin.url, { headers: { range: 'bytes=2-4' } })
    assert.deepEqual([part.status, part.body, part.info.outcome], [206, '234', 'revalidated'])
    assert.equal(origin.requests[1]?.headers.range, 'bytes=2-4')
  })

  test('of what is stale while it is revalidated has the whole fetched in the background', async () => {
    const headers = { 'cache-control': 'max-age=10, stale-while-revalidate=100' }
    await using origin = withoutDates(await startOrigin(({ number }) => ({ headers, body: `whole ${number}` })))
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(20)
    const part = await cached.get(origin.url, { headers: { range: 'bytes=6-', 'if-none-match': '"x"' } })
    assert.deepEqual([part.status, part.body, part.info.reason], [206, '1', 'stale-while-revalidate'])
    await until(() => origin.requests.length === 2)
    const { headers: sent } = origin.requests[1] ?? {}
    assert.deepEqual([sent?.range, sent?.['if-none-match']], [undefined, undefined])
    while ((await cached.get(origin.url)).body !== 'whole 2');
    assert.equal(origin.requests.length, 2)
  })

  test('that the origin does not serve brings the whole, which is stored', async () => {
    await using origin = await startOrigin(WHOLE)
    await using cached = new CachedAgent()
    const first = await cached.get(origin.url, { headers: { range: 'bytes=2-4' } })
    assert.deepEqual([first.status, first.info.stored], [200, true])
    const second = await cached.get(origin.url, { headers: { range: 'bytes=2-4' } })
    assert.deepEqual([second.status, second.fromCache], [206, true])
    assert.equal(origin.requests.length, 1)
  })

  test('is read from the store alone: what is not asked for is not', async () => {
    await using origin = await startOrigin({ ...WHOLE, body: randomBytes(3_000_000) })
    const store = new AsyncStore()
    await using cached = new CachedAgent({ store })
    await cached.get(origin.url)
    await cached.get(origin.url)
    const readWhole = store.operations.filter(operation => operation === 'read').length
    const part = await cached.get(origin.url, { headers: { range: 'bytes=2000000-2000009' } })
    assert.deepEqual([part.status, part.body.length > 0], [206, true])
    const readPart = store.operations.filter(operation => operation === 'read').length - readWhole
    assert.ok(readWhole > 40 && readPart === 1, `${readWhole} and ${readPart} reads`)
  })
})

/** A store that a test closes at its end. */
function closing(store: CacheStore): AsyncDisposable & { readonly store: CacheStore } {
  return { store, [Symbol.asyncDispose]: async () => store.close() }
}

async function read(response: Awaited<ReturnType<typeof request>> | Awaited<ReturnType<typeof fetch>>) {
  if ('statusCode' in response) {
    const body = Buffer.from(await response.body.arrayBuffer())
    return { status: response.statusCode, headers: (name: string) => response.headers[name], body }
  }
  const body = Buffer.from(await response.arrayBuffer())
  return { status: response.status, headers: (name: string) => response.headers.get(name), body }
}
