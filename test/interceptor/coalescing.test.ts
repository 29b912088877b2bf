// Concurrent misses of one key make one request to the origin, and nobody is worse off for it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CacheOptions } from 'undici-http-cache'
import { AsyncStore } from '../support/async-store.ts'
import {
  CachedAgent,
  Clock,
  firstBehind,
  type Gate,
  gate,
  type Received,
  type RequestOptions,
  until,
  withoutDates
} from '../support/cached-agent.ts'
import { type Origin, type Reply, type Responder, type SeenRequest, startOrigin } from '../support/origin.ts'

const FRESH = { 'cache-control': 'max-age=60' }
const MEBIBYTE = 1_048_576

interface World extends AsyncDisposable {
  readonly origin: Origin
  readonly cached: CachedAgent
  /** Lets the origin answer its first request. */
  readonly first: Gate
  /** Asks several times at once. */
  followers(count: number, options?: RequestOptions): Promise<Received[]>
}

/** An origin whose first answer waits for the gate; the others come at once. */
async function world(respond: Responder | Reply, options: CacheOptions = {}): Promise<World> {
  const first = gate()
  const origin = await startOrigin(firstBehind(first, respond))
  const cached = new CachedAgent(options)
  return {
    origin,
    cached,
    first,
    followers: (count, request = {}) =>
      Promise.all(Array.from({ length: count }, () => cached.get(origin.url, request))),
    async [Symbol.asyncDispose]() {
      await cached[Symbol.asyncDispose]()
      await origin.close()
    }
  }
}

const numbered = ({ number }: SeenRequest): Reply => ({ headers: FRESH, body: `#${number}` })

describe('a stampede', () => {
  test('of a hundred misses makes one request, and everybody gets the same bytes', async () => {
    const body = randomBytes(100_000)
    await using origin = await startOrigin({ headers: FRESH, body })
    await using cached = new CachedAgent()
    const all = await Promise.all(Array.from({ length: 100 }, () => cached.get(origin.url)))
    assert.equal(origin.requests.length, 1)
    for (const { bytes } of all) assert.ok(bytes.equals(body))
    assert.equal(all.filter(({ fromCache }) => fromCache).length, 99)
    const collapsed = all.filter(({ info }) => info.reason === 'collapsed')
    assert.equal(collapsed.length, 99)
    for (const { headers } of collapsed) assert.match(String(headers['cache-status']), /; hit; ttl=\d+; collapsed/)
  })

  test('with a store that answers later as well', async () => {
    await using origin = await startOrigin()
    await using cached = new CachedAgent({ store: new AsyncStore() })
    const all = await Promise.all(Array.from({ length: 50 }, () => cached.get(origin.url)))
    assert.deepEqual(new Set(all.map(({ body }) => body)), new Set(['#1']))
    assert.equal(origin.requests.length, 1)
  })

  test('on a stale entry makes one validation', async () => {
    await using origin = withoutDates(
      await startOrigin(({ headers }) =>
        headers['if-none-match'] === undefined
          ? { headers: { 'cache-control': 'max-age=10', etag: '"1"' }, body: 'x' }
          : { status: 304 }
      )
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    const all = await Promise.all(Array.from({ length: 20 }, () => cached.get(origin.url)))
    for (const { body, status, fromCache } of all) assert.deepEqual([body, status, fromCache], ['x', 200, true])
    assert.equal(origin.requests.length, 2)
  })

  test('on several keys makes a request for each', async () => {
    await using origin = await startOrigin(({ path }) => ({ headers: FRESH, body: path }))
    await using cached = new CachedAgent()
    const paths = Array.from({ length: 60 }, (_, i) => `/${i % 6}`)
    const all = await Promise.all(paths.map(path => cached.get(origin.url + path)))
    assert.deepEqual(
      all.map(({ body }) => body),
      paths
    )
    assert.equal(origin.requests.length, 6)
  })

  test('of HEADs makes one, beside that of the GETs', async () => {
    await using origin = await startOrigin()
    await using cached = new CachedAgent()
    const method = 'HEAD'
    await Promise.all(Array.from({ length: 10 }, () => cached.get(origin.url, { method })))
    assert.deepEqual(
      origin.requests.map(seen => seen.method),
      ['HEAD']
    )
  })
})

describe('a response that has come whole, but that the store is still at work on', () => {
  const CONFIRMED = ({ headers }: SeenRequest): Reply =>
    headers['if-none-match'] === '"a"'
      ? { status: 304, headers: { etag: '"a"' } }
      : { headers: { ...FRESH, etag: '"a"' }, body: '0123456789' }

  for (const [what, headers, expected] of [
    ['no-cache', { 'cache-control': 'no-cache' }, [200, '0123456789', 'revalidated', 2]],
    ['a range', { range: 'bytes=2-3' }, [206, '23', 'hit', 1]],
    ['a condition of its own', { 'if-none-match': '"a"' }, [304, '', 'hit', 1]]
  ] as const) {
    test(`is waited for by a request with ${what}`, async () => {
      await using origin = await startOrigin(CONFIRMED)
      const store = new AsyncStore()
      store.pace = operation => sleep(operation === 'commit' ? 50 : 0)
      await using cached = new CachedAgent({ store })
      await cached.get(origin.url)
      const { status, body, info } = await cached.get(origin.url, { headers })
      assert.deepEqual([status, body, info.outcome, origin.requests.length], expected)
    })
  }

  test('is waited for no longer than the store may take', async () => {
    await using origin = await startOrigin(CONFIRMED)
    const store = new AsyncStore()
    store.pace = operation => sleep(operation === 'commit' || operation === 'write' ? 3000 : 0)
    await using cached = new CachedAgent({ store, storeTimeoutMs: 100, onStoreError() {} })
    await cached.get(origin.url)
    const startedMs = performance.now()
    const { status } = await cached.get(origin.url, { headers: { range: 'bytes=2-3' } })
    assert.equal(status, 200)
    assert.ok(performance.now() - startedMs < 1500)
  })
})

describe('requests that want an answer of their own', () => {
  const pairs: Record<string, readonly [Record<string, string>, Record<string, string>]> = {
    'with different credentials': [{ authorization: 'a' }, { authorization: 'b' }],
    'with and without credentials': [{}, { authorization: 'a' }],
    'with different cookies': [{ cookie: 'a=1' }, { cookie: 'a=2' }],
    'with no-store': [{}, { 'cache-control': 'no-store' }],
    'with no-cache': [{}, { 'cache-control': 'no-cache' }],
    'with max-age=0': [{}, { 'cache-control': 'max-age=0' }],
    'with Pragma': [{}, { pragma: 'no-cache' }],
    'for a range': [{}, { range: 'bytes=0-0' }],
    'with If-None-Match': [{}, { 'if-none-match': '"x"' }],
    'with If-Modified-Since': [{}, { 'if-modified-since': 'Sun, 22 Nov 2026 10:00:00 GMT' }],
    'with If-Match': [{}, { 'if-match': '"x"' }]
  }
  for (const [what, [leading, following]] of Object.entries(pairs)) {
    test(`${what} are not collapsed`, async () => {
      for (const [one, other] of [
        [leading, following],
        [following, leading]
      ] as const) {
        await using setting = await world(numbered, { type: 'private', partition: false })
        const { origin, cached, first } = setting
        const leader = cached.get(origin.url, { headers: one })
        await until(() => origin.requests.length === 1)
        assert.equal((await cached.get(origin.url, { headers: other })).body, '#2')
        first.open()
        assert.equal((await leader).body, '#1')
      }
    })
  }

  test('with different limits to a pause of the body are not collapsed: each fails by its own', async () => {
    const pause = gate()
    await using setting = await world(async (_request, response) => {
      response.writeHead(200, { ...FRESH, 'content-length': 9 })
      response.write('half ')
      await pause.opened
      response.end('more')
      return undefined
    })
    const { origin, cached, first } = setting
    const impatient = cached.get(origin.url, { bodyTimeout: 1 })
    const failed = assert.rejects(impatient, { code: 'UND_ERR_BODY_TIMEOUT' })
    await until(() => origin.requests.length === 1)
    const patient = Promise.all([cached.get(origin.url), cached.get(origin.url)])
    first.open()
    await failed
    pause.open()
    for (const { body } of await patient) assert.equal(body, 'half more')
    assert.equal(origin.requests.length, 2)
  })
})

describe('a leader', () => {
  /** The followers got something, the origin saw one request for the leader and, at the same time, one for each of them. */
  async function eachForItself(setting: World, count: number, lead: (setting: World) => void): Promise<void> {
    const { origin, followers } = setting
    await until(() => origin.requests.length === 1)
    const following = followers(count)
    // Each would have been sent by now.
    await sleep(10)
    assert.equal(origin.requests.length, 1)
    lead(setting)
    const bodies = (await following).map(({ body }) => body)
    assert.equal(bodies.length, count)
    assert.equal(new Set(bodies).size, count, 'each an answer of its own')
    assert.equal(origin.requests.length, 1 + count)
  }

  test('that is aborted before its header section leaves the request to its followers', async () => {
    await using setting = await world(numbered)
    const { origin, cached, first, followers } = setting
    const aborting = new AbortController()
    const aborted = assert.rejects(cached.get(origin.url, { signal: aborting.signal }), { name: 'AbortError' })
    await until(() => origin.requests.length === 1)
    const following = followers(5)
    await sleep(10)
    aborting.abort()
    await aborted
    first.open()
    for (const { body } of await following) assert.equal(body, '#1')
    assert.equal(origin.requests.length, 1)
    assert.equal((await cached.get(origin.url)).fromCache, true)
  })

  test('that is aborted within its body leaves the response to its followers', async () => {
    const second = gate()
    await using setting = await world(async (_request, response) => {
      response.writeHead(200, { ...FRESH, 'content-length': 9 })
      response.write('half ')
      await second.opened
      response.end('more')
      return undefined
    })
    const { origin, cached, first, followers } = setting
    const leading = cached.open(origin.url)
    await until(() => origin.requests.length === 1)
    const early = followers(3)
    first.open()
    const { body } = await leading
    body.on('error', () => {})
    const late = followers(3)
    await sleep(10)
    body.destroy()
    await sleep(10)
    second.open()
    for (const each of [...(await early), ...(await late)]) assert.equal(each.body, 'half more')
    assert.equal(origin.requests.length, 1)
    assert.equal((await cached.get(origin.url)).body, 'half more')
    assert.equal(origin.requests.length, 1)
  })

  test('is cancelled with the last who waits or reads, and not before', async () => {
    let closed = false
    await using setting = await world((_request, response) => {
      response.on('close', () => {
        closed = true
      })
      response.writeHead(200, { ...FRESH, 'content-length': 1000 })
      response.write('half')
      return undefined
    })
    const { origin, cached, first } = setting
    const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()]
    const asked = [one, two, three].map(({ signal }) => cached.open(origin.url, { signal }))
    await until(() => origin.requests.length === 1)
    const gone = assert.rejects(asked[1] ?? Promise.resolve(), { name: 'AbortError' })
    two.abort()
    await gone
    first.open()
    const opened = await Promise.all([asked[0], asked[2]])
    for (const each of opened) each?.body.on('error', () => {})
    one.abort()
    await sleep(30)
    assert.equal(closed, false)
    three.abort()
    await until(() => closed)
    assert.equal(origin.requests.length, 1)
  })

  test('that fails releases its followers at once', async () => {
    await using setting = await world((request, response) => {
      if (request.number > 1) return numbered(request)
      response.destroy()
      return undefined
    })
    const leader = setting.cached.get(setting.origin.url)
    const failed = assert.rejects(leader, { code: 'UND_ERR_SOCKET' })
    await eachForItself(setting, 5, ({ first }) => first.open())
    await failed
  })

  const uncacheable: Record<string, Reply> = {
    'says no-store': { headers: { 'cache-control': 'no-store' } },
    'may not be stored': { headers: {} },
    'fails with 500': { status: 500 },
    'varies by everything': { headers: { ...FRESH, vary: '*' } }
  }
  for (const [what, reply] of Object.entries(uncacheable)) {
    test(`whose answer ${what} releases its followers at the header section, in parallel`, async () => {
      let arrived = 0
      await using setting = await world(async ({ number }, response) => {
        if (number === 1) {
          response.writeHead(reply.status ?? 200, { ...reply.headers, 'content-length': 1000 })
          response.write('half')
          return undefined
        }
        arrived++
        await until(() => arrived === 8, 'all of them at the same time')
        return { ...reply, body: `#${number}` }
      })
      const { origin, cached, first } = setting
      const leading = cached.open(origin.url)
      await eachForItself(setting, 8, () => first.open())
      const { body } = await leading
      body.destroy().on('error', () => {})
    })
  }

  test('that gets another variant than a follower wants leaves it to fetch its own', async () => {
    await using setting = await world(({ headers, number }) => ({
      headers: { ...FRESH, vary: 'accept-language' },
      body: `${headers['accept-language']} ${number}`
    }))
    const { origin, cached, first } = setting
    const leader = cached.get(origin.url, { headers: { 'accept-language': 'de' } })
    await until(() => origin.requests.length === 1)
    const languages = ['de', 'fr', 'de', 'it']
    const following = Promise.all(
      languages.map(language => cached.get(origin.url, { headers: { 'accept-language': language } }))
    )
    await sleep(10)
    first.open()
    assert.equal((await leader).body, 'de 1')
    const bodies = (await following).map(({ body }) => body)
    assert.deepEqual(
      bodies.map(body => body.slice(0, 2)),
      languages
    )
    assert.deepEqual([bodies[0], bodies[2]], ['de 1', 'de 1'])
    assert.equal(origin.requests.length, 3)
  })

  test('whose answer is said to be too large releases its followers at once', async () => {
    await using setting = await world(({ number }) => ({ headers: FRESH, body: `#${number}`.padEnd(5 * MEBIBYTE) }))
    const leader = setting.cached.get(setting.origin.url)
    await eachForItself(setting, 3, ({ first }) => first.open())
    assert.equal((await leader).bytes.byteLength, 5 * MEBIBYTE)
  })

  test('whose answer turns out too large has shared it all the same', async () => {
    await using setting = await world({ headers: FRESH, chunked: true, body: Buffer.alloc(5 * MEBIBYTE) })
    const { cached, origin, first, followers } = setting
    const leader = cached.get(origin.url)
    const following = followers(3)
    await sleep(10)
    first.open()
    for (const { bytes } of [await leader, ...(await following)]) assert.equal(bytes.byteLength, 5 * MEBIBYTE)
    assert.equal(origin.requests.length, 1)
    assert.equal((await cached.get(origin.url)).fromCache, false)
  })

  test('whose reader stalls holds nobody up, and has everything in the end', async () => {
    const bytes = randomBytes(3 * MEBIBYTE)
    await using setting = await world(() => ({ headers: FRESH, body: bytes }))
    const { origin, cached, first, followers } = setting
    const leading = cached.open(origin.url)
    await until(() => origin.requests.length === 1)
    const following = followers(3)
    await sleep(10)
    first.open()
    const { body } = await leading
    for (const each of await following) assert.ok(each.bytes.equals(bytes))
    assert.equal((await cached.get(origin.url)).fromCache, true)
    assert.ok(Buffer.from(await body.arrayBuffer()).equals(bytes))
    assert.equal(origin.requests.length, 1)
  })

  for (const coalesceTimeoutMs of [400, 50]) {
    const holds = coalesceTimeoutMs === 400 ? 'holds up, for coalesceTimeoutMs, who' : 'no longer holds up who then'
    test(`whose reader stalls before anybody follows ${holds} comes too late to read along`, async () => {
      await using setting = await world(({ number }) => ({ headers: FRESH, body: `#${number}`.padEnd(3 * MEBIBYTE) }), {
        coalesceTimeoutMs
      })
      const { origin, cached, first, followers } = setting
      const leading = cached.open(origin.url)
      await until(() => origin.requests.length === 1)
      first.open()
      const { body } = await leading
      body.once('readable', () => body.read(100_000))
      await sleep(100)
      const started = performance.now()
      const all = await followers(3)
      if (coalesceTimeoutMs === 400) assert.ok(performance.now() - started >= 300, 'they gave the leader its time')
      else assert.equal(origin.requests.length, 2, 'they asked together for what did not come')
      assert.deepEqual(new Set(all.map(each => each.bytes.byteLength)), new Set([3 * MEBIBYTE]))
      assert.ok(origin.requests.length > 1)
      assert.equal((await cached.get(origin.url)).fromCache, true)
      assert.equal((await body.text()).length > 2 * MEBIBYTE, true)
    })
  }

  test('of a store that is slow to take its body holds its followers up no longer either', async () => {
    const store = new AsyncStore()
    store.pace = operation => (operation === 'write' ? new Promise(() => {}) : Promise.resolve())
    await using setting = await world(numbered, {
      store,
      storeTimeoutMs: 5000,
      coalesceTimeoutMs: 50,
      closeTimeoutMs: 200
    })
    const { cached, origin, first, followers } = setting
    const leader = cached.get(origin.url)
    const following = followers(2)
    first.open()
    assert.equal((await leader).body, '#1')
    assert.equal((await following).length, 2)
  })

  test('with coalesceTimeoutMs: 0 is not waited for where its answer has to be validated', async () => {
    await using setting = await world(
      ({ number }, response) => {
        const headers = { 'cache-control': 'no-cache', etag: '"a"' }
        if (number > 1) return { headers, body: `#${number}` }
        response.writeHead(200, { ...headers, 'content-length': 1000 })
        response.write('half')
        return undefined
      },
      { coalesceTimeoutMs: 0 }
    )
    const { cached, origin } = setting
    const leading = cached.open(origin.url)
    await eachForItself(setting, 3, ({ first }) => first.open())
    const { body } = await leading
    body.destroy().on('error', () => {})
  })

  test('whose response is stale, and cannot be validated, is not waited for', async () => {
    await using setting = await world(
      ({ number }, response) => {
        const headers = { 'cache-control': 'max-age=1', age: '5' }
        if (number > 1) return { headers, body: `#${number}` }
        response.writeHead(200, { ...headers, 'content-length': 1000 })
        response.write('half')
        return undefined
      },
      { coalesceTimeoutMs: 60_000 }
    )
    const { cached, origin } = setting
    const leading = cached.open(origin.url)
    await eachForItself(setting, 3, ({ first }) => first.open())
    const { body } = await leading
    body.destroy().on('error', () => {})
  })

  test('overtaken by a purge leaves its followers to fetch anew: they asked for what is there now', async () => {
    await using setting = await world(numbered)
    const { cached, origin, first, followers } = setting
    const leader = cached.get(origin.url)
    const early = followers(2)
    await sleep(10)
    await cached.cache.purge()
    const late = followers(2)
    await sleep(10)
    first.open()
    assert.equal((await leader).body, '#1')
    for (const { body } of await late) assert.notEqual(body, '#1')
    await early
    assert.equal((await cached.get(origin.url)).fromCache, true)
  })

  test('overtaken by a POST does not answer those who asked after it', async () => {
    let version = 1
    await using setting = await world(({ method, number }) => {
      if (method === 'POST') version++
      return { headers: FRESH, body: number === 1 ? 'version 1' : `version ${version}` }
    })
    const { cached, origin, first } = setting
    const leader = cached.get(origin.url)
    await until(() => origin.requests.length === 1)
    await cached.get(origin.url, { method: 'POST' })
    const late = Promise.all(Array.from({ length: 3 }, () => cached.get(origin.url)))
    await sleep(10)
    first.open()
    assert.equal((await leader).body, 'version 1')
    for (const { body } of await late) assert.equal(body, 'version 2')
  })

  test('still under way when the cache is closed releases its followers', async () => {
    await using setting = await world(numbered)
    const leader = setting.cached.get(setting.origin.url)
    await eachForItself(setting, 3, ({ cached }) => void cached.cache.close())
    setting.first.open()
    assert.equal((await leader).body, '#1')
  })
})

describe('a follower', () => {
  test('that is aborted while it waits is the only one to notice', async () => {
    await using setting = await world(numbered)
    const { cached, origin, first, followers } = setting
    const leader = cached.get(origin.url)
    const others = followers(3)
    await until(() => origin.requests.length === 1)
    const aborting = new AbortController()
    const aborted = cached.get(origin.url, { signal: aborting.signal })
    const failed = assert.rejects(aborted, { name: 'AbortError' })
    await sleep(10)
    aborting.abort()
    await failed
    first.open()
    assert.equal((await leader).body, '#1')
    for (const { body } of await others) assert.equal(body, '#1')
    assert.equal(origin.requests.length, 1)
  })

  test('with a headersTimeout of its own asks for itself once it has passed', async () => {
    await using setting = await world(numbered)
    const { cached, origin, first } = setting
    const leader = cached.get(origin.url)
    await until(() => origin.requests.length === 1)
    assert.equal((await cached.get(origin.url, { headersTimeout: 50 })).body, '#2')
    first.open()
    assert.equal((await leader).body, '#1')
  })

  test('with headersTimeout: 0 waits as long as it takes', async () => {
    await using setting = await world(numbered)
    const { cached, origin, first } = setting
    const leader = cached.get(origin.url)
    await until(() => origin.requests.length === 1)
    const follower = cached.get(origin.url, { headersTimeout: 0 })
    await sleep(30)
    first.open()
    assert.equal((await follower).body, '#1')
    await leader
  })

  test('that must not be answered from the store by what came fetches for itself', async () => {
    await using setting = await world(({ number }) => ({
      headers: { 'cache-control': 'no-cache', etag: '"1"' },
      body: `#${number}`
    }))
    const { cached, origin, first, followers } = setting
    const leader = cached.get(origin.url)
    const following = followers(3)
    await sleep(10)
    first.open()
    await leader
    for (const { body } of await following) assert.notEqual(body, '#1')
    assert.equal(origin.requests.length, 4)
  })

  test('that wants it fresher than what came fetches for itself', async () => {
    await using setting = await world(({ number }) => ({
      headers: { ...FRESH, age: number === 1 ? '50' : '0' },
      body: `#${number}`
    }))
    const { cached, origin, first } = setting
    const leader = cached.get(origin.url)
    await until(() => origin.requests.length === 1)
    const demanding = cached.get(origin.url, { headers: { 'cache-control': 'min-fresh=30' } })
    const content = cached.get(origin.url)
    await sleep(10)
    first.open()
    assert.deepEqual([(await leader).body, (await content).body, (await demanding).body], ['#1', '#1', '#2'])
  })

  test('that asked with only-if-cached does not wait', async () => {
    await using setting = await world(numbered)
    const { cached, origin, first } = setting
    const leader = cached.get(origin.url)
    await until(() => origin.requests.length === 1)
    assert.equal((await cached.get(origin.url, { headers: { 'cache-control': 'only-if-cached' } })).status, 504)
    first.open()
    await leader
  })
})

test('a flood of misses with failures, aborts and uncacheable answers ends with an answer for everybody', async () => {
  await using origin = await startOrigin(async ({ number }, response) => {
    await sleep(number % 7)
    if (number % 5 === 0) {
      response.destroy()
      return undefined
    }
    const control = number % 3 === 0 ? 'no-store' : 'max-age=0'
    return { headers: { 'cache-control': control, etag: '"x"' }, body: `#${number}` }
  })
  await using cached = new CachedAgent({ coalesceTimeoutMs: 20 })
  const results = await Promise.allSettled(
    Array.from({ length: 300 }, async (_, i) => {
      await sleep(i % 50)
      const aborting = i % 4 === 0 ? AbortSignal.timeout(1 + (i % 10)) : undefined
      return cached.get(`${origin.url}/${i % 3}`, aborting === undefined ? {} : { signal: aborting })
    })
  )
  assert.equal(results.length, 300)
  const failures = results.flatMap(result => (result.status === 'rejected' ? [String(result.reason.name)] : []))
  assert.ok(failures.length < 250)
  for (const name of failures) assert.match(name, /SocketError|TimeoutError|AbortError/)
})
