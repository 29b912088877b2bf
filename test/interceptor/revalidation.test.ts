import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CachedAgent, Clock, withoutDates } from '../support/cached-agent.ts'
import { type Reply, type SeenRequest, startOrigin } from '../support/origin.ts'

/** An origin whose one resource has an entity tag, which `tag` may change. */
function tagged(headers: Record<string, string> = {}) {
  const resource = { tag: '"1"', body: 'one' }
  const respond = (request: SeenRequest): Reply => {
    const fields = { etag: resource.tag, 'cache-control': 'max-age=10', ...headers }
    const known = request.headers['if-none-match']?.split(', ') ?? []
    return known.includes(resource.tag) ? { status: 304, headers: fields } : { headers: fields, body: resource.body }
  }
  return { resource, respond }
}

describe('a miss and a hit', () => {
  test('the first response is stored, the second comes from the store with Age, and each says so', async () => {
    await using origin = withoutDates(await startOrigin())
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    const miss = await cached.get(`${origin.url}/a?b`)
    assert.deepEqual(miss.info, {
      fromCache: false,
      outcome: 'miss',
      ageSeconds: 0,
      freshForSeconds: 60,
      stored: true,
      reason: 'uri-miss'
    })
    assert.equal(miss.headers['cache-status'], 'undici-http-cache; fwd=uri-miss; ttl=60; stored')
    assert.equal(miss.headers.age, undefined)
    clock.advance(7)
    const hit = await cached.get(`${origin.url}/a?b`)
    assert.deepEqual(hit.info, {
      fromCache: true,
      outcome: 'hit',
      ageSeconds: 7,
      freshForSeconds: 53,
      stored: true,
      reason: 'fresh'
    })
    assert.equal(hit.headers['cache-status'], 'undici-http-cache; hit; ttl=53')
    assert.equal(hit.headers.age, '7')
    assert.equal(hit.body, miss.body)
    assert.equal((await cached.get(`${origin.url}/a?c`)).fromCache, false)
  })

  test('what the origin calls no-store, private or without freshness goes to the client alone', async () => {
    await using origin = await startOrigin(({ path }) => ({
      headers: path === '/none' ? {} : { 'cache-control': `${path.slice(1)}, max-age=60` },
      body: 'x'
    }))
    await using cached = new CachedAgent()
    for (const [path, reason] of [
      ['/no-store', 'no-store'],
      ['/private', 'private'],
      ['/none', 'no-freshness']
    ] as const) {
      for (const _ of [1, 2]) {
        const { info, body } = await cached.get(origin.url + path)
        assert.equal(body, 'x')
        assert.deepEqual([info.outcome, info.stored, info.reason], ['miss', false, reason])
      }
    }
    assert.equal(origin.requests.length, 6)
  })

  test('a hit is answered before dispatch returns', async () => {
    await using origin = await startOrigin()
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const events: string[] = []
    const dispatched = cached.agent.dispatch(
      { origin: origin.url, path: '/', method: 'GET' },
      {
        onRequestStart: () => events.push('start'),
        onResponseStart: () => events.push('head'),
        onResponseData: () => events.push('data'),
        onResponseEnd: () => events.push('end'),
        onResponseError: () => events.push('error')
      }
    )
    assert.equal(dispatched, true)
    assert.deepEqual(events, ['start', 'head', 'data', 'end'])
  })
})

describe('a stale entry with a validator', () => {
  test('is confirmed by a 304, and what that freshens is visible to later hits', async () => {
    const { respond } = tagged()
    await using origin = withoutDates(await startOrigin(respond))
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    for (const _ of [1, 2, 3]) {
      clock.advance(10)
      const received = await cached.get(origin.url)
      assert.equal(received.status, 200)
      assert.equal(received.body, 'one')
      assert.equal(received.info.outcome, 'revalidated')
      assert.equal(received.info.fromCache, true)
      assert.equal(received.headers.age, undefined)
      assert.match(String(received.headers['cache-status']), /fwd=stale; fwd-status=304; ttl=10; stored/)
      clock.advance(9)
      const hit = await cached.get(origin.url)
      assert.deepEqual([hit.info.outcome, hit.headers.age, hit.body], ['hit', '9', 'one'])
    }
    assert.equal(origin.requests.length, 4)
    assert.equal(origin.requests[1]?.headers['if-none-match'], '"1"')
  })

  test('is replaced by a 200', async () => {
    const { resource, respond } = tagged()
    await using origin = withoutDates(await startOrigin(respond))
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    resource.tag = '"2"'
    resource.body = 'two'
    const replaced = await cached.get(origin.url)
    assert.deepEqual([replaced.body, replaced.fromCache, replaced.info.outcome], ['two', false, 'miss'])
    const hit = await cached.get(origin.url)
    assert.deepEqual([hit.body, hit.headers.etag, hit.info.outcome], ['two', '"2"', 'hit'])
  })

  test('is validated by Last-Modified where there is no entity tag', async () => {
    const date = 'Sun, 22 Nov 2026 10:00:00 GMT'
    await using origin = withoutDates(
      await startOrigin(({ headers }) =>
        headers['if-modified-since'] === date
          ? { status: 304 }
          : { headers: { 'last-modified': date, 'cache-control': 'no-cache' }, body: 'x' }
      )
    )
    await using cached = new CachedAgent({ now: new Clock().now })
    await cached.get(origin.url)
    const received = await cached.get(origin.url)
    assert.deepEqual([received.body, received.info.outcome, received.info.reason], ['x', 'revalidated', 'validated'])
  })

  test('one of several variants is confirmed by the entity tag that the 304 names', async () => {
    await using origin = await startOrigin(({ headers }) => {
      const fields = { vary: 'accept-language', 'cache-control': 'no-cache' }
      const language = headers['accept-language']
      if (headers['if-none-match']?.includes('"de"') && language === 'de') {
        return { status: 304, headers: { ...fields, etag: '"de"' } }
      }
      return { headers: { ...fields, etag: `"${language}"` }, body: `in ${language}` }
    })
    await using cached = new CachedAgent()
    for (const language of ['de', 'fr']) await cached.get(origin.url, { headers: { 'accept-language': language } })
    const confirmed = await cached.get(origin.url, { headers: { 'accept-language': 'de' } })
    assert.deepEqual([confirmed.body, confirmed.info.outcome], ['in de', 'revalidated'])
  })

  test('a 304 that names another representation makes the request go out again, for the whole', async () => {
    await using origin = await startOrigin(({ headers }) =>
      headers['if-none-match'] === undefined
        ? { headers: { etag: '"1"', 'cache-control': 'no-cache' }, body: 'whole' }
        : { status: 304, headers: { etag: '"other"' } }
    )
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const received = await cached.get(origin.url)
    assert.deepEqual([received.status, received.body, received.fromCache], [200, 'whole', false])
    assert.equal(origin.requests.length, 3)
    assert.equal(origin.requests[2]?.headers['if-none-match'], undefined)
  })

  test('a 304 that says no-store is the last answer from the store', async () => {
    await using origin = await startOrigin(({ headers }) =>
      headers['if-none-match'] === undefined
        ? { headers: { etag: '"1"', 'cache-control': 'no-cache' }, body: 'x' }
        : { status: 304, headers: { etag: '"1"', 'cache-control': 'no-store' } }
    )
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    assert.equal((await cached.get(origin.url)).info.outcome, 'revalidated')
    assert.equal((await cached.get(origin.url)).info.outcome, 'miss')
  })
})

describe("the client's own conditions", () => {
  test('are answered from a fresh entry', async () => {
    const { respond } = tagged({ 'last-modified': 'Sun, 22 Nov 2026 10:00:00 GMT' })
    await using origin = withoutDates(await startOrigin(respond))
    await using cached = new CachedAgent({ now: new Clock().now })
    await cached.get(origin.url)
    const ask = async (headers: Record<string, string>) => {
      const { status, body } = await cached.get(origin.url, { headers })
      return [status, body]
    }
    assert.deepEqual(await ask({ 'if-none-match': '"1"' }), [304, ''])
    assert.deepEqual(await ask({ 'if-none-match': '"0"' }), [200, 'one'])
    assert.deepEqual(await ask({ 'if-modified-since': 'Sun, 22 Nov 2026 10:00:00 GMT' }), [304, ''])
    assert.deepEqual(await ask({ 'if-modified-since': 'Sun, 22 Nov 2026 09:00:00 GMT' }), [200, 'one'])
    assert.equal(origin.requests.length, 1)
  })

  test('go to the origin beside those of a stale entry, and each 304 means what it says', async () => {
    const { resource, respond } = tagged()
    await using origin = withoutDates(await startOrigin(respond))
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    resource.tag = '"2"'
    const own = await cached.get(origin.url, { headers: { 'if-none-match': '"2"' } })
    assert.deepEqual([own.status, own.body], [304, ''])
    assert.equal(origin.requests[1]?.headers['if-none-match'], '"2", "1"')
    resource.tag = '"1"'
    const stored = await cached.get(origin.url, { headers: { 'if-none-match': '"2"' } })
    assert.deepEqual([stored.status, stored.body, stored.info.outcome], [200, 'one', 'revalidated'])
  })

  test('that only the origin can answer pass by the cache', async () => {
    const { respond } = tagged()
    await using origin = await startOrigin(respond)
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const { info } = await cached.get(origin.url, { headers: { 'if-match': '"1"' } })
    assert.deepEqual([info.outcome, info.reason, origin.requests.length], ['bypass', 'precondition', 2])
  })
})

describe('HEAD', () => {
  test('is answered from a stored GET, and never answers one', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x' })
    await using cached = new CachedAgent()
    assert.equal((await cached.get(origin.url, { method: 'HEAD' })).fromCache, false)
    assert.equal((await cached.get(origin.url, { method: 'HEAD' })).fromCache, true)
    const get = await cached.get(origin.url)
    assert.deepEqual([get.body, get.info.reason], ['x', 'head-only'])
    const head = await cached.get(origin.url, { method: 'HEAD' })
    assert.deepEqual([head.body, head.fromCache, head.headers['content-length']], ['', true, '1'])
    assert.equal((await cached.get(origin.url)).fromCache, true)
    assert.equal(origin.requests.length, 2)
  })

  test('freshens a stale GET where it agrees with it', async () => {
    await using origin = withoutDates(
      await startOrigin(({ method }) => ({
        headers: { 'cache-control': 'max-age=10', 'content-length': 1, 'x-method': method },
        body: 'x'
      }))
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    assert.equal((await cached.get(origin.url, { method: 'HEAD' })).fromCache, false)
    clock.advance(9)
    const hit = await cached.get(origin.url)
    assert.deepEqual([hit.fromCache, hit.body, hit.headers['x-method']], [true, 'x', 'HEAD'])
    assert.equal(origin.requests.length, 2)
  })

  test('makes a GET invalid where it does not', async () => {
    await using origin = withoutDates(
      await startOrigin(({ number }) => ({
        headers: { 'cache-control': 'max-age=10', 'content-length': number },
        body: 'x'.repeat(number)
      }))
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    await cached.get(origin.url, { method: 'HEAD' })
    const get = await cached.get(origin.url)
    assert.deepEqual([get.fromCache, get.body], [false, 'xxx'])
  })
})

describe('what the request asks for', () => {
  test('only-if-cached: what is stored, or 504 without a request', async () => {
    await using origin = withoutDates(await startOrigin())
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    const headers = { 'cache-control': 'only-if-cached' }
    const none = await cached.get(origin.url, { headers })
    assert.deepEqual([none.status, none.body, none.info.outcome], [504, '', 'unsatisfiable'])
    await cached.get(origin.url)
    assert.equal((await cached.get(origin.url, { headers })).body, '#1')
    clock.advance(61)
    assert.equal((await cached.get(origin.url, { headers })).status, 504)
    assert.equal(origin.requests.length, 1)
  })

  test('no-cache and max-age=0 go to the origin and refresh what is stored, no-store does not', async () => {
    await using origin = withoutDates(await startOrigin())
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    const ask = async (control?: string) => {
      clock.advance(1)
      return (await cached.get(origin.url, control === undefined ? {} : { headers: { 'cache-control': control } })).body
    }
    assert.deepEqual([await ask(), await ask()], ['#1', '#1'])
    assert.deepEqual([await ask('no-cache'), await ask()], ['#2', '#2'])
    assert.deepEqual([await ask('max-age=0'), await ask()], ['#3', '#3'])
    assert.deepEqual([await ask('no-store'), await ask()], ['#4', '#3'])
  })

  test('max-stale, min-fresh and max-age are measured by age', async () => {
    await using origin = withoutDates(await startOrigin())
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    const ask = async (control: string) =>
      (await cached.get(origin.url, { headers: { 'cache-control': control } })).info.outcome
    await ask('max-age=5')
    clock.advance(6)
    assert.equal(await ask('min-fresh=54'), 'hit')
    assert.equal(await ask('max-age=6'), 'hit')
    clock.advance(60)
    assert.equal(await ask('max-stale=6'), 'stale')
    assert.equal(await ask('max-stale'), 'stale')
    assert.equal(await ask('max-stale=5'), 'miss')
    clock.advance(10)
    assert.equal(await ask('max-age=9'), 'miss')
    clock.advance(10)
    assert.equal(await ask('min-fresh=51'), 'miss')
  })
})

describe('Vary', () => {
  test('keeps many variants apart, and finds each again', async () => {
    await using origin = await startOrigin(({ headers }) => ({
      headers: { 'cache-control': 'max-age=60', vary: 'X-A, X-B' },
      body: `${headers['x-a']}/${headers['x-b']}`
    }))
    await using cached = new CachedAgent()
    const variants = Array.from({ length: 60 }, (_, i) => ({
      'x-a': `${i % 10}`,
      ...(i < 10 ? {} : { 'x-b': `${i}` })
    }))
    const bodies: string[] = []
    for (const headers of variants) bodies.push((await cached.get(origin.url, { headers })).body)
    assert.equal(new Set(bodies).size, 60)
    const again = await Promise.all(variants.map(headers => cached.get(origin.url, { headers })))
    assert.deepEqual(
      again.map(({ body }) => body),
      bodies
    )
    assert.equal(origin.requests.length, 60)
    assert.equal((await cached.get(origin.url, { headers: { 'x-a': 'new' } })).info.reason, 'vary-miss')
  })

  test('several lists for one URL are all looked up', async () => {
    await using origin = await startOrigin(({ headers }) => ({
      headers: { 'cache-control': 'max-age=60', vary: headers['x-kind'] === 'a' ? 'x-kind, x-one' : 'x-kind, x-two' },
      body: `${headers['x-kind']}${headers['x-one'] ?? headers['x-two']}`
    }))
    await using cached = new CachedAgent()
    const forms = [
      { 'x-kind': 'a', 'x-one': '1' },
      { 'x-kind': 'a', 'x-one': '2' },
      { 'x-kind': 'b', 'x-two': '1' },
      { 'x-kind': 'b', 'x-two': '2' }
    ]
    for (const _ of [1, 2]) {
      const bodies = await Promise.all(forms.map(async headers => (await cached.get(origin.url, { headers })).body))
      assert.deepEqual(bodies, ['a1', 'a2', 'b1', 'b2'])
    }
    assert.equal(origin.requests.length, 4)
  })

  test('* is never stored', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60', vary: '*' } })
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    assert.equal((await cached.get(origin.url)).info.reason, 'vary-star')
  })
})
