// What undici's own cache gets wrong, each as it should be.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Agent, type Dispatcher } from 'undici'
import { cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { sampleRecord } from '../support/arbitrary-record.ts'
import { CachedAgent, Clock, gate, until, withoutDates } from '../support/cached-agent.ts'
import { startOrigin } from '../support/origin.ts'
import { startRawOrigin } from '../support/raw-origin.ts'
import { variantFor } from '../support/responses.ts'

describe('revalidation', () => {
  test('a 304 with Cache-Control keeps the entry, freshens it, and the client sees the new fields', async () => {
    await using origin = withoutDates(
      await startOrigin(({ headers, number }) =>
        headers['if-none-match'] === undefined
          ? { headers: { etag: '"a"', 'cache-control': 'max-age=10', 'x-version': '1' }, body: 'the body' }
          : { status: 304, headers: { etag: '"a"', 'cache-control': 'max-age=100', 'x-version': `${number}` } }
      )
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    const revalidated = await cached.get(origin.url)
    assert.equal(revalidated.status, 200)
    assert.equal(revalidated.body, 'the body')
    assert.equal(revalidated.headers['x-version'], '2')
    assert.equal(revalidated.headers['cache-control'], 'max-age=100')
    assert.equal(revalidated.info.outcome, 'revalidated')
    clock.advance(99)
    const hit = await cached.get(origin.url)
    assert.equal(hit.info.outcome, 'hit')
    assert.equal(hit.headers['x-version'], '2')
    assert.equal(hit.body, 'the body')
    assert.equal(origin.requests.length, 2)
  })

  test('a 304 without Cache-Control freshens by what is stored', async () => {
    await using origin = withoutDates(
      await startOrigin(({ headers }) =>
        headers['if-none-match'] === undefined
          ? { headers: { etag: '"a"', 'cache-control': 'max-age=10' }, body: 'the body' }
          : { status: 304, headers: { etag: '"a"' } }
      )
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    assert.equal((await cached.get(origin.url)).info.outcome, 'revalidated')
    clock.advance(9)
    assert.equal((await cached.get(origin.url)).info.outcome, 'hit')
    clock.advance(2)
    assert.equal((await cached.get(origin.url)).info.outcome, 'revalidated')
    assert.equal(origin.requests.length, 3)
  })

  test('an entry with an ETag is revalidated long after twice its lifetime', async () => {
    await using origin = withoutDates(
      await startOrigin(({ headers }) =>
        headers['if-none-match'] === '"a"'
          ? { status: 304 }
          : { headers: { etag: '"a"', 'cache-control': 'max-age=10' }, body: 'the body' }
      )
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(6 * 86_400)
    const received = await cached.get(origin.url)
    assert.equal(received.info.outcome, 'revalidated')
    assert.equal(received.body, 'the body')
  })

  test('a 103 before a 304 reaches the client, and the 304 revalidates', async () => {
    await using origin = await startOrigin(({ headers }, response) => {
      if (headers['if-none-match'] === undefined) {
        return { headers: { etag: '"a"', 'cache-control': 'no-cache' }, body: 'the body' }
      }
      response.writeEarlyHints({ link: '</style.css>; rel=preload' })
      return { status: 304, headers: { etag: '"a"' } }
    })
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const hints: number[] = []
    const received = await cached.get(origin.url, { onInfo: ({ statusCode }) => hints.push(statusCode) })
    assert.equal(received.info.outcome, 'revalidated')
    assert.equal(received.body, 'the body')
    assert.deepEqual(hints, [103])
  })
})

describe('a store that fails', () => {
  const faults = {
    'throws at a lookup': { get: () => assert.fail('get') },
    'never settles at a lookup': { get: () => new Promise<never>(() => {}) },
    'throws at the start of a body': { put: () => assert.fail('put') }
  }
  for (const [what, fault] of Object.entries(faults)) {
    test(`costs the client nothing but time when it ${what}`, async () => {
      await using origin = await startOrigin()
      const store = Object.assign(new MemoryStore(), fault)
      await using cached = new CachedAgent({ store, storeTimeoutMs: 30 })
      assert.equal((await cached.get(origin.url)).body, '#1')
      assert.equal((await cached.get(origin.url)).body, '#2')
    })
  }
})

describe('unsafe methods', () => {
  test('a GET in flight during a POST to the same URL is not stored', async () => {
    const release = gate()
    await using origin = await startOrigin(async ({ method, number }) => {
      if (number === 1) await release.opened
      return { headers: { 'cache-control': 'max-age=60' }, body: `${method} ${number}` }
    })
    await using cached = new CachedAgent()
    const early = cached.get(origin.url)
    await until(() => origin.requests.length === 1)
    await cached.get(origin.url, { method: 'POST', body: 'x' })
    release.open()
    assert.equal((await early).body, 'GET 1')
    assert.equal((await cached.get(origin.url)).body, 'GET 3')
  })

  test('a POST that says no-store invalidates like any other', async () => {
    await using origin = await startOrigin()
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    await cached.get(origin.url, { method: 'POST', headers: { 'cache-control': 'no-store' }, body: 'x' })
    assert.equal((await cached.get(origin.url)).body, '#3')
  })
})

describe('keys', () => {
  /** Whether a request with `second` hits what a request with `first` has stored. */
  async function sameVariant(vary: string, first: string, second: string): Promise<boolean> {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60', vary } })
    await using cached = new CachedAgent()
    await cached.get(origin.url, { headers: { [vary]: first } })
    return (await cached.get(origin.url, { headers: { [vary]: second } })).fromCache
  }

  test('white space in selecting fields does not matter, but within quotes; case only for Accept-Language', async () => {
    assert.equal(await sameVariant('accept-language', 'en, fr', 'en,fr'), true)
    assert.equal(await sameVariant('accept-language', 'en-GB', 'en-gb'), true)
    assert.equal(await sameVariant('accept', 'text/html, */*', 'text/html,*/*'), true)
    assert.equal(await sameVariant('x-list', 'a,b', 'A,b'), false)
    assert.equal(await sameVariant('x-list', '"a, b"', '"a,b"'), false)
  })

  test('an origin given as a string and as a URL is the same origin', async () => {
    await using origin = await startOrigin()
    await using cached = new CachedAgent()
    const bodies: string[] = []
    for (const given of [origin.url, new URL(origin.url), `${origin.url}/`, new URL(`${origin.url}/`)]) {
      const { body } = await cached.agent.request({ origin: given, path: '/', method: 'GET' })
      bodies.push(await body.text())
    }
    assert.deepEqual(bodies, ['#1', '#1', '#1', '#1'])
  })

  test('request headers may have any form that undici takes', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60', vary: 'x-a' } })
    await using cached = new CachedAgent()
    const forms = [{ 'X-A': '1' }, ['x-a', '1'], new Map([['x-a', '1']]), new Headers({ 'x-a': '1' }), { 'x-a': ['1'] }]
    for (const headers of forms) {
      await cached.get(origin.url, { headers: headers as NonNullable<Dispatcher.DispatchOptions['headers']> })
    }
    assert.equal(origin.requests.length, 1)
    assert.equal(origin.requests[0]?.headers['x-a'], '1')
  })
})

describe('what is stored', () => {
  test('mutating received chunks, header objects, lists and raw headers does not reach later hits', async () => {
    await using origin = await startOrigin({
      headers: { 'cache-control': 'max-age=60', 'set-cookie': ['a=1', 'b=2'], 'x-one': 'one' },
      body: 'pristine'
    })
    const cache = cacheInterceptor({ type: 'private' })
    const agent = new Agent().compose(cache)
    /** Reads a response, and spoils whatever was handed over. */
    const readAndSpoil = () =>
      new Promise<{ text: string; cookies: unknown; one: unknown; raw: string }>((resolve, reject) => {
        let text = ''
        const seen: { cookies?: unknown; one?: unknown; raw?: string } = {}
        const handler: Dispatcher.DispatchHandler = {
          onRequestStart() {},
          onResponseStart(controller, _status, headers) {
            const raw = (controller as { rawHeaders?: Buffer[] }).rawHeaders ?? []
            seen.cookies = structuredClone(headers['set-cookie'])
            seen.one = headers['x-one']
            seen.raw = raw.map(value => value.toString()).join('|')
            for (const value of raw) value.fill(0x78)
            raw.splice(0)
            if (Array.isArray(headers['set-cookie'])) headers['set-cookie'].splice(0, 2, 'spoiled')
            headers['x-one'] = 'spoiled'
          },
          onResponseData(_controller, chunk) {
            text += chunk.toString()
            chunk.fill(0)
          },
          onResponseEnd() {
            resolve({ text, cookies: seen.cookies, one: seen.one, raw: seen.raw ?? '' })
          },
          onResponseError(_controller, error) {
            reject(error)
          }
        }
        agent.dispatch({ origin: origin.url, path: '/', method: 'GET' }, handler)
      })
    try {
      const first = await readAndSpoil()
      for (let i = 0; i < 3; i++) {
        const hit = await readAndSpoil()
        assert.equal(hit.text, 'pristine')
        assert.deepEqual(hit.cookies, ['a=1', 'b=2'])
        assert.equal(hit.one, 'one')
        assert.ok(hit.raw.startsWith(first.raw.slice(0, first.raw.indexOf('Date'))), hit.raw)
      }
      assert.equal(origin.requests.length, 1)
    } finally {
      await agent.destroy()
    }
  })

  test('trailers are replayed', async () => {
    await using origin = await startOrigin({
      headers: { 'cache-control': 'max-age=60' },
      body: 'x',
      trailers: { 'X-Sum': '7' }
    })
    await using cached = new CachedAgent()
    assert.deepEqual((await cached.get(origin.url)).trailers, { 'x-sum': '7' })
    const hit = await cached.get(origin.url)
    assert.equal(hit.fromCache, true)
    assert.deepEqual(hit.trailers, { 'x-sum': '7' })
  })

  test('HEAD is answered from a stored GET', async () => {
    await using origin = await startOrigin()
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const head = await cached.get(origin.url, { method: 'HEAD' })
    assert.equal(head.fromCache, true)
    assert.equal(head.body, '')
    assert.equal(head.headers['content-length'], '2')
  })

  test('a Range request gets its range of a stored 200', async () => {
    await using origin = await startOrigin(({ headers }) =>
      headers.range === undefined
        ? { headers: { 'cache-control': 'max-age=60' }, body: '0123456789' }
        : { status: 206, headers: { 'cache-control': 'max-age=60', 'content-range': 'bytes 2-4/10' }, body: '234' }
    )
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const part = await cached.get(origin.url, { headers: { range: 'bytes=2-4' } })
    assert.deepEqual([part.status, part.body, part.fromCache], [206, '234', true])
    assert.equal((await cached.get(origin.url)).body, '0123456789')
  })

  test('a response delimited by the end of its connection is not stored: it could be truncated', async () => {
    await using origin = await startRawOrigin(socket => {
      socket.end('HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nhalf of i')
    })
    await using cached = new CachedAgent()
    assert.equal((await cached.get(origin.url)).body, 'half of i')
    const second = await cached.get(origin.url)
    assert.equal(second.fromCache, false)
    assert.equal(second.info.reason, 'length-unknown')
    assert.equal(origin.requestCount, 2)
  })
})

describe('many at once', () => {
  test('ten concurrent misses make one origin request', async () => {
    await using origin = await startOrigin()
    await using cached = new CachedAgent()
    const all = await Promise.all(Array.from({ length: 10 }, () => cached.get(origin.url)))
    assert.deepEqual(new Set(all.map(({ body }) => body)), new Set(['#1']))
    assert.equal(origin.requests.length, 1)
  })

  test('ten hits in the stale-while-revalidate window make one revalidation', async () => {
    await using origin = withoutDates(
      await startOrigin(({ number }) => ({
        headers: { 'cache-control': 'max-age=10, stale-while-revalidate=60' },
        body: `#${number}`
      }))
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(15)
    const all = await Promise.all(Array.from({ length: 10 }, () => cached.get(origin.url)))
    assert.deepEqual(new Set(all.map(({ body }) => body)), new Set(['#1']))
    await until(() => origin.requests.length > 1)
    assert.equal((await cached.get(origin.url)).fromCache, true)
    assert.equal(origin.requests.length, 2)
  })
})

describe('options', () => {
  test("a private cache stores what answers a request with Authorization and says max-age, for that credential's use", async () => {
    await using origin = await startOrigin()
    await using cached = new CachedAgent({ type: 'private' })
    const headers = { authorization: 'Bearer a' }
    await cached.get(origin.url, { headers })
    assert.equal((await cached.get(origin.url, { headers })).fromCache, true)
    assert.equal((await cached.get(origin.url, { headers: { authorization: 'Bearer b' } })).fromCache, false)
  })

  test('default freshness is in seconds', async () => {
    await using origin = withoutDates(await startOrigin({ body: 'x' }))
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now, defaultFreshnessSeconds: 10 })
    await cached.get(origin.url)
    clock.advance(9)
    assert.equal((await cached.get(origin.url)).fromCache, true)
    clock.advance(2)
    assert.equal((await cached.get(origin.url)).fromCache, false)
  })
})

describe('MemoryStore', () => {
  const entry = (changes: Parameters<typeof sampleRecord>[0] = {}) =>
    sampleRecord({ vary: [], variantKey: 'GET\n', ...changes }).entry

  test('counts fields, keys and bookkeeping, not bodies alone', () => {
    const store = new MemoryStore({ maxSizeBytes: 100_000 })
    for (let i = 0; i < 1000; i++) {
      const lines = Array.from({ length: 10 }, (_, n) => [`X-Field-${n}`, `${i}`.padEnd(80)] as const)
      const writer = store.put(entry({ id: `${i}`, key: `https://example.com/${i}`, lines }))
      void writer?.write(Buffer.from('tiny'))
      void writer?.commit(entry({ id: `${i}`, key: `https://example.com/${i}`, lines, completeLength: 4 }))
    }
    assert.ok(store.sizeBytes <= 100_000)
    assert.ok(store.entryCount < 60, `${store.entryCount} entries of over 2 KB each in 100 KB`)
  })

  test('drops what has expired when it is looked up', () => {
    const store = new MemoryStore()
    const short = entry({ id: 'short', key: 'a:', expiresAtMs: entry().responseTimeMs + 1000 })
    void store.put(short)?.commit(short)
    assert.equal(store.get('a:', () => 'GET\n').stored.length, 1)
    const later = entry({ id: 'later', key: 'b:', responseTimeMs: short.expiresAtMs + 1 })
    void store.put(later)?.commit(later)
    assert.equal(store.get('a:', () => 'GET\n').stored.length, 0)
    assert.equal(store.entryCount, 1)
  })

  test('finds one variant as fast among 10,000 as among 10', () => {
    const store = new MemoryStore({ maxSizeBytes: 1_000_000_000 })
    const fill = (key: string, count: number) => {
      for (let i = 0; i < count; i++) {
        const variant = entry({ id: `${key}${i}`, key, vary: ['x'], variantKey: `GET\n\nx:${i}` })
        void store.put(variant)?.commit(variant)
      }
    }
    fill('few:', 10)
    fill('many:', 10_000)
    const msOf1000 = (key: string) => {
      const start = performance.now()
      for (let i = 0; i < 1000; i++) {
        const found = store.get(key, variantFor({ x: '7' }))
        assert.equal(found.stored.length, 1)
      }
      return performance.now() - start
    }
    const few = Math.min(...Array.from({ length: 5 }, () => msOf1000('few:')))
    const many = Math.min(...Array.from({ length: 5 }, () => msOf1000('many:')))
    assert.ok(many < few * 10 + 5, `${many} ms among many, ${few} ms among few`)
  })
})
