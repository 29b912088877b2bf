// stale-while-revalidate, stale-if-error, and what a client gets when the origin cannot be reached.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CachedAgent, Clock, gate, until, withoutDates } from '../support/cached-agent.ts'
import { type Reply, startOrigin } from '../support/origin.ts'
import { startRawOrigin } from '../support/raw-origin.ts'

/** The port is closed; the first to notice may be a connection that was kept alive. */
const isDisconnection = (error: { code?: string }) => ['ECONNREFUSED', 'UND_ERR_SOCKET'].includes(error.code ?? '')

const SWR = 'max-age=10, stale-while-revalidate=60'

describe('stale-while-revalidate', () => {
  test('the client is served at once, and the background request brings the next answer', async () => {
    const release = gate()
    await using origin = withoutDates(
      await startOrigin(async ({ number }) => {
        if (number === 2) await release.opened
        return { headers: { 'cache-control': SWR }, body: `#${number}` }
      })
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(15)
    for (let i = 0; i < 10; i++) {
      const stale = await cached.get(origin.url)
      assert.equal(stale.body, '#1')
      assert.equal(stale.headers.age, '15')
      assert.deepEqual([stale.info.outcome, stale.info.reason], ['stale', 'stale-while-revalidate'])
      assert.match(String(stale.headers['cache-status']), /; hit; ttl=-5; detail=stale-while-revalidate/)
    }
    await until(() => origin.requests.length === 2)
    release.open()
    let received = await cached.get(origin.url)
    while (received.info.outcome === 'stale') received = await cached.get(origin.url)
    assert.deepEqual([received.body, received.info.outcome], ['#2', 'hit'])
    assert.equal(origin.requests.length, 2)
  })

  test('ten concurrent hits in the window make one background request, with the conditions of what is stored', async () => {
    await using origin = withoutDates(
      await startOrigin(({ number }) => ({ headers: { 'cache-control': SWR, etag: '"1"' }, body: `#${number}` }))
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    await Promise.all(Array.from({ length: 10 }, () => cached.get(origin.url)))
    await until(() => origin.requests.length === 2)
    assert.equal(origin.requests[1]?.headers['if-none-match'], '"1"')
    let received = await cached.get(origin.url)
    while (received.info.outcome === 'stale') received = await cached.get(origin.url)
    assert.equal(received.body, '#2')
    assert.equal(origin.requests.length, 2)
  })

  for (const [what, reply] of [
    ['fails with 503', { status: 503 }],
    ['is refused with 429', { status: 429 }]
  ] as const) {
    test(`of what ${what} for now, one is fetched at a time, with a pause between them`, async () => {
      const clock = new Clock()
      let busy = 0
      let most = 0
      await using origin = withoutDates(
        await startOrigin(async ({ number }) => {
          if (number === 1) return { headers: { 'cache-control': SWR }, body: '#1' }
          most = Math.max(most, ++busy)
          await sleep(30)
          busy--
          return reply
        })
      )
      await using cached = new CachedAgent({ now: clock.now })
      await cached.get(origin.url)
      clock.advance(15)
      await cached.get(origin.url)
      await until(() => origin.requests.length === 2 && busy === 0)
      const askedMs = performance.now()
      await sleep(20)
      while (origin.requests.length === 2) {
        const cookies = Array.from({ length: 20 }, (_, i) => ({ headers: { cookie: `id=${i}` } }))
        await Promise.all(cookies.map(options => cached.get(origin.url, options)))
        await sleep(5)
      }
      assert.ok(performance.now() - askedMs > 800, 'the pause')
      await until(() => busy === 0)
      assert.equal(most, 1)
    })
  }

  test('a failure in the background harms nobody, and a hit after a pause tries again', async () => {
    let down = false
    await using origin = withoutDates(
      await startOrigin(({ number }, response) => {
        if (down) response.destroy()
        else return { headers: { 'cache-control': SWR }, body: `#${number}` }
        return undefined
      })
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    down = true
    assert.equal((await cached.get(origin.url)).body, '#1')
    await until(() => origin.requests.length === 2)
    for (let i = 0; i < 50; i++) await cached.get(origin.url)
    assert.equal(origin.requests.length, 2)
    down = false
    let received = await cached.get(origin.url)
    while (received.info.outcome === 'stale') received = await cached.get(origin.url)
    assert.notEqual(received.body, '#1')
  })

  test('an error status in the background leaves the entry to serve out its window', async () => {
    const replies: Reply[] = [
      { headers: { 'cache-control': SWR }, body: 'good' },
      { status: 500, body: 'bad' }
    ]
    await using origin = withoutDates(await startOrigin(replies))
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    while (origin.requests.length < 4) assert.equal((await cached.get(origin.url)).body, 'good')
    clock.advance(60)
    assert.equal((await cached.get(origin.url)).status, 500)
  })

  test('close() ends a background request, and later requests pass by', async () => {
    await using origin = withoutDates(
      await startOrigin(({ number }) => {
        return number === 2 ? undefined : { headers: { 'cache-control': SWR }, body: `#${number}` }
      })
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    const ended = once(origin.server, 'request').then(([, response]) => once(response, 'close'))
    await cached.get(origin.url)
    await until(() => origin.requests.length === 2)
    await cached.cache.close()
    await ended
    const later = await cached.get(origin.url)
    assert.deepEqual([later.body, later.info.outcome, later.info.reason], ['#3', 'bypass', 'closed'])
  })

  test('is forbidden by must-revalidate, and is over after the window', async () => {
    await using origin = withoutDates(
      await startOrigin(({ path, number }) => ({
        headers: { 'cache-control': path === '/must' ? `${SWR}, must-revalidate` : SWR },
        body: `#${number}`
      }))
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(`${origin.url}/must`)
    await cached.get(`${origin.url}/may`)
    clock.advance(11)
    assert.equal((await cached.get(`${origin.url}/must`)).body, '#3')
    clock.advance(60)
    assert.equal((await cached.get(`${origin.url}/may`)).body, '#4')
  })

  test('staleWhileRevalidateSeconds stands for responses that do not say', async () => {
    await using origin = withoutDates(
      await startOrigin(({ number }) => ({ headers: { 'cache-control': 'max-age=10' }, body: `#${number}` }))
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now, staleWhileRevalidateSeconds: 5 })
    await cached.get(origin.url)
    clock.advance(14)
    assert.equal((await cached.get(origin.url)).info.outcome, 'stale')
  })
})

describe('stale-if-error', () => {
  const SIE = { 'cache-control': 'max-age=10, stale-if-error=60', etag: '"1"' }

  for (const status of [500, 502, 503, 504]) {
    test(`the stored response stands in for ${status}`, async () => {
      await using origin = withoutDates(
        await startOrigin([
          { headers: SIE, body: 'good' },
          { status, body: 'bad' }
        ])
      )
      const clock = new Clock()
      await using cached = new CachedAgent({ now: clock.now })
      await cached.get(origin.url)
      clock.advance(11)
      const stale = await cached.get(origin.url)
      assert.deepEqual([stale.status, stale.body, stale.info.outcome], [200, 'good', 'stale'])
      assert.equal(stale.info.reason, 'stale-if-error')
      clock.advance(60)
      assert.equal((await cached.get(origin.url)).status, status)
    })
  }

  test('but not for other statuses', async () => {
    await using origin = withoutDates(
      await startOrigin([
        { headers: SIE, body: 'good' },
        { status: 501, body: 'bad' }
      ])
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    assert.equal((await cached.get(origin.url)).status, 501)
  })

  test('the rest of a long error is not waited for', async () => {
    await using origin = withoutDates(
      await startOrigin(({ number }, response) => {
        if (number === 1) return { headers: SIE, body: 'good' }
        response.writeHead(500)
        const more = () => {
          while (response.write(Buffer.alloc(65_536)));
        }
        response.on('drain', more)
        more()
        return undefined
      })
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    const closed = once(origin.server, 'request').then(([, response]) => once(response, 'close'))
    assert.equal((await cached.get(origin.url)).body, 'good')
    await closed
  })

  /** How a connection can fail. */
  const failures: Record<string, { sabotage(socket: Socket): unknown; options?: { headersTimeout: number } }> = {
    'the connection is reset': { sabotage: socket => socket.resetAndDestroy() },
    'the connection ends before a response': { sabotage: socket => socket.end() },
    'no header section comes in time': { sabotage: () => {}, options: { headersTimeout: 100 } }
  }
  for (const [what, { sabotage, options }] of Object.entries(failures)) {
    test(`the stored response stands in when ${what}`, async () => {
      await using origin = await startRawOrigin((socket, number) => {
        if (number > 1) sabotage(socket)
        else socket.write(`HTTP/1.1 200 OK\r\nCache-Control: ${SIE['cache-control']}\r\nContent-Length: 4\r\n\r\ngood`)
      })
      const clock = new Clock()
      await using cached = new CachedAgent({ now: clock.now })
      await cached.get(origin.url)
      clock.advance(11)
      const stale = await cached.get(origin.url, options)
      assert.deepEqual([stale.body, stale.info.outcome, stale.info.reason], ['good', 'stale', 'stale-if-error'])
      assert.ok(origin.requestCount > 1)
    })
  }

  test('the stored response stands in when the port is closed, as staleIfErrorSeconds or the request says', async () => {
    const origin = withoutDates(await startOrigin({ headers: { 'cache-control': 'max-age=10' }, body: 'good' }))
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now, retainSeconds: 1000, whenDisconnected: 'error' })
    await using lenient = new CachedAgent({ now: clock.now, staleIfErrorSeconds: 60 })
    await cached.get(origin.url)
    await lenient.get(origin.url)
    await origin.close()
    clock.advance(11)
    assert.equal((await lenient.get(origin.url)).body, 'good')
    await assert.rejects(cached.get(origin.url), isDisconnection)
    const headers = { 'cache-control': 'stale-if-error=60' }
    assert.equal((await cached.get(origin.url, { headers })).body, 'good')
    await assert.rejects(lenient.get(origin.url, { headers: { 'cache-control': 'no-cache' } }), {
      code: 'ECONNREFUSED'
    })
  })

  test('an abort by the client is no error of the origin', async () => {
    await using origin = withoutDates(
      await startOrigin(({ number }) => (number === 1 ? { headers: SIE, body: 'good' } : undefined))
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    const aborting = new AbortController()
    const aborted = cached.get(origin.url, { signal: aborting.signal })
    await until(() => origin.requests.length === 2)
    aborting.abort()
    await assert.rejects(aborted, { name: 'AbortError' })
  })

  test('an error after the header section is the error of that response', async () => {
    await using origin = withoutDates(
      await startOrigin(({ number }, response) => {
        if (number === 1) return { headers: SIE, body: 'good' }
        response.writeHead(200, { 'content-length': 10, 'cache-control': 'max-age=10' })
        response.write('half', () => response.destroy())
        return undefined
      })
    )
    const clock = new Clock()
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(11)
    await assert.rejects(cached.get(origin.url), { code: 'UND_ERR_SOCKET' })
  })
})

describe('whenDisconnected', () => {
  const replies: Record<string, string> = {
    '/plain': 'max-age=10',
    '/must': 'max-age=10, must-revalidate',
    '/no-cache': 'no-cache',
    '/s-maxage': 's-maxage=10'
  }

  async function disconnected(whenDisconnected: 'error' | 'stale') {
    const origin = withoutDates(
      await startOrigin(({ path }) => ({ headers: { 'cache-control': replies[path] ?? 'no-store' }, body: path }))
    )
    const clock = new Clock()
    const cached = new CachedAgent({ now: clock.now, whenDisconnected })
    for (const path of Object.keys(replies)) await cached.get(origin.url + path)
    await origin.close()
    clock.advance(3600)
    return { url: origin.url, cached }
  }

  test("'error' passes the error on", async () => {
    const { url, cached } = await disconnected('error')
    await using _ = cached
    for (const path of Object.keys(replies)) await assert.rejects(cached.get(url + path), isDisconnection)
  })

  test("'stale' serves what may be served stale, 504 where that is forbidden, the error where nothing is stored", async () => {
    const { url, cached } = await disconnected('stale')
    await using _ = cached
    const plain = await cached.get(`${url}/plain`)
    assert.deepEqual(
      [plain.status, plain.body, plain.info.outcome, plain.info.reason],
      [200, '/plain', 'stale', 'disconnected']
    )
    for (const path of ['/must', '/no-cache', '/s-maxage']) {
      const refused = await cached.get(url + path)
      assert.deepEqual([refused.status, refused.body, refused.info.outcome], [504, '', 'unsatisfiable'], path)
    }
    await assert.rejects(cached.get(`${url}/never-stored`), isDisconnection)
  })
})
