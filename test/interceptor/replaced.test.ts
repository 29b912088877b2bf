// What the origin has replaced is not served again, though what has taken its place may not be stored.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type CacheOptions, type CacheStore, MemoryStore } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, Clock, until, withoutDates } from '../support/cached-agent.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { type Reply, type Responder, startOrigin } from '../support/origin.ts'

const FRESH = { 'cache-control': 'max-age=3600', etag: '"1"' }
const RELOAD = { headers: { 'cache-control': 'no-cache' } }

/** What is not stored, by a cache that takes 1,000 bytes at the most. */
const LATER: Readonly<Record<string, Reply | Responder>> = {
  'a 404': { status: 404, body: 'v2' },
  'a 410': { status: 410, body: 'v2' },
  'a 403': { status: 403, body: 'v2' },
  'a redirect': { status: 302, headers: { location: '/' }, body: 'v2' },
  'a 200 with no-store': { headers: { 'cache-control': 'no-store' }, body: 'v2' },
  'a 200 with no-store and the same ETag': { headers: { 'cache-control': 'no-store', etag: '"1"' }, body: 'v2' },
  'a 200 with private': { headers: { 'cache-control': 'private, max-age=60' }, body: 'v2' },
  'a 200 with Vary: *': { headers: { vary: '*' }, body: 'v2' },
  'a 200 that is too large': { headers: { 'cache-control': 'max-age=60' }, body: 'v2'.repeat(1000) },
  'a 200 that turns out too large': (_, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' })
    response.write('v2')
    response.end('v2'.repeat(1000))
    return undefined
  }
}

const STORES: Readonly<Record<string, () => CacheStore>> = {
  memory: () => new MemoryStore({ maxEntrySizeBytes: 1000 }),
  'outside the process': () => new AsyncStore({ maxEntrySizeBytes: 1000 })
}

/** An origin that has v1 until `later` says otherwise. */
async function versions(headers: Record<string, string> = FRESH) {
  let later: Reply | Responder | undefined
  const origin = withoutDates(
    await startOrigin((request, response) => {
      return typeof later === 'function' ? later(request, response) : (later ?? { headers, body: 'v1' })
    })
  )
  return Object.assign(origin, {
    changeTo: (reply: Reply | Responder) => {
      later = reply
    }
  })
}

function caching(store: CacheStore, options: CacheOptions = {}) {
  return new CachedAgent({ store, ...options })
}

describe('after a reload has brought something else, the old response is not served again', () => {
  for (const [kind, makeStore] of Object.entries(STORES)) {
    for (const [what, reply] of Object.entries(LATER)) {
      test(`${what}, store: ${kind}`, async () => {
        await using origin = await versions()
        const store = makeStore()
        await using cached = caching(store)
        await cached.get(origin.url)
        assert.equal((await cached.get(origin.url)).info.outcome, 'hit')
        origin.changeTo(reply)
        assert.ok((await cached.get(origin.url, RELOAD)).body.startsWith('v2'))
        assert.ok((await cached.get(origin.url)).body.startsWith('v2'))
        await store.close()
      })
    }
  }

  test('nor while the new one is still on its way, with a store that takes its time to commit', async () => {
    await using origin = await versions()
    const store = new AsyncStore()
    await using cached = caching(store)
    await cached.get(origin.url)
    origin.changeTo({ headers: { ...FRESH, etag: '"2"' }, body: 'v2' })
    store.pace = operation => new Promise(resolve => setTimeout(resolve, operation === 'commit' ? 100 : 0))
    const { body } = await cached.open(origin.url, RELOAD)
    const next = cached.get(origin.url)
    await body.text()
    assert.deepEqual([(await next).body, (await cached.get(origin.url)).body], ['v2', 'v2'])
    await store.close()
  })

  test('nor where the new one breaks off', async () => {
    await using origin = await versions()
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    origin.server.prependOnceListener('request', (_request, response) => {
      response.writeHead(200, { ...FRESH, etag: '"2"', 'content-length': '10' })
      response.write('v2')
      setImmediate(() => response.destroy())
    })
    await assert.rejects(cached.get(origin.url, RELOAD))
    origin.changeTo({ status: 404, body: 'v3' })
    assert.equal((await cached.get(origin.url)).body, 'v3')
  })

  test('and in files, one variant goes and the others stay', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'replaced-'))
    const store = new FileStore({ directory })
    await using origin = withoutDates(
      await startOrigin(({ headers: { accept, 'cache-control': cacheControl } }) => {
        return cacheControl === undefined || accept !== 'a'
          ? { headers: { ...FRESH, vary: 'accept' }, body: `v1 ${accept}` }
          : { status: 404, body: 'v2' }
      })
    )
    await using cached = caching(store, { storeTimeoutMs: 10_000 })
    const ask = (accept: string, headers = {}) => cached.get(origin.url, { headers: { accept, ...headers } })
    for (const accept of ['a', 'b', 'c']) await ask(accept)
    await cached.cache.settled()
    for (const accept of ['a', 'b', 'c']) assert.equal((await ask(accept)).info.outcome, 'hit')
    assert.equal((await ask('a', RELOAD.headers)).body, 'v2')
    assert.equal((await ask('a')).info.outcome, 'miss')
    for (const accept of ['b', 'c']) assert.equal((await ask(accept)).info.outcome, 'hit')
    await store.close()
    await rm(directory, { recursive: true })
  })
})

describe('what is stored stays', () => {
  for (const status of [407, 408, 412, 416, 425, 429, 500, 502, 503, 504]) {
    test(`after a reload has brought ${status}`, async () => {
      await using origin = await versions()
      await using cached = new CachedAgent()
      await cached.get(origin.url)
      origin.changeTo({ status, body: 'no' })
      assert.equal((await cached.get(origin.url, RELOAD)).body, 'no')
      assert.equal((await cached.get(origin.url)).body, 'v1')
    })
  }

  for (const [what, options] of [
    ['with no-store', { headers: { 'cache-control': 'no-store' } }],
    ['with cache: false', { cache: false }],
    ['with a condition for the origin', { headers: { 'if-match': '"1"' } }],
    ['of another method', { method: 'OPTIONS' }]
  ] as const) {
    test(`after a request ${what} has passed by`, async () => {
      await using origin = await versions()
      await using cached = new CachedAgent()
      await cached.get(origin.url)
      origin.changeTo({ status: 404, body: 'v2' })
      assert.equal((await cached.get(origin.url, options)).body, 'v2')
      assert.equal((await cached.get(origin.url)).body, 'v1')
    })
  }

  test('where it has been replaced while the request was under way', async () => {
    await using origin = withoutDates(
      await startOrigin(async ({ number }) => {
        if (number === 2) await until(() => stored === 'v3')
        return number === 2
          ? { status: 404, body: 'v2' }
          : { headers: { ...FRESH, etag: `"${number}"` }, body: `v${number}` }
      })
    )
    let stored = ''
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const slow = cached.get(origin.url, RELOAD)
    await until(() => origin.requests.length === 2)
    stored = (await cached.get(origin.url, RELOAD)).body
    assert.equal((await slow).body, 'v2')
    assert.equal((await cached.get(origin.url)).body, 'v3')
  })
})

describe('a background revalidation that brings something else ends the serving of the stale response', () => {
  const STALE = { 'cache-control': 'max-age=1, stale-while-revalidate=86400', etag: '"1"' }
  for (const [kind, makeStore] of Object.entries(STORES)) {
    for (const [what, reply] of Object.entries(LATER)) {
      test(`${what}, store: ${kind}`, async () => {
        await using origin = await versions(STALE)
        const clock = new Clock()
        const store = makeStore()
        await using cached = caching(store, { now: clock.now })
        await cached.get(origin.url)
        clock.advance(10)
        origin.changeTo(reply)
        assert.equal((await cached.get(origin.url)).body, 'v1')
        let last = 'v1'
        for (let i = 0; last === 'v1' && i < 500; i++) last = (await cached.get(origin.url)).body
        assert.ok(last.startsWith('v2'))
        await store.close()
      })
    }
  }
})

test('a store that can only delete the whole key stores the new response, and gives up the old one where it does not', async () => {
  await using origin = await versions()
  const store: CacheStore = Object.assign(new MemoryStore(), { remove: undefined }) as unknown as CacheStore
  await using cached = caching(store)
  await cached.get(origin.url)
  origin.changeTo({ headers: { ...FRESH, etag: '"2"' }, body: 'v2' })
  await cached.get(origin.url, RELOAD)
  const next = await cached.get(origin.url)
  assert.deepEqual([next.body, next.info.outcome], ['v2', 'hit'])
  origin.changeTo({ status: 404, body: 'v3' })
  await cached.get(origin.url, RELOAD)
  assert.equal((await cached.get(origin.url)).body, 'v3')
  await store.close()
})

test('a removal that fails is made up for before the next lookup', async () => {
  await using origin = await versions()
  const store = new FaultyStore(new MemoryStore())
  await using cached = caching(store, { onStoreError: () => {} })
  await cached.get(origin.url)
  store.faults.delete = () => {
    throw new Error('not now')
  }
  origin.changeTo({ status: 404, body: 'v2' })
  await cached.get(origin.url, RELOAD)
  assert.equal((await cached.get(origin.url)).body, 'v2')
  store.faults.delete = undefined
  assert.equal((await cached.get(origin.url)).body, 'v2')
})

describe('a 304 whose Vary differs', () => {
  /** json-server's, and that of express with cors and compression. */
  async function varying(notModified: string, full = 'Origin, Accept-Encoding') {
    return withoutDates(
      await startOrigin(({ headers: { accept, 'if-none-match': tag } }) => {
        const headers = { etag: `"${accept}"`, 'cache-control': accept === 'stale' ? 'max-age=0' : 'max-age=300' }
        if (tag !== undefined) return { status: 304, headers: { ...headers, vary: notModified } }
        return { headers: { ...headers, vary: `${full}, Accept` }, body: `for ${accept}` }
      })
    )
  }
  const variants = ['json', 'stale', 'html']
  const ask = (cached: CachedAgent, url: string, accept: string, headers = {}) =>
    cached.get(url, { headers: { accept, ...headers } })

  for (const [kind, makeStore] of Object.entries(STORES)) {
    test(`and is shorter keeps all variants, store: ${kind}`, async () => {
      await using origin = await varying('Origin')
      const store = makeStore()
      await using cached = caching(store)
      for (const accept of variants) await ask(cached, origin.url, accept)
      const { body, info } = await ask(cached, origin.url, 'stale')
      assert.deepEqual([body, info.outcome, info.stored], ['for stale', 'revalidated', true])
      const again = await ask(cached, origin.url, 'stale')
      assert.deepEqual([again.body, again.info.outcome], ['for stale', 'revalidated'])
      for (const accept of ['json', 'html']) assert.equal((await ask(cached, origin.url, accept)).info.outcome, 'hit')
      await store.close()
    })

    test(`and is longer has the one variant move, body and all, store: ${kind}`, async () => {
      await using origin = await varying('Origin, X-A')
      const store = makeStore()
      await using cached = caching(store)
      for (const accept of variants) await ask(cached, origin.url, accept)
      const moved = await ask(cached, origin.url, 'stale', { 'x-a': '1' })
      assert.deepEqual([moved.body, moved.info.outcome, moved.info.stored], ['for stale', 'revalidated', true])
      const offline = { 'cache-control': 'only-if-cached, max-stale=1000' }
      const one = await ask(cached, origin.url, 'stale', { 'x-a': '1', ...offline })
      assert.deepEqual([one.status, one.body], [200, 'for stale'])
      assert.equal((await ask(cached, origin.url, 'stale', { 'x-a': '2', ...offline })).status, 504)
      for (const accept of ['json', 'html']) assert.equal((await ask(cached, origin.url, accept)).info.outcome, 'hit')
      assert.equal(origin.requests.filter(({ headers }) => headers['if-none-match'] === undefined).length, 3)
      await store.close()
    })
  }
})

describe('stored and ttl are true after a 304', () => {
  for (const [what, headers] of [
    ['no-store', { 'cache-control': 'no-store' }],
    ['private', { 'cache-control': 'private, max-age=60' }],
    ['Vary: *', { vary: '*' }],
    ['nothing new', {}]
  ] as const) {
    test(`with ${what}`, async () => {
      await using origin = withoutDates(
        await startOrigin(({ headers: { 'if-none-match': tag } }) => {
          if (tag !== undefined) return { status: 304, headers: { etag: '"1"', ...headers } }
          return { headers: { etag: '"1"', 'cache-control': 'max-age=0' }, body: 'x' }
        })
      )
      await using cached = new CachedAgent({ cacheStatus: 'c' })
      await cached.get(origin.url)
      const { body, info, headers: received } = await cached.get(origin.url)
      assert.deepEqual([body, info.outcome], ['x', 'revalidated'])
      const later = await cached.get(origin.url, { headers: { 'cache-control': 'only-if-cached, max-stale=1000' } })
      const isStored = later.status === 200
      assert.equal(isStored, what === 'nothing new')
      assert.equal(info.stored, isStored)
      assert.equal(info.freshForSeconds !== undefined, isStored)
      assert.equal(/ttl/.test(String(received['cache-status'])), isStored)
    })
  }
})

describe('in a private cache a response marked private', () => {
  const ask = (cached: CachedAgent, url: string, cookie?: string) =>
    cached.get(url, { headers: cookie === undefined ? {} : { cookie } })
  const started = async (cacheControl = 'private, max-age=60') =>
    withoutDates(
      await startOrigin(({ headers: { cookie } }) => ({
        headers: { 'cache-control': cacheControl },
        body: `for ${cookie}`
      }))
    )

  test('answers only requests with the same Cookie, or none', async () => {
    await using origin = await started()
    await using cached = new CachedAgent({ type: 'private' })
    for (const cookie of ['sid=a', 'sid=b', undefined, 'sid=a,']) {
      assert.equal((await ask(cached, origin.url, cookie)).body, `for ${cookie}`)
      const again = await ask(cached, origin.url, cookie)
      assert.deepEqual([again.body, again.info.outcome], [`for ${cookie}`, 'hit'])
    }
    assert.equal(origin.requests.length, 4)
  })

  test('is not shared by requests at once with other Cookies', async () => {
    await using origin = await started()
    await using cached = new CachedAgent({ type: 'private' })
    const cookies = ['sid=a', 'sid=b', 'sid=a', undefined, undefined]
    const received = await Promise.all(cookies.map(cookie => ask(cached, origin.url, cookie)))
    assert.deepEqual(
      received.map(({ body }) => body),
      cookies.map(cookie => `for ${cookie}`)
    )
  })

  test("answers any Cookie where partition: 'authorization' is given, and where it is not marked", async () => {
    for (const [cacheControl, options] of [
      ['private, max-age=60', { partition: 'authorization' }],
      ['max-age=60', {}]
    ] as const) {
      await using origin = await started(cacheControl)
      await using cached = new CachedAgent({ type: 'private', ...options })
      for (const cookie of ['sid=a', 'sid=b']) assert.equal((await ask(cached, origin.url, cookie)).body, 'for sid=a')
    }
  })

  test('and one that a 304 marks private, answers the Cookie of that request alone', async () => {
    await using origin = withoutDates(
      await startOrigin(({ headers: { cookie, 'if-none-match': tag } }) => {
        if (tag !== undefined) return { status: 304, headers: { etag: '"1"', 'cache-control': 'private, max-age=60' } }
        return { headers: { etag: '"1"', 'cache-control': 'max-age=0' }, body: `for ${cookie}` }
      })
    )
    await using cached = new CachedAgent({ type: 'private' })
    await ask(cached, origin.url, 'sid=a')
    assert.equal((await ask(cached, origin.url, 'sid=a')).info.outcome, 'revalidated')
    assert.equal((await ask(cached, origin.url, 'sid=a')).info.outcome, 'hit')
    assert.equal((await ask(cached, origin.url, 'sid=b')).body, 'for sid=b')
  })
})
