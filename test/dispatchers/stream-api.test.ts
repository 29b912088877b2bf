import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher } from 'undici'
import { type CacheInfo, cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { ask } from '../support/ask.ts'
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

function caching(): Dispatcher {
  return agent.compose(cacheInterceptor(), witness.interceptor)
}

describe('stream()', () => {
  test('writes the body into what the factory gives, which knows what the cache did', async () => {
    await using origin = await startOrigin({ headers: FRESH, body: 'body', trailers: { 'x-sum': '1' } })
    const dispatcher = caching()
    const opaque = { own: true }
    for (const outcome of ['miss', 'hit'] as const) {
      const sink = new PassThrough()
      const written = text(sink)
      let info: CacheInfo | undefined
      const data = await dispatcher.stream(
        { origin: origin.url, path: '/', method: 'GET', opaque },
        ({ statusCode, headers, context, opaque: passed }) => {
          assert.equal(statusCode, 200)
          assert.equal(passed, opaque)
          assert.equal(headers['cache-control'], 'max-age=60')
          assert.equal((context as { fromCache: boolean }).fromCache, outcome === 'hit')
          info = cacheInfo({ context })
          return sink
        }
      )
      assert.equal(await written, 'body')
      assert.equal(info?.outcome, outcome)
      assert.equal(data.opaque, opaque)
      assert.deepEqual({ ...data.trailers }, { 'x-sum': '1' })
    }
    assert.equal(origin.requests.length, 1)
  })

  test('by callback ends once the body is written', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    for (let i = 0; i < 2; i++) {
      const sink = new PassThrough()
      const written = text(sink)
      await new Promise<void>((resolve, reject) => {
        dispatcher.stream(
          { origin: origin.url, path: '/', method: 'GET' },
          () => sink,
          error => (error === null ? resolve() : reject(error))
        )
      })
      assert.equal(await written, '#1')
    }
    assert.equal(origin.requests.length, 1)
  })

  test('waits for a slow reader on a hit as on a miss, and loses nothing', async () => {
    const body = Buffer.alloc(400_000, 'abcdefg')
    await using origin = await startOrigin({ headers: FRESH, body })
    const dispatcher = caching()
    for (let i = 0; i < 2; i++) {
      const chunks: Buffer[] = []
      let inFlight = 0
      await dispatcher.stream(
        { origin: origin.url, path: '/', method: 'GET' },
        () =>
          new Writable({
            highWaterMark: 1,
            write(chunk, _encoding, callback) {
              assert.equal(inFlight++, 0)
              chunks.push(chunk)
              setImmediate(() => {
                inFlight--
                callback()
              })
            }
          })
      )
      assert.deepEqual(Buffer.concat(chunks), body)
    }
    assert.equal(origin.requests.length, 1)
  })

  test('a factory that throws and a sink that fails end the request, and the cache goes on', async () => {
    await using origin = await startOrigin({ headers: FRESH, body: Buffer.alloc(200_000) })
    const dispatcher = caching()
    const options = { origin: origin.url, path: '/', method: 'GET' } as const
    for (let i = 0; i < 2; i++) {
      await assert.rejects(
        dispatcher.stream(options, () => {
          throw new Error('no sink')
        }),
        /no sink/
      )
      const broken = () =>
        new Writable({
          write(_chunk, _encoding, callback) {
            callback(new Error('disk full'))
          }
        })
      await assert.rejects(dispatcher.stream(options, broken), /disk full/)
      await ask(dispatcher, origin.url)
    }
    assert.equal((await ask(dispatcher, origin.url)).outcome, 'hit')
  })
})

describe('pipeline()', () => {
  for (const method of ['GET', 'HEAD'] as const) {
    test(`with ${method}, into which nothing is written, is cached`, async () => {
      await using origin = await startOrigin(({ body, number }) => ({ headers: FRESH, body: `[${body}] #${number}` }))
      const dispatcher = caching()
      for (const outcome of ['miss', 'hit', 'hit']) {
        let info: CacheInfo | undefined
        const duplex = dispatcher.pipeline({ origin: origin.url, path: '/', method }, ({ body, context }) => {
          info = cacheInfo({ context })
          return body
        })
        duplex.end()
        assert.equal(await text(duplex), method === 'HEAD' ? '' : '[] #1')
        assert.equal(info?.outcome, outcome)
        if (!duplex.closed) await once(duplex, 'close')
      }
      assert.equal((await ask(dispatcher, origin.url, { method })).outcome, 'hit')
      assert.equal(origin.requests.length, 1)
    })
  }

  const INPUTS: Record<string, (duplex: Duplex) => unknown> = {
    'what is written at once': duplex => duplex.end('sent'),
    'what is written piece by piece, from the first turn on': async duplex => {
      for (const piece of ['s', 'en', 't']) {
        duplex.write(piece)
        await sleep(5)
      }
      duplex.end()
    },
    'what is written later': duplex => setTimeout(() => duplex.end('sent'), 20),
    'what is written in the next turn': duplex => setImmediate(() => duplex.end('sent')),
    'nothing, in the end': duplex => setTimeout(() => duplex.end(), 20),
    'more than fits into its buffer': duplex => duplex.end(Buffer.alloc(300_000, 's'))
  }
  for (const [input, write] of Object.entries(INPUTS)) {
    test(`with GET passes by the cache with all of its input: ${input}`, async () => {
      await using origin = await startOrigin(({ body }) => ({ headers: FRESH, body }))
      const dispatcher = caching()
      for (let i = 1; i <= 2; i++) {
        let info: CacheInfo | undefined
        const duplex = dispatcher.pipeline({ origin: origin.url, path: '/', method: 'GET' }, ({ body, context }) => {
          info = cacheInfo({ context })
          return body
        })
        write(duplex)
        const sent = input.startsWith('more') ? 's'.repeat(300_000) : input.startsWith('nothing') ? '' : 'sent'
        assert.equal((await text(duplex)) === sent, true)
        assert.deepEqual([info?.outcome, info?.reason], ['bypass', 'request-content'])
        assert.equal(origin.requests.length, i)
      }
    })
  }

  test('with GET, that is given up before anything is written, ends with its error', async () => {
    await using origin = await startOrigin()
    for (const later of [false, true]) {
      const duplex = caching().pipeline({ origin: origin.url, path: '/', method: 'GET' }, ({ body }) => body)
      if (later) await sleep(5)
      duplex.destroy(new Error('enough'))
      await assert.rejects(text(duplex), { message: 'enough' })
    }
  })

  test('with GET and a stream that fails at once: its error reaches the caller', async () => {
    await using origin = await startOrigin()
    const broken = new Readable({ read: () => {} })
    process.nextTick(() => broken.destroy(new Error('broken')))
    await assert.rejects(caching().request({ origin: origin.url, path: '/', method: 'GET', body: broken }), {
      message: 'broken'
    })
  })

  test('passes by the cache with what is sent, both ways', async () => {
    await using origin = await startOrigin(({ body, number }) => ({ headers: FRESH, body: `${body} #${number}` }))
    const dispatcher = caching()
    for (const number of [1, 2]) {
      let info: CacheInfo | undefined
      const duplex = dispatcher.pipeline({ origin: origin.url, path: '/', method: 'GET' }, ({ body, context }) => {
        info = cacheInfo({ context })
        assert.equal((context as { fromCache: boolean }).fromCache, false)
        return body
      })
      duplex.end('sent')
      assert.equal(await text(duplex), `sent #${number}`)
      assert.deepEqual([info?.outcome, info?.reason], ['bypass', 'request-content'])
    }
  })

  test('with POST removes what is stored', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    await ask(dispatcher, origin.url)
    const duplex = dispatcher.pipeline({ origin: origin.url, path: '/', method: 'POST' }, ({ body }) => body)
    duplex.end('sent')
    assert.equal(await text(duplex), '#2')
    assert.equal((await ask(dispatcher, origin.url)).body, '#3')
  })
})

describe('upgrade() and connect()', () => {
  test("upgrade() passes through: its socket is the origin's", async () => {
    await using origin = await startOrigin()
    origin.server.on('upgrade', (_request, socket) => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\nX-Two: a\r\nX-Two: b\r\n\r\n'
      )
      socket.pipe(socket)
    })
    const dispatcher = caching()
    for (let i = 0; i < 2; i++) {
      const { headers, socket } = await dispatcher.upgrade({
        origin: origin.url,
        path: '/',
        method: 'GET',
        protocol: 'echo'
      } as Dispatcher.UpgradeOptions)
      assert.equal(headers['upgrade'], 'echo')
      assert.deepEqual(headers['x-two'], ['a', 'b'])
      socket.write('hello')
      assert.equal(String((await once(socket, 'data'))[0]), 'hello')
      socket.destroy()
    }
  })

  test("connect() passes through: its socket is the origin's", async () => {
    await using origin = await startOrigin()
    origin.server.on('connect', (_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(socket)
    })
    const dispatcher = caching()
    for (let i = 0; i < 2; i++) {
      const { statusCode, socket } = await dispatcher.connect({ origin: origin.url, path: 'target.test:80' } as never)
      assert.equal(statusCode, 200)
      socket.write('hello')
      assert.equal(String((await once(socket, 'data'))[0]), 'hello')
      socket.destroy()
    }
  })

  test('an upgrade that the origin refuses is the error that undici makes of it, and nothing is stored', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    const options = { origin: origin.url, path: '/', method: 'GET', protocol: 'echo' } as Dispatcher.UpgradeOptions
    await assert.rejects(agent.upgrade(options), { code: 'UND_ERR_SOCKET' })
    await assert.rejects(dispatcher.upgrade(options), { code: 'UND_ERR_SOCKET' })
    assert.equal((await ask(dispatcher, origin.url)).outcome, 'miss')
  })
})
