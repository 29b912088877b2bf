// What each option changes in the traffic.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CacheOptions, httpxCacheDefaults } from 'undici-http-cache'
import { CachedAgent, Clock, type RequestOptions, withoutDates } from '../support/cached-agent.ts'
import { type Reply, startOrigin } from '../support/origin.ts'

/** Whether the second of two equal requests comes from the store, and why not. */
async function secondOf(
  reply: Reply,
  options: CacheOptions,
  requestOptions: RequestOptions = {},
  afterSeconds = 1
): Promise<string> {
  await using origin = withoutDates(await startOrigin(reply))
  const clock = new Clock()
  await using cached = new CachedAgent({ now: clock.now, ...options })
  const first = await cached.get(origin.url, requestOptions)
  assert.equal(first.fromCache, false)
  clock.advance(afterSeconds)
  const { info } = await cached.get(origin.url, requestOptions)
  return info.fromCache ? info.outcome : info.reason
}

const FRESH = { headers: { 'cache-control': 'max-age=60' } }

describe('methods', () => {
  test('by default GET and HEAD are cached', async () => {
    assert.equal(await secondOf(FRESH, {}), 'hit')
    assert.equal(await secondOf(FRESH, {}, { method: 'HEAD' }), 'hit')
  })

  test('those not listed pass by', async () => {
    assert.equal(await secondOf(FRESH, { methods: ['GET'] }, { method: 'HEAD' }), 'method')
    assert.equal(await secondOf(FRESH, { methods: ['HEAD'] }), 'method')
    assert.equal(await secondOf(FRESH, { methods: ['HEAD'] }, { method: 'HEAD' }), 'hit')
  })
})

describe('statusCodes', () => {
  test('only those listed are stored', async () => {
    assert.equal(await secondOf({ ...FRESH, status: 404 }, {}), 'hit')
    assert.equal(await secondOf({ ...FRESH, status: 404 }, { statusCodes: [200] }), 'status-not-listed')
    assert.equal(await secondOf(FRESH, { statusCodes: [200] }), 'hit')
  })

  test('those listed may be fresh by default', async () => {
    assert.equal(await secondOf({ status: 418 }, { defaultFreshnessSeconds: 60 }), 'no-freshness')
    assert.equal(await secondOf({ status: 418 }, { defaultFreshnessSeconds: 60, statusCodes: [418] }), 'hit')
  })
})

describe('freshness that the response does not state', () => {
  test('defaultFreshnessSeconds, Infinity included, and never against the word of the response', async () => {
    assert.equal(await secondOf({}, {}), 'no-freshness')
    assert.equal(await secondOf({}, { defaultFreshnessSeconds: 10 }, {}, 9), 'hit')
    assert.equal(await secondOf({}, { defaultFreshnessSeconds: 10 }, {}, 11), 'stale')
    assert.equal(await secondOf({}, { defaultFreshnessSeconds: Infinity }, {}, 1e9), 'hit')
    const short = { headers: { 'cache-control': 'max-age=1' } }
    assert.equal(await secondOf(short, { defaultFreshnessSeconds: Infinity }, {}, 2), 'stale')
    const none = { headers: { 'cache-control': 'no-store' } }
    assert.equal(await secondOf(none, { defaultFreshnessSeconds: Infinity }), 'no-store')
  })

  test('a tenth of the time since Last-Modified, at most maxHeuristicSeconds', async () => {
    const hundredDaysAgo = new Date(new Clock().nowMs - 100 * 86_400_000).toUTCString()
    const reply = { headers: { 'last-modified': hundredDaysAgo } }
    assert.equal(await secondOf(reply, {}, {}, 86_399), 'hit')
    assert.equal(await secondOf(reply, {}, {}, 86_401), 'stale')
    assert.equal(await secondOf(reply, { maxHeuristicSeconds: Infinity }, {}, 9 * 86_400), 'hit')
    assert.equal(await secondOf(reply, { maxHeuristicSeconds: 0 }), 'stale')
  })
})

describe('alwaysCache', () => {
  test('stores in spite of no-store on either side', async () => {
    const noStore = { headers: { 'cache-control': 'no-store, max-age=60' } }
    const request = { headers: { 'cache-control': 'no-store' } }
    assert.equal(await secondOf(noStore, {}), 'no-store')
    assert.equal(await secondOf(noStore, { alwaysCache: true }), 'hit')
    assert.equal(await secondOf(FRESH, {}, request), 'request-no-store')
    assert.equal(await secondOf(FRESH, { alwaysCache: true }, request), 'hit')
  })
})

describe('httpxCacheDefaults', () => {
  test('caches what a server without caching fields answers: first from the network, then from the cache', async () => {
    for (const status of httpxCacheDefaults.statusCodes) {
      assert.equal(await secondOf({ status, body: 'x' }, httpxCacheDefaults, {}, 1e8), 'hit')
    }
    assert.equal(await secondOf({ status: 404 }, httpxCacheDefaults), 'status-not-listed')
    assert.equal(await secondOf({}, httpxCacheDefaults, { method: 'HEAD' }), 'method')
  })

  test('with alwaysCache, no-store on the response or on the request does not keep a response from being stored', async () => {
    const noStore = { headers: { 'cache-control': 'no-store' } }
    assert.equal(await secondOf(noStore, httpxCacheDefaults), 'no-store')
    assert.equal(await secondOf(noStore, { ...httpxCacheDefaults, alwaysCache: true }), 'hit')
    assert.equal(await secondOf({}, { ...httpxCacheDefaults, alwaysCache: true }, noStore), 'hit')
    assert.equal(await secondOf(noStore, { ...httpxCacheDefaults, alwaysCache: true }, noStore), 'hit')
  })
})

describe('origins', () => {
  test('only requests to those listed are cached: by name, or by expression', async () => {
    await using listed = await startOrigin()
    await using other = await startOrigin()
    for (const origins of [[listed.url], [`${listed.url}/`], [new RegExp(`:${listed.port}$`, 'g')]]) {
      await using cached = new CachedAgent({ origins })
      for (const _ of [1, 2]) await cached.get(listed.url)
      assert.equal((await cached.get(listed.url)).fromCache, true)
      await cached.get(other.url)
      const { info } = await cached.get(other.url)
      assert.deepEqual([info.outcome, info.reason], ['bypass', 'origin-not-cached'])
    }
    await using none = new CachedAgent({ origins: [] })
    await none.get(listed.url)
    assert.equal((await none.get(listed.url)).fromCache, false)
  })
})

describe('retainSeconds', () => {
  test('is how long an entry that can be validated is kept', async () => {
    await using origin = withoutDates(
      await startOrigin(({ headers }) =>
        headers['if-none-match'] === undefined
          ? { headers: { etag: '"1"', 'cache-control': 'max-age=10' } }
          : { status: 304 }
      )
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now, retainSeconds: 100 })
    await cached.get(`${origin.url}/a`)
    clock.advance(109)
    await cached.get(`${origin.url}/b`)
    assert.equal((await cached.get(`${origin.url}/a`)).info.outcome, 'revalidated')
    clock.advance(111)
    await cached.get(`${origin.url}/c`)
    assert.equal((await cached.get(`${origin.url}/a`)).info.outcome, 'miss')
  })
})

describe('cookies', () => {
  const cookie = { headers: { cookie: 'session=1' } }

  test('a shared cache does not store Set-Cookie, unless the response or storeSetCookie permits it', async () => {
    const set = (control: string) => ({ headers: { 'cache-control': control, 'set-cookie': ['a=1', 'b=2'] } })
    assert.equal(await secondOf(set('max-age=60'), {}), 'set-cookie')
    assert.equal(await secondOf(set('max-age=60, public'), {}), 'hit')
    assert.equal(await secondOf(set('s-maxage=60'), {}), 'hit')
    assert.equal(await secondOf(set('max-age=60'), { storeSetCookie: true }), 'hit')
    assert.equal(await secondOf(set('max-age=60'), { type: 'private' }), 'hit')
  })

  test('two Set-Cookie lines stay two', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60', 'set-cookie': ['a=1', 'b=2'] } })
    await using cached = new CachedAgent({ type: 'private' })
    for (const fromCache of [false, true]) {
      const received = await cached.get(origin.url)
      assert.equal(received.fromCache, fromCache)
      assert.deepEqual(received.headers['set-cookie'], ['a=1', 'b=2'])
    }
  })

  test('a shared cache stores what answers a Cookie only with explicit freshness', async () => {
    const heuristic = { headers: { 'last-modified': 'Sun, 22 Nov 2020 10:00:00 GMT' } }
    assert.equal(await secondOf(heuristic, {}), 'hit')
    assert.equal(await secondOf(heuristic, {}, cookie), 'cookie')
    assert.equal(await secondOf(heuristic, { type: 'private' }, cookie), 'hit')
    assert.equal(await secondOf({}, { defaultFreshnessSeconds: 60 }, cookie), 'cookie')
    assert.equal(await secondOf(FRESH, {}, cookie), 'hit')
  })
})

describe('Authorization in a shared cache', () => {
  const credential = { headers: { authorization: 'Bearer a' } }

  test('a response is stored only where it says that it may be', async () => {
    const saying = (control: string) => secondOf({ headers: { 'cache-control': control } }, {}, credential)
    assert.equal(await saying('max-age=60'), 'authorization')
    assert.equal(await saying('max-age=60, public'), 'hit')
    assert.equal(await saying('s-maxage=60'), 'hit')
    assert.equal(await saying('max-age=60, must-revalidate'), 'hit')
  })
})

describe('targetList', () => {
  const targeted = { headers: { 'cache-control': 'no-store', 'cdn-cache-control': 'max-age=60' } }

  test('targeted fields speak in place of Cache-Control, in the order of the list', async () => {
    assert.equal(await secondOf(targeted, {}), 'no-store')
    assert.equal(await secondOf(targeted, { targetList: ['CDN-Cache-Control'] }), 'hit')
    const both = { headers: { ...targeted.headers, 'example-cache-control': 'no-store' } }
    assert.equal(await secondOf(both, { targetList: ['Example-Cache-Control', 'CDN-Cache-Control'] }), 'no-store')
    assert.equal(await secondOf(both, { targetList: ['CDN-Cache-Control', 'Example-Cache-Control'] }), 'hit')
  })
})

describe('cacheStatus', () => {
  test('names the cache, after what caches nearer to the origin said', async () => {
    await using origin = await startOrigin({
      headers: { 'cache-control': 'max-age=60', 'cache-status': 'upstream; hit' },
      body: 'x'
    })
    await using cached = new CachedAgent({ cacheStatus: 'my cache' })
    const miss = await cached.get(origin.url)
    const hit = await cached.get(origin.url)
    assert.match([miss.headers['cache-status']].flat().join('|'), /^upstream; hit\|"my cache"; fwd=uri-miss; .*stored$/)
    assert.match([hit.headers['cache-status']].flat().join('|'), /^upstream; hit\|"my cache"; hit; ttl=/)
  })

  test('false sends none, and leaves what others said', async () => {
    await using origin = await startOrigin({
      headers: { 'cache-control': 'max-age=60', 'cache-status': 'upstream; hit' }
    })
    await using cached = new CachedAgent({ cacheStatus: false })
    for (const fromCache of [false, true]) {
      const received = await cached.get(origin.url)
      assert.equal(received.fromCache, fromCache)
      assert.equal(received.headers['cache-status'], 'upstream; hit')
    }
  })
})

describe('a request that keeps out of the cache', () => {
  test('by cache: false neither reads nor writes, and leaves what is stored', async () => {
    await using origin = await startOrigin()
    await using cached = new CachedAgent()
    const out = await cached.get(origin.url, { cache: false })
    assert.deepEqual([out.info.outcome, out.info.reason], ['bypass', 'cache-false'])
    assert.equal((await cached.get(origin.url)).body, '#2')
    assert.equal((await cached.get(origin.url, { cache: false })).body, '#3')
    assert.equal((await cached.get(origin.url, { cache: true })).body, '#2')
    assert.equal((await cached.get(origin.url, { cache: undefined })).body, '#2')
  })

  for (const value of ['no-store', 0, null, {}]) {
    test(`by an unexpected value such as cache: ${JSON.stringify(value)} is refused`, async () => {
      await using cached = new CachedAgent()
      await assert.rejects(cached.get('http://127.0.0.1:9/', { cache: value }), {
        name: 'TypeError',
        code: 'ERR_CACHE_OPTION',
        message: /^cache must be true or false, got /
      })
    })
  }

  test('by its content: a GET with a body never answers another', async () => {
    await using origin = await startOrigin(({ body }) => ({ ...FRESH, body: `answer to ${body}` }))
    await using cached = new CachedAgent()
    for (const body of ['{"query":1}', '{"query":2}', Buffer.from('{"query":3}')]) {
      const { info, body: answer } = await cached.get(origin.url, { method: 'GET', body })
      assert.equal(answer, `answer to ${body}`)
      assert.deepEqual([info.outcome, info.reason], ['bypass', 'request-content'])
    }
    assert.equal((await cached.get(origin.url, { method: 'GET', body: '' })).fromCache, false)
    assert.equal((await cached.get(origin.url, { method: 'GET', body: null })).fromCache, true)
    assert.equal((await cached.get(origin.url, { method: 'GET', body: Buffer.alloc(0) })).fromCache, true)
  })

  test('a Range request goes to the origin, and a 206 that says nothing of its place is not stored', async () => {
    await using origin = await startOrigin(({ headers }) =>
      headers.range === undefined ? { ...FRESH, body: 'whole' } : { ...FRESH, status: 206, body: 'part' }
    )
    await using cached = new CachedAgent()
    const range = { headers: { range: 'bytes=0-3' } }
    assert.equal((await cached.get(origin.url, range)).info.reason, 'unusable-part')
    assert.equal((await cached.get(origin.url, range)).body, 'part')
    assert.equal((await cached.get(origin.url)).body, 'whole')
    assert.equal((await cached.get(origin.url, range)).body, 'whol')
  })
})

describe('now', () => {
  test('is the clock of every decision', async () => {
    await using origin = withoutDates(await startOrigin())
    let nowMs = 0
    await using cached = new CachedAgent({ now: () => nowMs })
    await cached.get(origin.url)
    nowMs = 59_999
    const hit = await cached.get(origin.url)
    assert.deepEqual(
      [hit.headers.age, hit.info.freshForSeconds, hit.headers.date],
      ['59', 0, 'Thu, 01 Jan 1970 00:00:00 GMT']
    )
    nowMs = 60_000
    assert.equal((await cached.get(origin.url)).fromCache, false)
  })

  test('may be set back: what is stored after that is served and replaced like everything', async () => {
    await using origin = withoutDates(await startOrigin())
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(`${origin.url}/a`)
    clock.advance(-86_400)
    assert.equal((await cached.get(`${origin.url}/b`)).body, '#2')
    assert.equal((await cached.get(`${origin.url}/b`)).body, '#2', 'a new entry is a hit')
    const reload = { headers: { 'cache-control': 'no-cache' } }
    assert.equal((await cached.get(`${origin.url}/a`, reload)).body, '#3')
    assert.equal((await cached.get(`${origin.url}/a`)).body, '#3', 'an entry from the future is replaced')
  })
})
