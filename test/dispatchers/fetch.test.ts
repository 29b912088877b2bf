import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Agent, type Dispatcher, fetch, getGlobalDispatcher, request, setGlobalDispatcher } from 'undici'
import { cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { startOrigin } from '../support/origin.ts'
import { undiciMajor } from '../support/undici.ts'
import { Witness } from '../support/witness.ts'

const witness = new Witness()
let agent: Agent
before(() => {
  agent = new Agent()
})
after(async () => {
  await witness.check()
  await agent.close()
})

const FRESH = { 'cache-control': 'max-age=60' }

function caching(options?: Parameters<typeof cacheInterceptor>[0]): Dispatcher {
  return agent.compose(cacheInterceptor(options), witness.interceptor)
}

interface Init {
  dispatcher: Dispatcher
  method?: string
  body?: string
  headers?: Record<string, string>
  signal?: AbortSignal
  cache?: 'default' | 'force-cache' | 'no-cache' | 'no-store' | 'reload'
}

type Fetch = (url: string, init: Init) => Promise<Response>

const fetches: Record<string, Fetch> = {
  'fetch of undici': fetch as unknown as Fetch,
  'the built-in fetch': globalThis.fetch as unknown as Fetch
}

for (const [name, fetched] of Object.entries(fetches)) {
  describe(`${name} with { dispatcher }`, () => {
    test('is answered from the cache, and says so', async () => {
      await using origin = await startOrigin({ headers: { ...FRESH, 'x-field': 'value' }, body: 'body' })
      const dispatcher = caching()
      for (const outcome of ['miss', 'hit', 'hit'] as const) {
        const response = await fetched(origin.url, { dispatcher })
        assert.equal(response.status, 200)
        assert.equal(response.statusText, 'OK')
        assert.equal(response.ok, true)
        assert.equal(response.url, `${origin.url}/`)
        assert.equal(response.headers.get('x-field'), 'value')
        assert.equal(response.headers.has('age'), outcome === 'hit')
        assert.match(response.headers.get('cache-status') ?? '', /^undici-http-cache; /)
        assert.equal(await response.text(), 'body')
        assert.equal(cacheInfo(response)?.outcome, outcome)
        assert.equal(cacheInfo(response)?.fromCache, outcome === 'hit')
      }
      assert.equal(origin.requests.length, 1)
    })

    test('decodes content from a hit as from a miss', async () => {
      const headers = { ...FRESH, 'content-encoding': 'gzip', vary: 'accept-encoding' }
      await using origin = await startOrigin({ headers, body: gzipSync('{"decoded":true}') })
      const dispatcher = caching()
      for (let i = 0; i < 3; i++) {
        assert.deepEqual(await (await fetched(origin.url, { dispatcher })).json(), { decoded: true })
      }
      assert.equal(origin.requests.length, 1)
    })

    test('follows redirects, each hop cached by itself', async () => {
      await using origin = await startOrigin(({ path }) =>
        path === '/first'
          ? { status: 302, headers: { ...FRESH, location: '/second' } }
          : { headers: FRESH, body: 'second' }
      )
      const dispatcher = caching()
      for (let i = 0; i < 2; i++) {
        const response = await fetched(`${origin.url}/first`, { dispatcher })
        assert.equal(response.redirected, true)
        assert.equal(response.url, `${origin.url}/second`)
        assert.equal(await response.text(), 'second')
      }
      assert.equal(origin.requests.length, 2)
    })

    test('POST passes with its body and invalidates', async () => {
      await using origin = await startOrigin()
      const dispatcher = caching()
      const get = async () => (await fetched(origin.url, { dispatcher })).text()
      assert.equal(await get(), '#1')
      await (await fetched(origin.url, { dispatcher, method: 'POST', body: 'content' })).text()
      assert.equal(origin.requests[1]?.body, 'content')
      assert.equal(await get(), '#3')
    })

    test('HEAD is answered from a stored GET', async () => {
      await using origin = await startOrigin({ headers: FRESH, body: 'body' })
      const dispatcher = caching()
      await (await fetched(origin.url, { dispatcher })).text()
      const head = await fetched(origin.url, { dispatcher, method: 'HEAD' })
      assert.equal(head.headers.get('content-length'), '4')
      assert.equal(await head.text(), '')
      assert.equal(origin.requests.length, 1)
    })

    test('gets a 200 for a revalidated response', async () => {
      await using origin = await startOrigin(({ headers }) => {
        const fields = { 'cache-control': 'max-age=0', etag: '"1"' }
        return headers['if-none-match'] === '"1"' ? { status: 304, headers: fields } : { headers: fields, body: 'body' }
      })
      const dispatcher = caching()
      for (const outcome of ['miss', 'revalidated'] as const) {
        const response = await fetched(origin.url, { dispatcher })
        assert.equal(response.status, 200)
        assert.equal(await response.text(), 'body')
        assert.equal(cacheInfo(response)?.outcome, outcome)
      }
    })

    test("its cache modes 'no-store', 'reload' and 'no-cache' ask the origin", async () => {
      await using origin = await startOrigin()
      const dispatcher = caching()
      const get = async (cache: NonNullable<Init['cache']>) => (await fetched(origin.url, { dispatcher, cache })).text()
      assert.equal(await get('default'), '#1')
      assert.equal(await get('no-store'), '#2')
      assert.equal(await get('reload'), '#3')
      assert.equal(await get('no-cache'), '#4')
      assert.equal(await get('force-cache'), '#4')
    })

    test("the caller's own condition is answered from the cache with a 304", async () => {
      await using origin = await startOrigin({ headers: { ...FRESH, etag: '"1"' }, body: 'body' })
      const dispatcher = caching()
      await (await fetched(origin.url, { dispatcher })).text()
      const headers = { 'if-none-match': '"1"', 'cache-control': 'max-age=60' }
      const response = await fetched(origin.url, { dispatcher, headers })
      assert.equal(response.status, 304)
      assert.equal(await response.text(), '')
    })

    test('an abort ends it, before and during a body, and on a hit', async () => {
      const reason = new Error('enough')
      await using origin = await startOrigin({ headers: FRESH, body: Buffer.alloc(500_000) })
      const dispatcher = caching()
      await assert.rejects(fetched(origin.url, { dispatcher, signal: AbortSignal.abort(reason) }), reason)
      for (const outcome of ['miss', 'miss', 'hit'] as const) {
        const controller = new AbortController()
        const response = await fetched(origin.url, { dispatcher, signal: controller.signal })
        assert.equal(cacheInfo(response)?.outcome, outcome)
        if (outcome === 'miss' && origin.requests.length > 1) {
          await response.arrayBuffer()
          continue
        }
        const body = response.arrayBuffer()
        controller.abort(reason)
        await assert.rejects(body, reason)
      }
    })

    test('a body that is cancelled leaves what is stored', async () => {
      await using origin = await startOrigin({ headers: FRESH, body: Buffer.alloc(500_000) })
      const dispatcher = caching()
      await (await fetched(origin.url, { dispatcher })).arrayBuffer()
      await (await fetched(origin.url, { dispatcher })).body?.cancel()
      const whole = await (await fetched(origin.url, { dispatcher })).arrayBuffer()
      assert.equal(whole.byteLength, 500_000)
      assert.equal(origin.requests.length, 1)
    })

    test('a failure of the origin is the TypeError of fetch with its cause', async () => {
      const origin = await startOrigin()
      await origin.close()
      await assert.rejects(fetched(origin.url, { dispatcher: caching() }), (error: TypeError) => {
        assert.equal(error.name, 'TypeError')
        assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED')
        return true
      })
    })

    test('many at once make one request to the origin', async () => {
      await using origin = await startOrigin()
      const dispatcher = caching()
      const bodies = await Promise.all(
        Array.from({ length: 20 }, async () => (await fetched(origin.url, { dispatcher })).text())
      )
      assert.deepEqual([...new Set(bodies)], ['#1'])
      assert.equal(origin.requests.length, 1)
    })
  })
}

describe('setGlobalDispatcher()', () => {
  let previous: Dispatcher
  before(() => {
    previous = getGlobalDispatcher()
  })
  after(() => setGlobalDispatcher(previous))

  test('makes one cache of the process: the built-in fetch, fetch and request() of undici', async () => {
    await using origin = await startOrigin()
    const cache = cacheInterceptor()
    setGlobalDispatcher(agent.compose(cache, witness.interceptor))
    const count = witness.count
    const first = await globalThis.fetch(origin.url)
    assert.equal(await first.text(), '#1')
    assert.equal(cache.info(first)?.outcome, 'miss')
    assert.equal(witness.count, count + 1)
    const second = await globalThis.fetch(origin.url)
    assert.equal(await second.text(), '#1')
    assert.equal(cache.info(second)?.outcome, 'hit')
    const third = await fetch(origin.url)
    assert.equal(await third.text(), '#1')
    assert.equal(cache.info(third)?.outcome, 'hit')
    const fourth = await request(origin.url)
    assert.equal(await fourth.body.text(), '#1')
    assert.equal(cache.info(fourth)?.outcome, 'hit')
    assert.equal(origin.requests.length, 1)
    setGlobalDispatcher(previous)
    const fifth = await globalThis.fetch(origin.url)
    assert.equal(await fifth.text(), '#2')
    assert.equal(cache.info(fifth), undefined)
  })

  test('the built-in fetch revalidates, streams and fails through it as without', async () => {
    await using origin = await startOrigin(({ path, headers }) => {
      const fields = { 'cache-control': 'max-age=0', etag: '"1"' }
      if (path === '/large') return { headers: FRESH, body: Buffer.alloc(300_000, 'x') }
      return headers['if-none-match'] === '"1"' ? { status: 304, headers: fields } : { headers: fields, body: 'body' }
    })
    setGlobalDispatcher(caching())
    for (const outcome of ['miss', 'revalidated'] as const) {
      const response = await globalThis.fetch(origin.url)
      assert.equal(await response.text(), 'body')
      assert.equal(cacheInfo(response)?.outcome, outcome)
    }
    for (const outcome of ['miss', 'hit'] as const) {
      const response = await globalThis.fetch(`${origin.url}/large`)
      assert.equal((await response.text()).length, 300_000)
      assert.equal(cacheInfo(response)?.outcome, outcome)
    }
    await origin.close()
    await assert.rejects(globalThis.fetch(`${origin.url}/other`), TypeError)
    assert.equal(await (await globalThis.fetch(`${origin.url}/large`)).text().then(({ length }) => length), 300_000)
    setGlobalDispatcher(previous)
  })
})

test(`these tests run on undici ${undiciMajor}, which is one of those supported`, () => {
  assert.equal([7, 8].includes(undiciMajor), true)
})
