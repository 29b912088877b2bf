import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { Agent, type Dispatcher, fetch, request } from 'undici'
import {
  CachedClient,
  type CacheInfo,
  type CacheInterceptor,
  type CacheOptions,
  cacheInfo,
  cacheInterceptor,
  httpxCacheDefaults
} from 'undici-http-cache'
import { ask, cacheStatus } from '../support/ask.ts'
import { type Origin, startOrigin } from '../support/origin.ts'
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

/** Of the cache and of the origin. */
class Clock {
  /** A whole second, as Date says it. */
  ms = Math.floor(Date.now() / 1000) * 1000
  readonly now = (): number => this.ms
  /** As a Date field. */
  get date(): string {
    return new Date(this.ms).toUTCString()
  }
}

interface Situation {
  readonly path: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Record<string, string>
  /** Seconds that go by after a first request; undefined: there was none. */
  readonly afterSeconds?: number
  readonly info: CacheInfo
  /** Where it differs for fetch, which knows no more than the fields tell. */
  readonly ageForFetch?: undefined
  readonly field: string
}

const PASSED = { fromCache: false, ageSeconds: undefined, freshForSeconds: undefined, stored: false } as const

const SITUATIONS: Record<string, Situation> = {
  'a miss that is stored': {
    path: '/fresh',
    info: { fromCache: false, outcome: 'miss', ageSeconds: 0, freshForSeconds: 60, stored: true, reason: 'uri-miss' },
    ageForFetch: undefined,
    field: 'fwd=uri-miss; ttl=60; stored'
  },
  'a miss that is not stored': {
    path: '/private',
    info: { ...PASSED, outcome: 'miss', reason: 'no-store' },
    field: 'fwd=uri-miss; detail=no-store'
  },
  'a miss among other variants': {
    path: '/various',
    headers: { 'x-kind': 'other' },
    afterSeconds: 0,
    info: { fromCache: false, outcome: 'miss', ageSeconds: 0, freshForSeconds: 60, stored: true, reason: 'vary-miss' },
    ageForFetch: undefined,
    field: 'fwd=vary-miss; ttl=60; stored'
  },
  'a hit': {
    path: '/fresh',
    afterSeconds: 20,
    info: { fromCache: true, outcome: 'hit', ageSeconds: 20, freshForSeconds: 40, stored: true, reason: 'fresh' },
    field: 'hit; ttl=40'
  },
  'a stale response, revalidated behind it': {
    path: '/behind',
    afterSeconds: 100,
    info: {
      fromCache: true,
      outcome: 'stale',
      ageSeconds: 100,
      freshForSeconds: -40,
      stored: true,
      reason: 'stale-while-revalidate'
    },
    field: 'hit; ttl=-40; detail=stale-while-revalidate'
  },
  'a stale response that the request accepts': {
    path: '/fresh',
    headers: { 'cache-control': 'max-stale=100' },
    afterSeconds: 100,
    info: {
      fromCache: true,
      outcome: 'stale',
      ageSeconds: 100,
      freshForSeconds: -40,
      stored: true,
      reason: 'max-stale'
    },
    field: 'hit; ttl=-40; detail=max-stale'
  },
  'a stale response in place of an error': {
    path: '/failing',
    headers: { 'x-fail': '1' },
    afterSeconds: 100,
    info: {
      fromCache: true,
      outcome: 'stale',
      ageSeconds: 100,
      freshForSeconds: -40,
      stored: true,
      reason: 'stale-if-error'
    },
    field: 'hit; ttl=-40; detail=stale-if-error'
  },
  'a revalidated response': {
    path: '/checked',
    afterSeconds: 100,
    info: {
      fromCache: true,
      outcome: 'revalidated',
      ageSeconds: 0,
      freshForSeconds: 60,
      stored: true,
      reason: 'validated'
    },
    ageForFetch: undefined,
    field: 'fwd=stale; fwd-status=304; ttl=60; stored; detail=validated'
  },
  'a bypass': {
    path: '/fresh',
    headers: { 'cache-control': 'no-store' },
    afterSeconds: 0,
    info: { ...PASSED, outcome: 'bypass', reason: 'request-no-store' },
    field: 'fwd=bypass; detail=request-no-store'
  },
  'a POST': {
    path: '/private',
    method: 'POST',
    info: { ...PASSED, outcome: 'bypass', reason: 'unsafe-method' },
    field: 'fwd=method; detail=unsafe-method'
  },
  'a 504 of the cache': {
    path: '/fresh',
    headers: { 'cache-control': 'only-if-cached' },
    info: { ...PASSED, outcome: 'unsatisfiable', reason: 'only-if-cached' },
    field: 'detail=only-if-cached'
  }
}

function startTimed(clock: Clock): Promise<Origin> {
  return startOrigin(({ path, headers }) => {
    const date = clock.date
    const fresh = { date, 'cache-control': 'max-age=60' }
    switch (path) {
      case '/fresh':
        return { headers: fresh, body: 'x' }
      case '/various':
        return { headers: { ...fresh, vary: 'x-kind' }, body: 'x' }
      case '/behind':
        return { headers: { date, 'cache-control': 'max-age=60, stale-while-revalidate=1000' }, body: 'x' }
      case '/failing':
        return headers['x-fail'] === undefined
          ? { headers: { date, 'cache-control': 'max-age=60, stale-if-error=1000' }, body: 'x' }
          : { status: 500, headers: { date } }
      case '/checked':
        return headers['if-none-match'] === undefined
          ? { headers: { ...fresh, etag: '"1"' }, body: 'x' }
          : { status: 304, headers: { ...fresh, etag: '"1"' } }
      default:
        return { headers: { date, 'cache-control': 'no-store' }, body: 'x' }
    }
  })
}

interface Told {
  readonly info: CacheInfo | undefined
  readonly field: string | null | undefined
}

type Way = (dispatcher: Dispatcher, url: string, options: Situation, cache: CacheInterceptor) => Promise<Told>

const WAYS: Record<string, Way> = {
  'request()': async (dispatcher, url, { method = 'GET', headers = {} }) => {
    const response = await request(url, { dispatcher, method, headers })
    await response.body.dump()
    return { info: cacheInfo(response), field: cacheStatus(response.headers) }
  },
  'what the factory of stream() is given': async (dispatcher, url, { method = 'GET', headers = {} }) => {
    let told: Told = { info: undefined, field: undefined }
    const { origin, pathname: path } = new URL(url)
    await dispatcher.stream({ origin, path, method, headers }, data => {
      told = { info: cacheInfo(data), field: cacheStatus(data.headers) }
      return new PassThrough().resume()
    })
    return told
  },
  'fetch of undici': async (dispatcher, url, { method = 'GET', headers = {} }) => {
    const response = await fetch(url, { dispatcher, method, headers })
    await response.text()
    return { info: cacheInfo(response), field: response.headers.get('cache-status') }
  },
  'the built-in fetch': async (dispatcher, url, { method = 'GET', headers = {} }, cache) => {
    const response = await globalThis.fetch(url, { dispatcher, method, headers } as never)
    await response.text()
    return { info: cache.info(response), field: response.headers.get('cache-status') }
  }
}

for (const [way, tell] of Object.entries(WAYS)) {
  describe(`cacheInfo() of ${way}`, () => {
    for (const [name, situation] of Object.entries(SITUATIONS)) {
      test(`tells of ${name}, and Cache-Status says the same`, async () => {
        const clock = new Clock()
        await using origin = await startTimed(clock)
        const cache = cacheInterceptor({ now: clock.now })
        const dispatcher = agent.compose(cache, witness.interceptor)
        const url = origin.url + situation.path
        if (situation.afterSeconds !== undefined) {
          await ask(dispatcher, url)
          clock.ms += situation.afterSeconds * 1000
        }
        const { info, field } = await tell(dispatcher, url, situation, cache)
        const agelessForFetch = way.includes('fetch') && 'ageForFetch' in situation
        assert.deepEqual(info, agelessForFetch ? { ...situation.info, ageSeconds: undefined } : situation.info)
        assert.equal(field, `undici-http-cache; ${situation.field}`)
      })
    }
  })
}

describe('a response that never goes stale', () => {
  test('is fresh for Infinity, to request() and to fetch', async () => {
    await using origin = await startOrigin({ body: 'x' })
    const dispatcher = agent.compose(cacheInterceptor(httpxCacheDefaults), witness.interceptor)
    for (let i = 0; i < 2; i++) {
      const response = await fetch(origin.url, { dispatcher })
      await response.text()
      assert.equal(cacheInfo(response)?.freshForSeconds, Infinity)
      assert.equal((await ask(dispatcher, origin.url)).info?.freshForSeconds, Infinity)
    }
  })
})

describe('the option cacheStatus', () => {
  const composed = (cache: CacheInterceptor): Dispatcher => agent.compose(cache, witness.interceptor)

  for (const [given, written] of [
    ['edge', 'edge'],
    ['my cache', '"my cache"'],
    ['a "b" \\', '"a \\"b\\" \\\\"'],
    ['1st', '"1st"']
  ] as const) {
    test(`renames the member to ${written}, and cache.info knows the name`, async () => {
      await using origin = await startOrigin()
      const cache = cacheInterceptor({ cacheStatus: given })
      const dispatcher = composed(cache)
      for (const outcome of ['miss', 'hit'] as const) {
        const response = await fetch(origin.url, { dispatcher })
        await response.text()
        assert.equal(response.headers.get('cache-status')?.startsWith(`${written}; `), true)
        assert.equal(cache.info(response)?.outcome, outcome)
        assert.equal(cacheInfo(response), undefined)
      }
      // undici's own API has another channel.
      assert.equal((await ask(dispatcher, origin.url)).outcome, 'hit')
    })
  }

  test('false sends no such field: request() and CachedClient know all the same, fetch does not', async () => {
    await using origin = await startOrigin()
    const cache = cacheInterceptor({ cacheStatus: false })
    const dispatcher = composed(cache)
    for (const outcome of ['miss', 'hit'] as const) {
      const response = await ask(dispatcher, origin.url)
      assert.equal(response.headers['cache-status'], undefined)
      assert.equal(response.outcome, outcome)
      assert.equal(response.headers['age'] !== undefined, outcome === 'hit')
    }
    const fetched = await fetch(origin.url, { dispatcher })
    await fetched.text()
    assert.equal(fetched.headers.has('cache-status'), false)
    assert.equal(cache.info(fetched), undefined)
    assert.equal(cacheInfo(fetched), undefined)
    await using client = new CachedClient({ cache })
    const response = await client.fetch(origin.url)
    await response.text()
    assert.deepEqual([response.fromCache, cacheInfo(response)?.outcome], [true, 'hit'])
  })

  test('that is no name is a TypeError that names it', () => {
    for (const cacheStatus of ['', 'ä', 'a\nb', true, 1, null]) {
      assert.throws(() => cacheInterceptor({ cacheStatus: cacheStatus as never }), {
        name: 'TypeError',
        code: 'ERR_CACHE_OPTION',
        message: /^cacheStatus must be /
      })
    }
  })
})

describe('Cache-Status of another cache', () => {
  const upstream = 'cdn.example; hit; ttl=100'

  test('is kept before ours, on a miss, a hit, a revalidated response and a bypass', async () => {
    await using origin = await startOrigin(({ path, headers }) => {
      const fields = { 'cache-status': upstream, etag: '"1"' }
      if (path === '/fresh') return { headers: { ...fields, 'cache-control': 'max-age=60' }, body: 'x' }
      const checked = { ...fields, 'cache-control': 'max-age=0' }
      return headers['if-none-match'] === undefined
        ? { headers: checked, body: 'x' }
        : { status: 304, headers: checked }
    })
    const dispatcher = agent.compose(cacheInterceptor(), witness.interceptor)
    for (const [path, outcome, cache] of [
      ['/fresh', 'miss', true],
      ['/fresh', 'hit', true],
      ['/fresh', 'hit', true],
      ['/fresh', 'bypass', false],
      ['/checked', 'miss', true],
      ['/checked', 'revalidated', true],
      ['/checked', 'revalidated', true]
    ] as const) {
      const { headers, outcome: actual } = await ask(dispatcher, origin.url + path, { cache })
      assert.equal(actual, outcome)
      const members = headers['cache-status'] as string[]
      assert.equal(members.length, 2)
      assert.equal(members[0], upstream)
      assert.match(String(members[1]), /^undici-http-cache; /)
      if (!cache) continue
      const response = await fetch(origin.url + path, { dispatcher })
      assert.equal(response.headers.get('cache-status')?.startsWith(`${upstream}, undici-http-cache; `), true)
      await response.text()
    }
  })

  test('is all there is where ours is switched off', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60', 'cache-status': upstream } })
    const dispatcher = agent.compose(cacheInterceptor({ cacheStatus: false }), witness.interceptor)
    for (let i = 0; i < 2; i++) assert.equal((await ask(dispatcher, origin.url)).headers['cache-status'], upstream)
  })

  test('of the same name is not taken for ours', async () => {
    await using origin = await startOrigin({
      headers: { 'cache-control': 'no-store', 'cache-status': 'undici-http-cache; hit; ttl=100' }
    })
    const dispatcher = agent.compose(cacheInterceptor(), witness.interceptor)
    const response = await fetch(origin.url, { dispatcher })
    await response.text()
    assert.equal(cacheInfo(response)?.outcome, 'miss')
  })

  test('that is malformed, or comes in several lines, is kept as it is', async () => {
    const lines = ['cdn.example; hit', 'not a list;;;', 'other; fwd=miss']
    await using origin = await startOrigin({
      headers: { 'cache-control': 'max-age=60', 'cache-status': lines },
      body: 'x'
    })
    const dispatcher = agent.compose(cacheInterceptor(), witness.interceptor)
    for (const outcome of ['miss', 'hit'] as const) {
      const { headers, outcome: actual } = await ask(dispatcher, origin.url)
      assert.equal(actual, outcome)
      assert.deepEqual((headers['cache-status'] as string[]).slice(0, -1), lines)
      const response = await fetch(origin.url, { dispatcher })
      await response.text()
      assert.equal(cacheInfo(response)?.outcome, 'hit')
    }
  })
})

describe('two caches one above the other', () => {
  const make = (cacheStatus: string, options: CacheOptions = {}) => cacheInterceptor({ cacheStatus, ...options })

  test('say one after the other what they did, and the outer one answers for the response', async () => {
    await using origin = await startOrigin()
    const inner = make('inner')
    const outer = make('outer')
    const dispatcher = agent.compose(inner, outer, witness.interceptor)
    const miss = await ask(dispatcher, origin.url)
    assert.deepEqual(
      [miss.headers['cache-status']].flat().map(member => member?.split(';')[0]),
      ['inner', 'outer']
    )
    assert.equal(miss.outcome, 'miss')
    await outer.purge()
    const innerHit = await ask(dispatcher, origin.url)
    assert.deepEqual([innerHit.body, innerHit.outcome, innerHit.context.fromCache], ['#1', 'miss', false])
    assert.match(String([innerHit.headers['cache-status']].flat()[0]), /^inner; hit/)
    const outerHit = await ask(dispatcher, origin.url)
    assert.deepEqual([outerHit.body, outerHit.outcome, outerHit.context.fromCache], ['#1', 'hit', true])
    const response = await fetch(origin.url, { dispatcher })
    await response.text()
    assert.equal(outer.info(response)?.outcome, 'hit')
    assert.equal(origin.requests.length, 1)
  })
})

test('cacheInfo() and info() of what is no response are undefined, and throw nothing', () => {
  const cache = cacheInterceptor()
  for (const nothing of [undefined, null, {}, [], new Map(), 'text', 1, Symbol('s'), () => {}, Object.create(null)]) {
    assert.equal(cacheInfo(nothing as object), undefined)
    assert.equal(cache.info(nothing as object), undefined)
  }
  for (const value of [undefined, null, 1, true, {}, [], [1]]) {
    assert.equal(cacheInfo({ headers: { 'cache-status': value, age: value } }), undefined)
  }
})

test('cacheInfo() of what did not pass through a cache is undefined', async () => {
  await using origin = await startOrigin()
  const response = await request(origin.url, { dispatcher: agent })
  await response.body.dump()
  const fetched = await fetch(origin.url, { dispatcher: agent })
  await fetched.text()
  for (const nothing of [
    response,
    fetched,
    {},
    { headers: null },
    { headers: {} },
    { context: null },
    new Response()
  ]) {
    assert.equal(cacheInfo(nothing), undefined)
  }
})
