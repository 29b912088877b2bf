// Bodies on their way: what is stored is whole, and the client sees what it would see without a cache.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { Agent, type Dispatcher, fetch, request } from 'undici'
import { cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { CachedAgent, until } from '../support/cached-agent.ts'
import { startOrigin } from '../support/origin.ts'
import { startRawOrigin } from '../support/raw-origin.ts'

const HEAD = 'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n'
const FRESH = { 'cache-control': 'max-age=60' }
const MEBIBYTE = 1_048_576

/** All that a caller of request() learns. */
async function outcomeOf(response: Promise<Dispatcher.ResponseData>): Promise<unknown> {
  try {
    const { statusCode, body } = await response
    const chunks: Buffer[] = []
    try {
      for await (const chunk of body) chunks.push(chunk)
      return [statusCode, Buffer.concat(chunks).toString()]
    } catch (error) {
      const { name, code, message } = error as Error & { code?: string }
      return [statusCode, Buffer.concat(chunks).toString(), name, code, message.replace(/\d{4,}/g, '0')]
    }
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string }
    return [name, code, message.replace(/\d{4,}/g, '0')]
  }
}

describe('a response that does not come whole', () => {
  /** What an origin does to its own response. */
  const damages: Record<string, (socket: Socket) => unknown> = {
    'ends before its Content-Length': socket => socket.end(`${HEAD}Content-Length: 10\r\n\r\nhalf`),
    'is reset before its Content-Length': socket =>
      socket.write(`${HEAD}Content-Length: 10\r\n\r\nhalf`, () => setTimeout(() => socket.resetAndDestroy(), 10)),
    'ends within a chunk': socket => socket.end(`${HEAD}Transfer-Encoding: chunked\r\n\r\na\r\nhalf`),
    'ends before the last chunk': socket => socket.end(`${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`),
    'is reset before the last chunk': socket =>
      socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`, () =>
        setTimeout(() => socket.resetAndDestroy(), 10)
      ),
    'has a chunk that is none': socket => socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n`),
    'ends within its header section': socket => socket.end(HEAD)
  }
  for (const [what, damage] of Object.entries(damages)) {
    test(`is not stored, and looks as without a cache, when it ${what}`, async () => {
      await using origin = await startRawOrigin(damage)
      await using cached = new CachedAgent()
      const plain = new Agent()
      try {
        const without = await outcomeOf(request(origin.url, { dispatcher: plain }))
        assert.deepEqual(await outcomeOf(cached.open(origin.url)), without)
        assert.deepEqual(await outcomeOf(cached.open(origin.url)), without)
        assert.equal((cached.cache.store as MemoryStore).entryCount, 0)
      } finally {
        await plain.destroy()
      }
    })
  }

  test('is not stored where it has neither a Content-Length nor chunks, whole or not', async () => {
    for (const finish of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
      await using origin = await startRawOrigin(socket =>
        socket.write(`${HEAD}\r\nall of it`, () => setTimeout(() => finish(socket), 10))
      )
      await using cached = new CachedAgent()
      for (const _ of [1, 2]) {
        const { headers, info } = await cached.get(origin.url).catch(() => ({ headers: {}, info: { stored: false } }))
        assert.equal(info.stored, false)
        if ('cache-status' in headers) assert.match(String(headers['cache-status']), /detail=length-unknown/)
      }
      assert.equal((cached.cache.store as MemoryStore).entryCount, 0)
    }
  })

  test('is not stored where an interceptor below has made it another length than it states', async () => {
    await using origin = await startOrigin({ headers: FRESH, body: 'whole' })
    const shortening: Dispatcher.DispatcherComposeInterceptor = dispatch => (options, handler) => {
      const shortened: Dispatcher.DispatchHandler = {
        onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
        onResponseStart: (...head) => handler.onResponseStart?.(...head),
        onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk.subarray(1)),
        onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
        onResponseError: (controller, error) => handler.onResponseError?.(controller, error)
      }
      return dispatch(options, shortened)
    }
    const cache = cacheInterceptor()
    const agent = new Agent().compose(shortening, cache)
    try {
      for (const _ of [1, 2]) {
        const { body } = await request(origin.url, { dispatcher: agent })
        assert.equal(await body.text(), 'hole')
      }
      assert.equal(origin.requests.length, 2)
    } finally {
      await agent.destroy()
    }
  })

  /** How a client can lose interest within a body. */
  const departures: Record<string, (response: Dispatcher.ResponseData, aborting: AbortController) => void> = {
    'aborts its signal': (_response, aborting) => aborting.abort(),
    'destroys the body': ({ body }) => void body.destroy(),
    'destroys the body with an error': ({ body }) => void body.destroy(new Error('enough'))
  }
  for (const [what, depart] of Object.entries(departures)) {
    test(`is not stored when the client ${what}; the origin learns of it`, async () => {
      const closed: Promise<unknown>[] = []
      await using origin = await startOrigin(({ number }, response) => {
        if (number > 1) return { headers: FRESH, body: 'whole' }
        closed.push(once(response, 'close'))
        response.writeHead(200, { ...FRESH, 'content-length': 1000 })
        response.write('half')
        return undefined
      })
      await using cached = new CachedAgent()
      const aborting = new AbortController()
      const response = await cached.open(origin.url, { signal: aborting.signal })
      response.body.on('error', () => {})
      await once(response.body, 'readable')
      depart(response, aborting)
      await closed[0]
      const next = await cached.get(origin.url)
      assert.deepEqual([next.body, next.fromCache], ['whole', false])
      assert.equal((await cached.get(origin.url)).fromCache, true)
    })
  }

  test('because nobody reads it keeps nobody waiting', async () => {
    await using origin = await startOrigin({ headers: FRESH, body: Buffer.alloc(2 * MEBIBYTE) })
    await using cached = new CachedAgent({ coalesceTimeoutMs: 50 })
    const { body } = await cached.open(origin.url)
    await sleep(100)
    const other = await cached.get(origin.url)
    assert.equal(other.bytes.byteLength, 2 * MEBIBYTE)
    assert.equal((await cached.get(origin.url)).fromCache, true)
    body.destroy().on('error', () => {})
  })
})

describe('a response that is larger than the store takes', () => {
  for (const chunked of [false, true]) {
    test(`passes untouched and is not stored, ${chunked ? 'in chunks' : 'with a Content-Length'}`, async () => {
      const bodies = [randomBytes(10_000), randomBytes(10_001)]
      await using origin = await startOrigin(({ path }) => ({
        headers: FRESH,
        chunked,
        body: bodies[Number(path.slice(1))] ?? ''
      }))
      const store = new MemoryStore({ maxEntrySizeBytes: 10_000 })
      await using cached = new CachedAgent({ store })
      for (const fromCache of [false, true]) {
        const fits = await cached.get(`${origin.url}/0`)
        assert.equal(fits.fromCache, fromCache)
        assert.ok(fits.bytes.equals(bodies[0] ?? Buffer.alloc(0)))
        const large = await cached.get(`${origin.url}/1`)
        assert.equal(large.fromCache, false)
        assert.ok(large.bytes.equals(bodies[1] ?? Buffer.alloc(0)))
        if (!chunked) assert.match(String(large.headers['cache-status']), /detail=too-large/)
      }
      assert.equal(store.entryCount, 1)
    })
  }
})

describe('what is stored is replayed as it came', () => {
  test('trailers, several of a name as well', async () => {
    await using origin = await startRawOrigin(socket =>
      socket.write(
        `${HEAD}Transfer-Encoding: chunked\r\nTrailer: a, b\r\n\r\n1\r\nx\r\n0\r\nA: 1\r\nB: 2\r\nA: 3\r\n\r\n`
      )
    )
    await using cached = new CachedAgent()
    for (const fromCache of [false, true]) {
      const received = await cached.get(origin.url)
      assert.deepEqual([received.fromCache, received.body], [fromCache, 'x'])
      assert.deepEqual(received.trailers, { a: ['1', '3'], b: '2' })
      assert.equal(received.headers['trailer'], 'a, b')
    }
    assert.equal(origin.requestCount, 1)
  })

  test('content in its coding, which fetch decodes each time', async () => {
    const text = 'the same again and again '.repeat(1000)
    const body = gzipSync(text)
    await using origin = await startOrigin({ headers: { ...FRESH, 'content-encoding': 'gzip' }, body })
    await using cached = new CachedAgent()
    for (const _ of [1, 2]) {
      const response = await fetch(origin.url, { dispatcher: cached.agent })
      assert.equal(await response.text(), text)
      const raw = await cached.get(origin.url)
      assert.ok(raw.bytes.equals(body))
      assert.equal(raw.headers['content-encoding'], 'gzip')
    }
    assert.equal(origin.requests.length, 1)
  })

  const small: Record<string, { status: number; body: string; chunked?: boolean }> = {
    'an empty body': { status: 200, body: '' },
    'an empty body in chunks': { status: 200, body: '', chunked: true },
    '204': { status: 204, body: '' },
    '301 with a body': { status: 301, body: 'moved' },
    '404 with a body': { status: 404, body: 'not here' }
  }
  for (const [what, { status, ...reply }] of Object.entries(small)) {
    test(what, async () => {
      await using origin = await startOrigin({
        status,
        headers: { ...FRESH, location: '/there', 'x-a': 'A' },
        ...reply
      })
      await using cached = new CachedAgent()
      const miss = await cached.get(origin.url)
      const hit = await cached.get(origin.url)
      assert.deepEqual([miss.fromCache, hit.fromCache], [false, true])
      for (const received of [miss, hit]) assert.deepEqual([received.status, received.body], [status, reply.body])
      assert.equal(hit.headers['content-length'], miss.headers['content-length'])
      assert.equal(hit.headers['x-a'], 'A')
      assert.equal(origin.requests.length, 1)
    })
  }

  test('the status text, and header fields with every byte that they may have', async () => {
    const bytes = Array.from({ length: 255 }, (_, i) => i + 1).filter(
      code => (code >= 32 && code !== 127) || code === 9
    )
    const value = `x${String.fromCharCode(...bytes)}x`
    await using origin = await startRawOrigin(socket =>
      socket.write(
        Buffer.from(`${HEAD.replace('OK', 'Fine  indeed')}X-Bytes: ${value}\r\nContent-Length: 0\r\n\r\n`, 'latin1')
      )
    )
    await using cached = new CachedAgent()
    const seen: unknown[] = []
    for (const _ of [1, 2]) {
      await new Promise<void>((resolve, reject) => {
        cached.agent.dispatch(
          { origin: origin.url, path: '/', method: 'GET' },
          {
            onRequestStart() {},
            onResponseStart(_controller, _status, headers, statusText) {
              seen.push([headers['x-bytes'], statusText])
            },
            onResponseData() {},
            onResponseEnd: () => resolve(),
            onResponseError: (_controller, error) => reject(error)
          }
        )
      })
    }
    assert.deepEqual(seen, [
      [value, 'Fine  indeed'],
      [value, 'Fine  indeed']
    ])
    assert.equal(origin.requestCount, 1)
  })

  test('3 MiB, byte for byte, however often the reader pauses', async () => {
    const body = randomBytes(3 * MEBIBYTE)
    await using origin = await startOrigin({ headers: FRESH, body })
    await using cached = new CachedAgent()
    for (const [what, pauses] of [
      ['miss', 1],
      ['hit', 1],
      ['hit', 0]
    ] as const) {
      const chunks: Buffer[] = []
      let paused = 0
      await new Promise<void>((resolve, reject) => {
        cached.agent.dispatch(
          { origin: origin.url, path: '/', method: 'GET' },
          {
            onRequestStart() {},
            onResponseStart() {},
            onResponseData(controller, chunk) {
              assert.equal(controller.paused, false, 'data while paused')
              chunks.push(Buffer.from(chunk))
              chunk.fill(0)
              if (pauses === 0) return
              paused++
              controller.pause()
              setImmediate(() => controller.resume())
            },
            onResponseEnd: () => resolve(),
            onResponseError: (_controller, error) => reject(error)
          }
        )
      })
      assert.ok(Buffer.concat(chunks).equals(body), what)
      assert.ok(pauses === 0 || paused > 10, `${paused} pauses`)
    }
    assert.equal(origin.requests.length, 1)
  })

  test('to a reader that leaves in the middle of a hit and to those beside it', async () => {
    const body = randomBytes(2 * MEBIBYTE)
    await using origin = await startOrigin({ headers: FRESH, body })
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const left = await cached.open(origin.url)
    const aborting = new AbortController()
    const aborted = await cached.open(origin.url, { signal: aborting.signal })
    for await (const chunk of left.body) {
      assert.ok(chunk.byteLength > 0)
      break
    }
    aborting.abort()
    await assert.rejects(aborted.body.arrayBuffer(), { name: 'AbortError' })
    const hit = await cached.get(origin.url)
    assert.deepEqual([hit.fromCache, hit.bytes.equals(body)], [true, true])
  })
})

describe('backpressure', () => {
  test("a slow reader slows the origin's socket, while the store takes everything", async () => {
    const size = 48 * MEBIBYTE
    const chunk = randomBytes(65_536)
    let written = 0
    await using origin = await startOrigin((_request, response) => {
      response.writeHead(200, { ...FRESH, 'content-length': size })
      const more = () => {
        while (written < size) {
          written += chunk.byteLength
          if (!response.write(chunk)) return
        }
        response.end()
      }
      response.on('drain', more)
      more()
      return undefined
    })
    const store = new MemoryStore({ maxEntrySizeBytes: size, maxSizeBytes: 2 * size })
    await using cached = new CachedAgent({ store })
    const { body } = await cached.open(origin.url)
    await once(body, 'readable')
    // What fits into the buffers of the sockets is written; then nothing more.
    let before = -1
    while (written !== before) {
      before = written
      await sleep(60)
    }
    assert.ok(written < size / 2, `${written} bytes written to a reader that does not read`)
    let received = 0
    for await (const piece of body) {
      received += piece.byteLength
      if (received % (16 * chunk.byteLength) === 0) await nextTurn()
    }
    assert.equal(received, size)
    const hit = await cached.get(origin.url)
    assert.equal(hit.fromCache, true)
    for (let start = 0; start < size; start += chunk.byteLength) {
      assert.ok(hit.bytes.subarray(start, start + chunk.byteLength).equals(chunk))
    }
  })

  test('a slow reader of a hit is not flooded', async () => {
    const body = randomBytes(3 * MEBIBYTE)
    await using origin = await startOrigin({ headers: FRESH, body })
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const response = await cached.open(origin.url)
    await once(response.body, 'readable')
    await sleep(20)
    assert.ok(response.body.readableLength <= 262_144, `${response.body.readableLength} bytes for a reader that waits`)
    assert.ok(Buffer.from(await response.body.arrayBuffer()).equals(body))
  })
})

test('what is not stored leaves no trace of its connection: the next request has one', async () => {
  await using origin = await startOrigin(({ path }) =>
    path === '/big'
      ? { headers: FRESH, body: Buffer.alloc(MEBIBYTE) }
      : { headers: { 'cache-control': 'no-store' }, body: 'small' }
  )
  await using cached = new CachedAgent({ store: new MemoryStore({ maxEntrySizeBytes: 1000 }) }, { connections: 1 })
  for (let i = 0; i < 5; i++) {
    assert.equal((await cached.get(`${origin.url}/big`)).bytes.byteLength, MEBIBYTE)
    assert.equal((await cached.get(`${origin.url}/small`)).body, 'small')
  }
  const { body } = await cached.open(`${origin.url}/big`)
  body.destroy().on('error', () => {})
  await until(() => body.closed)
  assert.equal((await cached.get(`${origin.url}/small`)).body, 'small')
})
