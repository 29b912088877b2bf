import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { Agent, type Dispatcher, request } from 'undici'
import { cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { ask, read } from '../support/ask.ts'
import { startOrigin } from '../support/origin.ts'
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

describe('request()', () => {
  test('by callback gives the same data as by promise, on a miss and on a hit', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    for (const outcome of ['miss', 'hit'] as const) {
      const data = await new Promise<Dispatcher.ResponseData>((resolve, reject) => {
        dispatcher.request({ origin: origin.url, path: '/', method: 'GET' }, (error, response) => {
          if (error === null) resolve(response)
          else reject(error)
        })
      })
      const response = await read(data)
      assert.deepEqual([response.outcome, response.body, response.statusCode], [outcome, '#1', 200])
    }
  })

  test('by callback gives an error with the opaque value', async () => {
    const dispatcher = caching()
    const opaque = { own: true }
    const [error, data] = await new Promise<[Error | null, { opaque: unknown }]>(resolve => {
      const options = { origin: 'http://127.0.0.1:1', path: '/', method: 'GET' as const, opaque }
      dispatcher.request(options, (...args) => resolve(args))
    })
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
    assert.equal(data.opaque, opaque)
  })

  test('passes the opaque value through on a miss and on a hit', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    for (const opaque of [{ a: 1 }, { a: 2 }]) {
      const response = await request(origin.url, { dispatcher, opaque })
      assert.equal(response.opaque, opaque)
      await response.body.dump()
    }
  })

  test("with responseHeaders: 'raw' gives a flat list that has Age and Cache-Status on a hit", async () => {
    await using origin = await startOrigin({ headers: { ...FRESH, 'X-Field': 'value' }, body: 'x' })
    const dispatcher = caching()
    for (const outcome of ['miss', 'hit'] as const) {
      const response = await request(origin.url, { dispatcher, responseHeaders: 'raw' })
      const flat = response.headers as unknown as string[]
      assert.equal(Array.isArray(flat), true)
      assert.equal(
        flat.every(member => typeof member === 'string'),
        true
      )
      assert.equal(flat[flat.indexOf('X-Field') + 1], 'value')
      assert.equal(flat.includes('Age'), outcome === 'hit')
      assert.match(String(flat[flat.indexOf('Cache-Status') + 1]), /^undici-http-cache; /)
      assert.equal(cacheInfo(response)?.outcome, outcome)
      await response.body.dump()
    }
  })

  test('reads the body by every method on a hit', async () => {
    await using origin = await startOrigin({
      headers: { ...FRESH, 'content-type': 'application/json' },
      body: '{"a":1}'
    })
    const dispatcher = caching()
    await ask(dispatcher, origin.url)
    const hit = async () => (await request(origin.url, { dispatcher })).body
    assert.deepEqual(await (await hit()).json(), { a: 1 })
    assert.equal(await (await hit()).text(), '{"a":1}')
    assert.equal((await (await hit()).arrayBuffer()).byteLength, 7)
    assert.equal((await (await hit()).bytes()).byteLength, 7)
    assert.equal(await (await (await hit()).blob()).text(), '{"a":1}')
    assert.equal(await new Response((await hit()).body).text(), '{"a":1}')
    let chunks = ''
    for await (const chunk of await hit()) chunks += chunk
    assert.equal(chunks, '{"a":1}')
    await (await hit()).dump()
    assert.equal(origin.requests.length, 1)
  })

  test('tells onInfo of early hints on a miss and before a 304, and not on a hit', async () => {
    await using origin = await startOrigin(async ({ path, headers }, response) => {
      await new Promise<void>(resolve => response.writeEarlyHints({ link: '</style.css>; rel=preload' }, resolve))
      const fields = { 'cache-control': path === '/fresh' ? 'max-age=60' : 'max-age=0', etag: '"1"' }
      return headers['if-none-match'] === undefined ? { headers: fields, body: 'x' } : { status: 304, headers: fields }
    })
    const dispatcher = caching()
    for (const [path, outcome, expected] of [
      ['/fresh', 'miss', [103]],
      ['/fresh', 'hit', []],
      ['/stale', 'miss', [103]],
      ['/stale', 'revalidated', [103]]
    ] as const) {
      const infos: Dispatcher.ResponseData['headers'][] = []
      const statusCodes: number[] = []
      const response = await ask(dispatcher, origin.url + path, {
        onInfo: info => {
          statusCodes.push(info.statusCode)
          infos.push(info.headers)
        }
      })
      assert.deepEqual([response.outcome, response.body, response.statusCode], [outcome, 'x', 200])
      assert.deepEqual(statusCodes, expected)
      for (const headers of infos) assert.equal(headers['link'], '</style.css>; rel=preload')
      assert.equal(response.headers['link'], undefined)
    }
  })

  test('with `query` is cached under the path with the query', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    const query = { b: '2', a: ['1', 'ä'] }
    assert.equal((await ask(dispatcher, `${origin.url}/p`, { query })).body, '#1')
    assert.equal((await ask(dispatcher, `${origin.url}/p`, { query })).body, '#1')
    assert.equal((await ask(dispatcher, `${origin.url}/p`, { query: { b: '3' } })).body, '#2')
    assert.equal((await ask(dispatcher, `${origin.url}/p`)).body, '#3')
    assert.equal((await ask(dispatcher, origin.url + origin.requests[0]?.path)).body, '#1')
    assert.equal(origin.requests[0]?.path, '/p?b=2&a=1&a=%C3%A4')
  })
})

describe('an abort signal', () => {
  const reason = new Error('no longer wanted')

  test('that was given aborted ends a miss and a hit at once, and no request is sent', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    const signal = AbortSignal.abort(reason)
    await assert.rejects(request(origin.url, { dispatcher, signal }), reason)
    assert.equal(origin.requests.length, 0)
    await ask(dispatcher, origin.url)
    await assert.rejects(request(origin.url, { dispatcher, signal }), reason)
    assert.equal((await ask(dispatcher, origin.url)).outcome, 'hit')
    assert.equal(origin.requests.length, 1)
  })

  test('without a reason of its own ends with an AbortError', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    await assert.rejects(request(origin.url, { dispatcher, signal: AbortSignal.abort() }), { name: 'AbortError' })
    const emitter = new EventEmitter()
    const asked = request(origin.url, { dispatcher, signal: emitter })
    emitter.emit('abort')
    await assert.rejects(asked, { name: 'AbortError' })
  })

  test('while the origin has not answered ends the request, and closes its connection', async () => {
    const controller = new AbortController()
    let closed: Promise<unknown> | undefined
    await using origin = await startOrigin(({ number }, response) => {
      if (number > 1) return { headers: FRESH, body: 'x' }
      closed = once(response, 'close')
      controller.abort(reason)
      return undefined
    })
    const dispatcher = caching()
    await assert.rejects(request(origin.url, { dispatcher, signal: controller.signal }), reason)
    await closed
    assert.equal((await ask(dispatcher, origin.url)).outcome, 'miss')
  })

  test('while the body comes ends it with the reason, and nothing is stored', async () => {
    const controller = new AbortController()
    await using origin = await startOrigin(({ number }, response) => {
      if (number > 1) return { headers: FRESH, body: 'whole' }
      response.writeHead(200, FRESH)
      response.write('part')
      return undefined
    })
    const dispatcher = caching()
    const { body } = await request(origin.url, { dispatcher, signal: controller.signal })
    const text = body.text()
    controller.abort(reason)
    await assert.rejects(text, reason)
    const next = await ask(dispatcher, origin.url)
    assert.deepEqual([next.outcome, next.body], ['miss', 'whole'])
  })

  test('while the body of a hit is read ends it with the reason, and leaves what is stored', async () => {
    const whole = Buffer.alloc(1_000_000, 'x')
    await using origin = await startOrigin({ headers: FRESH, body: whole })
    const dispatcher = caching()
    await ask(dispatcher, origin.url)
    const controller = new AbortController()
    const { body } = await request(origin.url, { dispatcher, signal: controller.signal })
    await assert.rejects(async () => {
      for await (const chunk of body) {
        assert.equal(chunk.byteLength < whole.byteLength, true)
        controller.abort(reason)
      }
    }, reason)
    const again = await ask(dispatcher, origin.url)
    assert.deepEqual([again.outcome, again.body.length], ['hit', whole.byteLength])
  })

  test('after the end of a hit or a miss changes nothing', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController()
      assert.equal((await ask(dispatcher, origin.url, { signal: controller.signal })).body, '#1')
      controller.abort(reason)
    }
    assert.equal(origin.requests.length, 1)
  })

  test('of one who waits for the response of another leaves that one alone', async () => {
    let release = (): void => {}
    const released = new Promise<void>(resolve => {
      release = resolve
    })
    await using origin = await startOrigin(async ({ number }) => {
      await released
      return { headers: FRESH, body: `#${number}` }
    })
    const dispatcher = caching()
    const controller = new AbortController()
    const leader = ask(dispatcher, origin.url)
    const follower = ask(dispatcher, origin.url, { signal: controller.signal })
    const other = ask(dispatcher, origin.url)
    controller.abort(reason)
    await assert.rejects(follower, reason)
    release()
    assert.equal((await leader).body, '#1')
    assert.equal((await other).body, '#1')
    assert.equal(origin.requests.length, 1)
  })

  test('of the one whose response others wait for leaves them that response', async () => {
    const controller = new AbortController()
    await using origin = await startOrigin(({ number }) => {
      controller.abort(reason)
      return { headers: FRESH, body: `#${number}` }
    })
    const dispatcher = caching()
    const leader = ask(dispatcher, origin.url, { signal: controller.signal })
    const followers = [ask(dispatcher, origin.url), ask(dispatcher, origin.url)]
    await assert.rejects(leader, reason)
    for (const { body } of await Promise.all(followers)) assert.equal(body, '#1')
    assert.equal(origin.requests.length, 1)
  })

  test('during a revalidation ends the request, and leaves what is stored', async () => {
    const controller = new AbortController()
    await using origin = await startOrigin(({ number }) => {
      const headers = { 'cache-control': 'max-age=0', etag: '"1"' }
      if (number === 1) return { headers, body: 'body' }
      if (number > 2) return { status: 304, headers }
      controller.abort(reason)
      return undefined
    })
    const dispatcher = caching()
    await ask(dispatcher, origin.url)
    await assert.rejects(request(origin.url, { dispatcher, signal: controller.signal }), reason)
    const next = await ask(dispatcher, origin.url)
    assert.deepEqual([next.outcome, next.body], ['revalidated', 'body'])
  })

  test('is no failure of the origin: stale-if-error does not answer it', async () => {
    const controller = new AbortController()
    await using origin = await startOrigin(({ number }) => {
      if (number === 1) return { headers: { 'cache-control': 'max-age=1, stale-if-error=1000', age: '2' }, body: 'old' }
      controller.abort(reason)
      return undefined
    })
    const dispatcher = caching({ whenDisconnected: 'stale' })
    await ask(dispatcher, origin.url)
    await assert.rejects(request(origin.url, { dispatcher, signal: controller.signal }), reason)
  })

  test('destroying a body ends its request: a miss is not stored, a hit is left stored', async () => {
    await using origin = await startOrigin({ headers: FRESH, body: Buffer.alloc(500_000) })
    const dispatcher = caching()
    const destroyBody = async () => {
      const response = await request(origin.url, { dispatcher })
      response.body.on('error', () => {})
      const closed = new Promise(resolve => response.body.once('close', resolve))
      response.body.destroy()
      await closed
      return cacheInfo(response)?.outcome
    }
    assert.equal(await destroyBody(), 'miss')
    assert.equal((await ask(dispatcher, origin.url)).outcome, 'miss')
    assert.equal(await destroyBody(), 'hit')
    assert.equal((await ask(dispatcher, origin.url)).outcome, 'hit')
  })
})

describe('timeouts', () => {
  test('headersTimeout ends a miss with its error', async () => {
    await using origin = await startOrigin(() => undefined)
    // undici's timers tick coarsely, from a second on.
    const dispatcher = caching()
    await assert.rejects(request(origin.url, { dispatcher, headersTimeout: 100 }), { code: 'UND_ERR_HEADERS_TIMEOUT' })
  })

  test('bodyTimeout ends a miss with its error, and nothing is stored', async () => {
    await using origin = await startOrigin(({ number }, response) => {
      if (number > 1) return { headers: FRESH, body: 'whole' }
      response.writeHead(200, FRESH)
      response.write('part')
      return undefined
    })
    const dispatcher = caching()
    const { body } = await request(origin.url, { dispatcher, bodyTimeout: 100 })
    await assert.rejects(body.text(), { code: 'UND_ERR_BODY_TIMEOUT' })
    assert.equal((await ask(dispatcher, origin.url)).body, 'whole')
  })
})
