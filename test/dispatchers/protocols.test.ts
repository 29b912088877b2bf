import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Http2ServerResponse } from 'node:http2'
import { type AddressInfo, createServer } from 'node:net'
import { after, describe, test } from 'node:test'
import { Agent, type Dispatcher, fetch, request } from 'undici'
import { cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { ask, cacheStatus } from '../support/ask.ts'
import { type Origin, type Protocol, type Reply, type Responder, startOrigin } from '../support/origin.ts'
import { Witness } from '../support/witness.ts'

const witness = new Witness()
after(() => witness.check())

interface Setting extends AsyncDisposable {
  readonly origin: Origin
  readonly dispatcher: Dispatcher
}

/** An origin that speaks a protocol, and a caching dispatcher that speaks it as well. */
async function set(protocol: Protocol, handler?: Responder | Reply | readonly Reply[]): Promise<Setting> {
  const origin = await startOrigin(handler, protocol)
  const agent = new Agent({ allowH2: protocol === 'h2', connect: { ca: origin.ca } })
  return {
    origin,
    dispatcher: agent.compose(cacheInterceptor(), witness.interceptor),
    [Symbol.asyncDispose]: async () => {
      await agent.close()
      await origin.close()
    }
  }
}

const FRESH = { 'cache-control': 'max-age=60' }

for (const protocol of ['http', 'https', 'h2'] as const) {
  describe(`over ${protocol}`, () => {
    test('a second GET is a hit with the same status, fields and body', async () => {
      await using setting = await set(protocol, { headers: { ...FRESH, 'x-field': 'value' }, body: 'body' })
      const { origin, dispatcher } = setting
      const miss = await ask(dispatcher, origin.url)
      const hit = await ask(dispatcher, origin.url)
      assert.equal(origin.requests.length, 1)
      assert.equal(origin.requests[0]?.headers[':scheme'] !== undefined, protocol === 'h2')
      assert.equal(hit.outcome, 'hit')
      assert.equal(hit.statusCode, miss.statusCode)
      assert.equal(hit.body, 'body')
      const { age, 'cache-status': hitStatus, ...hitFields } = hit.headers
      const { 'cache-status': missStatus, ...missFields } = miss.headers
      assert.match(String(age), /^\d+$/)
      assert.match(String(missStatus), /^undici-http-cache; fwd=uri-miss; ttl=\d+; stored$/)
      assert.match(String(hitStatus), /^undici-http-cache; hit; ttl=\d+$/)
      // What concerns one connection alone is not kept. RFC 9111 §3.1
      const { connection: _, 'keep-alive': __, ...kept } = missFields
      assert.deepEqual({ ...hitFields }, { ...kept })
    })

    test('several Set-Cookie lines stay several', async () => {
      const cookies = ['a=1; Path=/', 'b=2; Expires=Wed, 21 Oct 2065 07:28:00 GMT']
      const headers = { 'cache-control': 'public, max-age=60', 'set-cookie': cookies }
      await using setting = await set(protocol, { headers, body: 'x' })
      const { origin, dispatcher } = setting
      for (const outcome of ['miss', 'hit'] as const) {
        const response = await ask(dispatcher, origin.url)
        assert.equal(response.outcome, outcome)
        assert.deepEqual(response.headers['set-cookie'], cookies)
        const fetched = await fetch(origin.url, { dispatcher })
        assert.deepEqual(fetched.headers.getSetCookie(), cookies)
        await fetched.text()
      }
      assert.equal(origin.requests.length, 1)
    })

    test('a body without Content-Length is stored', async () => {
      await using setting = await set(protocol, { headers: FRESH, body: 'chunked', chunked: true })
      const { origin, dispatcher } = setting
      for (const outcome of ['miss', 'hit'] as const) {
        const response = await ask(dispatcher, origin.url)
        assert.deepEqual([response.outcome, response.body], [outcome, 'chunked'])
        assert.equal(response.headers['content-length'], undefined)
      }
    })

    test('an empty body is stored', async () => {
      await using setting = await set(protocol, { headers: FRESH })
      const { origin, dispatcher } = setting
      for (const outcome of ['miss', 'hit'] as const) {
        const response = await ask(dispatcher, origin.url)
        assert.deepEqual([response.outcome, response.body], [outcome, ''])
      }
    })

    test('a 204 is stored', async () => {
      await using setting = await set(protocol, { status: 204, headers: FRESH })
      const { origin, dispatcher } = setting
      for (const outcome of ['miss', 'hit'] as const) {
        const response = await ask(dispatcher, origin.url)
        assert.deepEqual([response.outcome, response.statusCode, response.body], [outcome, 204, ''])
      }
    })

    test('trailers are kept and replayed', async () => {
      const trailers = { 'x-checksum': 'abc' }
      await using setting = await set(protocol, { headers: FRESH, body: 'x', trailers })
      const { origin, dispatcher } = setting
      for (const outcome of ['miss', 'hit'] as const) {
        const response = await ask(dispatcher, origin.url)
        assert.equal(response.outcome, outcome)
        assert.deepEqual({ ...response.trailers }, trailers)
      }
    })

    test('a 304 freshens what is stored, and the caller gets a 200 with its body', async () => {
      await using setting = await set(protocol, ({ headers, number }) => {
        const fields = { 'cache-control': 'max-age=0', etag: '"1"', 'x-number': String(number) }
        return headers['if-none-match'] === '"1"' ? { status: 304, headers: fields } : { headers: fields, body: 'body' }
      })
      const { origin, dispatcher } = setting
      await ask(dispatcher, origin.url)
      for (const number of ['2', '3']) {
        const response = await ask(dispatcher, origin.url)
        assert.deepEqual([response.statusCode, response.body, response.outcome], [200, 'body', 'revalidated'])
        assert.equal(response.headers['x-number'], number)
        assert.equal(response.context.fromCache, true)
        assert.match(String(cacheStatus(response.headers)), /fwd=stale; fwd-status=304/)
      }
    })

    test('HEAD is answered from a stored GET, and a stored HEAD answers no GET', async () => {
      await using setting = await set(protocol, { headers: FRESH, body: 'body' })
      const { origin, dispatcher } = setting
      const head = await ask(dispatcher, `${origin.url}/head`, { method: 'HEAD' })
      assert.deepEqual([head.outcome, head.body, head.headers['content-length']], ['miss', '', '4'])
      assert.equal((await ask(dispatcher, `${origin.url}/head`, { method: 'HEAD' })).outcome, 'hit')
      const get = await ask(dispatcher, `${origin.url}/head`)
      assert.deepEqual([get.outcome, get.body], ['miss', 'body'])

      await ask(dispatcher, `${origin.url}/get`)
      const fromGet = await ask(dispatcher, `${origin.url}/get`, { method: 'HEAD' })
      assert.deepEqual([fromGet.outcome, fromGet.body, fromGet.headers['content-length']], ['hit', '', '4'])
      assert.equal(origin.requests.length, 3)
    })

    test('a body that breaks off is an error, and is not stored', async () => {
      await using setting = await set(protocol, ({ number }, response) => {
        if (number > 1) return { headers: FRESH, body: 'the whole' }
        response.writeHead(200, FRESH)
        const stream = (response as unknown as Http2ServerResponse).stream ?? response
        response.write('the', () => setImmediate(() => stream.destroy(new Error('broken'))))
        return undefined
      })
      const { origin, dispatcher } = setting
      await assert.rejects(ask(dispatcher, origin.url))
      const second = await ask(dispatcher, origin.url)
      assert.deepEqual([second.outcome, second.body], ['miss', 'the whole'])
    })

    test('a POST passes with its body, and removes what is stored', async () => {
      await using setting = await set(protocol)
      const { origin, dispatcher } = setting
      await ask(dispatcher, origin.url)
      await ask(dispatcher, origin.url, { method: 'POST', body: 'content' })
      assert.equal(origin.requests[1]?.body, 'content')
      assert.equal((await ask(dispatcher, origin.url)).body, '#3')
    })

    test('a large body is stored and replayed byte by byte', async () => {
      const body = Buffer.alloc(300_000, 'abcdefghij')
      await using setting = await set(protocol, { headers: FRESH, body })
      const { origin, dispatcher } = setting
      for (const outcome of ['miss', 'hit'] as const) {
        const response = await request(origin.url, { dispatcher })
        assert.deepEqual(Buffer.from(await response.body.arrayBuffer()), body)
        assert.equal(cacheInfo(response)?.outcome, outcome)
      }
    })

    test('undici fetch is answered from the cache as well', async () => {
      await using setting = await set(protocol)
      const { origin, dispatcher } = setting
      for (const outcome of ['miss', 'hit'] as const) {
        const response = await fetch(origin.url, { dispatcher })
        assert.equal(await response.text(), '#1')
        assert.equal(cacheInfo(response)?.outcome, outcome)
      }
    })
  })
}

/** A server that writes what it is told, and closes. */
async function startRaw(lines: string): Promise<{ url: string; connections: () => number } & AsyncDisposable> {
  let connections = 0
  const server = createServer(socket => {
    connections++
    socket.on('error', () => {})
    socket.once('data', () => socket.end(lines))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    }
  }
}

describe('over HTTP/1 as bytes', () => {
  test('a body that ends with its connection passes by: it cannot be known to be complete', async () => {
    await using raw = await startRaw('HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\nbody')
    const agent = new Agent()
    const dispatcher = agent.compose(cacheInterceptor(), witness.interceptor)
    for (let i = 0; i < 2; i++) {
      const { body, outcome, headers } = await ask(dispatcher, raw.url)
      assert.deepEqual([body, outcome], ['body', 'miss'])
      assert.match(String(cacheStatus(headers)), /detail=length-unknown$/)
    }
    assert.equal(raw.connections(), 2)
    await agent.close()
  })

  test('a reason phrase and the case of field names are kept', async () => {
    await using raw = await startRaw(
      'HTTP/1.1 200 Very Well\r\nCACHE-control: max-age=60\r\nContent-LENGTH: 4\r\nX-Odd: \xe9\r\n\r\nbody'
    )
    const agent = new Agent()
    const dispatcher = agent.compose(cacheInterceptor(), witness.interceptor)
    const raws: string[][] = []
    for (const outcome of ['miss', 'hit'] as const) {
      const response = await dispatcher.request({
        origin: raw.url,
        path: '/',
        method: 'GET',
        responseHeaders: 'raw'
      })
      assert.equal(response.statusText, 'Very Well')
      raws.push((response.headers as unknown as string[]).slice(0, 6))
      assert.equal(cacheInfo(response)?.outcome, outcome)
      await response.body.dump()
    }
    const names = ['CACHE-control', 'Content-LENGTH', 'X-Odd']
    for (const list of raws) {
      assert.deepEqual(
        list.filter((_, i) => i % 2 === 0),
        names
      )
    }
    assert.deepEqual(raws[0], raws[1])
    assert.equal(raw.connections(), 1)
    await agent.close()
  })

  test('a header section that cannot be parsed is the error that undici makes of it', async () => {
    await using raw = await startRaw('HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n')
    const agent = new Agent()
    const dispatcher = agent.compose(cacheInterceptor(), witness.interceptor)
    await assert.rejects(ask(dispatcher, raw.url), { name: 'HTTPParserError' })
    await agent.close()
  })

  test('a server that cannot be reached is the error that undici makes of it', async () => {
    const origin = await startOrigin()
    await origin.close()
    const agent = new Agent()
    const dispatcher = agent.compose(cacheInterceptor(), witness.interceptor)
    await assert.rejects(ask(dispatcher, origin.url), { code: 'ECONNREFUSED' })
    await agent.close()
  })
})
