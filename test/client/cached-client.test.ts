import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import {
  Client,
  type Dispatcher,
  fetch,
  getGlobalDispatcher,
  interceptors,
  Request,
  request,
  setGlobalDispatcher
} from 'undici'
import {
  CachedClient,
  CacheError,
  cacheInfo,
  cacheInterceptor,
  httpxCacheDefaults,
  MemoryStore
} from 'undici-http-cache'
import { ask, read } from '../support/ask.ts'
import { startOrigin } from '../support/origin.ts'
import { Witness } from '../support/witness.ts'

const witness = new Witness()
after(() => witness.check())

const FRESH = { 'cache-control': 'max-age=60' }
const NO_ORIGIN = { name: 'CacheError', code: 'ERR_CACHE_ORIGIN' }

/** /checked is revalidated by 304; all else is fresh for a minute. */
const startMixed = () =>
  startOrigin(({ path, headers, number }) => {
    if (path !== '/checked') return { headers: FRESH, body: `#${number}` }
    const fields = { 'cache-control': 'max-age=0', etag: '"1"' }
    return headers['if-none-match'] === undefined ? { headers: fields, body: 'x' } : { status: 304, headers: fields }
  })

describe('new CachedClient() for any origin', () => {
  test('caches what request() brings from several origins', async () => {
    await using one = await startOrigin()
    await using two = await startOrigin()
    await using client = new CachedClient()
    for (const fromCache of [false, true]) {
      for (const origin of [one, two]) {
        const response = await client.request({ origin: origin.url, path: '/', method: 'GET' })
        assert.equal(response.fromCache, fromCache)
        assert.equal(response.statusCode, 200)
        assert.equal(await response.body.text(), '#1')
      }
    }
    assert.deepEqual([one.requests.length, two.requests.length], [1, 1])
  })

  test("takes an origin as a URL, and as the dispatcher of undici's request()", async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient()
    const options = { origin: new URL(origin.url), path: '/', method: 'GET' } as const
    assert.equal((await read(await client.request(options))).outcome, 'miss')
    assert.equal((await ask(client, origin.url)).outcome, 'hit')
  })

  const asks: Record<string, (client: CachedClient, options: object) => Promise<unknown>> = {
    'request()': (client, options) => client.request({ path: '/', method: 'GET', ...options }),
    'request() by callback': (client, options) =>
      new Promise((resolve, reject) => {
        client.request({ path: '/', method: 'GET', ...options }, (error, data) =>
          error === null ? resolve(data) : reject(error)
        )
      }),
    'stream()': (client, options) => client.stream({ path: '/', method: 'GET', ...options }, () => new PassThrough()),
    'pipeline()': (client, options) =>
      text(client.pipeline({ path: '/', method: 'GET', ...options }, ({ body }) => body).end()),
    'upgrade()': (client, options) => client.upgrade({ path: '/', ...options }),
    'connect()': (client, options) => client.connect({ path: '/', ...options } as never),
    'a composed request()': (client, options) =>
      client.compose(interceptors.retry()).request({ path: '/', method: 'GET', ...options })
  }
  for (const [name, asked] of Object.entries(asks)) {
    test(`refuses ${name} without an origin, and connects to nothing`, async () => {
      let connections = 0
      const connect = (_options: unknown, callback: (error: Error, socket: null) => void): void => {
        connections++
        callback(new Error('connected'), null)
      }
      await using client = new CachedClient({ connect: connect as never })
      await assert.rejects(asked(client, {}), NO_ORIGIN)
      await assert.rejects(asked(client, { origin: null }), NO_ORIGIN)
      assert.equal(connections, 0)
    })
  }

  test('refuses its own placeholder as an origin', async () => {
    await using client = new CachedClient()
    for (const origin of ['http://any-origin.invalid', new URL('http://any-origin.invalid/')]) {
      await assert.rejects(client.request({ origin, path: '/', method: 'GET' }), NO_ORIGIN)
    }
    await assert.rejects(ask(client, 'http://any-origin.invalid/path'), NO_ORIGIN)
  })

  test('get() takes a URL, as a string or an object, with its query', async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient()
    for (const url of [`${origin.url}/path?a=1`, new URL(`${origin.url}/path?a=1#fragment`)]) {
      const response = await client.get(url, { headers: { 'x-field': 'value' } })
      assert.equal(await response.body.text(), '#1')
    }
    assert.equal(origin.requests[0]?.path, '/path?a=1')
    assert.equal(origin.requests[0]?.headers['x-field'], 'value')
  })

  test('get() of a relative URL, or of none, is refused', async () => {
    await using client = new CachedClient()
    for (const url of ['/path', 'path', '', 'http://']) await assert.rejects(client.get(url), NO_ORIGIN)
    await assert.rejects(client.fetch('/path'), NO_ORIGIN)
  })
})

describe('new CachedClient(origin)', () => {
  test('takes requests for a path', async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient(origin.url)
    for (const fromCache of [false, true]) {
      const response = await client.request({ path: '/', method: 'GET' })
      assert.equal(response.fromCache, fromCache)
      assert.equal(await response.body.text(), '#1')
    }
    assert.equal((await ask(client, origin.url)).outcome, 'hit')
    assert.equal((await read(await client.get('/'))).outcome, 'hit')
    assert.equal(origin.requests.length, 1)
  })

  test('takes its origin as a URL', async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient(new URL(origin.url))
    assert.equal((await client.get('/').then(read)).body, '#1')
    assert.equal((await client.get(origin.url).then(read)).outcome, 'hit')
  })

  test('get() and fetch() take a relative URL', async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient(origin.url)
    assert.equal(await (await client.get('path?a=1')).body.text(), '#1')
    assert.equal(await (await client.fetch('/path?a=1')).text(), '#1')
    assert.equal(origin.requests[0]?.path, '/path?a=1')
  })

  test('get() and fetch() of another origin are refused, and sent to none', async () => {
    await using origin = await startOrigin()
    await using other = await startOrigin()
    await using client = new CachedClient(origin.url)
    await assert.rejects(client.get(`${other.url}/`), NO_ORIGIN)
    await assert.rejects(client.get(new URL(other.url)), NO_ORIGIN)
    await assert.rejects(client.fetch(other.url), NO_ORIGIN)
    await assert.rejects(client.fetch(new Request(other.url)), NO_ORIGIN)
    assert.deepEqual([origin.requests.length, other.requests.length], [0, 0])
  })

  test('a request that names another origin goes where a Client sends it: to its own', async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient(origin.url)
    assert.equal((await ask(client, 'http://other.test/')).body, '#1')
    assert.equal((await read(await client.request({ path: '/', method: 'GET' }))).outcome, 'hit')
  })

  test("refuses what is no origin with undici's error", () => {
    for (const url of ['nonsense', 'ftp://host']) {
      const expected = (() => {
        try {
          return new Client(url) as never
        } catch (error) {
          return error as Error
        }
      })()
      assert.throws(() => new CachedClient(url), { name: expected.name, message: expected.message })
    }
  })
})

describe('the option `cache`', () => {
  test('as a store keeps what the client has cached, for the next client too', async () => {
    await using origin = await startOrigin()
    const store = new MemoryStore()
    for (const fromCache of [false, true]) {
      await using client = new CachedClient({ cache: store })
      assert.equal(client.cache.store, store)
      const response = await client.get(origin.url)
      assert.equal(response.fromCache, fromCache)
      await response.body.dump()
    }
    store.close()
  })

  test('as options is what cacheInterceptor() takes', async () => {
    await using origin = await startOrigin({ body: 'says nothing' })
    await using client = new CachedClient({ cache: httpxCacheDefaults })
    for (const fromCache of [false, true]) {
      const response = await client.get(origin.url)
      assert.equal(response.fromCache, fromCache)
      await response.body.dump()
    }
  })

  test('as an interceptor shares its cache', async () => {
    await using origin = await startOrigin()
    const cache = cacheInterceptor()
    await using first = new CachedClient({ cache })
    await using second = new CachedClient(origin.url, { cache })
    assert.equal(first.cache, cache)
    assert.equal((await first.get(origin.url).then(read)).outcome, 'miss')
    assert.equal((await second.get('/').then(read)).outcome, 'hit')
  })

  test('that is none of these is a TypeError that says so', () => {
    for (const cache of [null, 'memory', 1, true, () => {}, interceptors.retry()]) {
      assert.throws(() => new CachedClient({ cache: cache as never }), {
        name: 'TypeError',
        code: 'ERR_CACHE_OPTION',
        message: /^cache must be /
      })
    }
    assert.throws(() => new CachedClient({ cache: { type: 'public' } as never }), { code: 'ERR_CACHE_OPTION' })
  })

  test('stands beside the options of a Client, which are checked by undici', async () => {
    await using origin = await startOrigin((_request, response) => {
      response.writeHead(200, { 'x-long': 'x'.repeat(2000) }).end()
      return undefined
    })
    await using client = new CachedClient({ cache: {}, maxHeaderSize: 1000 })
    await assert.rejects(client.get(origin.url), { code: 'UND_ERR_HEADERS_OVERFLOW' })
    await using single = new CachedClient(origin.url, { maxHeaderSize: 1000 })
    await assert.rejects(single.get('/'), { code: 'UND_ERR_HEADERS_OVERFLOW' })
    assert.throws(() => new CachedClient({ keepAliveTimeout: -1 }), { code: 'UND_ERR_INVALID_ARG' })
  })
})

describe('fromCache', () => {
  const expected: readonly [string, boolean][] = [
    ['/fresh', false],
    ['/fresh', true],
    ['/checked', false],
    ['/checked', true]
  ]

  test('is on what request() gives, by promise and by callback', async () => {
    await using origin = await startMixed()
    await using client = new CachedClient(origin.url)
    for (const [path, fromCache] of expected) {
      const data = await client.request({ path, method: 'GET' })
      assert.equal(data.fromCache, fromCache)
      await data.body.dump()
    }
    await client.cache.purge()
    for (const [path, fromCache] of expected) {
      const data = await new Promise<Dispatcher.ResponseData & { fromCache: boolean }>((resolve, reject) => {
        client.request({ path, method: 'GET' }, (error, response) =>
          error === null ? resolve(response) : reject(error)
        )
      })
      assert.equal(data.fromCache, fromCache)
      await data.body.dump()
    }
  })

  test('is on what get() gives', async () => {
    await using origin = await startMixed()
    await using client = new CachedClient()
    for (const [path, fromCache] of expected) {
      const data = await client.get(origin.url + path)
      assert.equal(data.fromCache, fromCache)
      await data.body.dump()
    }
  })

  test('is on what stream() gives to its factory', async () => {
    await using origin = await startMixed()
    await using client = new CachedClient(origin.url)
    for (const [path, fromCache] of expected) {
      let seen: boolean | undefined
      const sink = new PassThrough().resume()
      await client.stream({ path, method: 'GET' }, data => {
        seen = data.fromCache
        return sink
      })
      assert.equal(seen, fromCache)
    }
    await new Promise<void>((resolve, reject) => {
      client.stream(
        { path: '/fresh', method: 'GET' },
        ({ fromCache }) => {
          assert.equal(fromCache, true)
          return new PassThrough().resume()
        },
        error => (error === null ? resolve() : reject(error))
      )
    })
  })

  test('is on what pipeline() gives to its handler', async () => {
    await using origin = await startMixed()
    await using client = new CachedClient(origin.url)
    for (const fromCache of [false, true]) {
      let seen: boolean | undefined
      const duplex = client.pipeline({ path: '/fresh', method: 'GET' }, data => {
        seen = data.fromCache
        return data.body
      })
      await text(duplex.end())
      assert.equal(seen, fromCache)
    }
  })

  test('is on the Response of fetch()', async () => {
    await using origin = await startMixed()
    await using client = new CachedClient()
    for (const [path, fromCache] of expected) {
      const response = await client.fetch(origin.url + path)
      assert.equal(response.fromCache, fromCache)
      assert.equal(cacheInfo(response)?.fromCache, fromCache)
      await response.text()
    }
  })

  test('is on the Response of fetch() without a Cache-Status field too, and so is the rest', async () => {
    await using origin = await startMixed()
    await using client = new CachedClient({ cache: { cacheStatus: false } })
    for (const [path, fromCache] of expected) {
      const response = await client.fetch(origin.url + path)
      assert.equal(response.headers.has('cache-status'), false)
      assert.equal(response.fromCache, fromCache)
      assert.equal(client.cache.info(response)?.fromCache, fromCache)
      await response.text()
    }
  })

  test('is that of the last hop where fetch() follows a redirect', async () => {
    await using origin = await startOrigin(({ path }) =>
      path === '/first'
        ? { status: 302, headers: { ...FRESH, location: '/second' } }
        : { headers: { 'cache-control': 'no-store' }, body: 'x' }
    )
    await using client = new CachedClient(origin.url)
    for (let i = 0; i < 2; i++) {
      const response = await client.fetch('/first')
      assert.equal(response.fromCache, false)
      assert.equal(response.url, `${origin.url}/second`)
      await response.text()
    }
    assert.equal(origin.requests.length, 3)
  })

  test('is in the context of a composed request(), and on its data', async () => {
    await using origin = await startMixed()
    await using client = new CachedClient()
    const passing: Dispatcher.DispatcherComposeInterceptor = dispatch => (opts, handler) => dispatch(opts, handler)
    const layers: Dispatcher.DispatcherComposeInterceptor[] = [passing, interceptors.retry(), interceptors.decompress()]
    for (const layer of layers) {
      const composed = client.compose(layer)
      await client.cache.purge()
      for (const [path, fromCache] of expected) {
        const data = await composed.request({ origin: origin.url, path, method: 'GET' })
        assert.equal((data.context as { fromCache: boolean }).fromCache, fromCache)
        assert.equal((data as typeof data & { fromCache: boolean }).fromCache, fromCache)
        await data.body.dump()
      }
    }
  })

  // It copies the context as the request starts, before a revalidation has told anything.
  test('is right on the data of request() through redirect, which copies the context', async () => {
    await using origin = await startMixed()
    await using client = new CachedClient()
    const composed = client.compose(interceptors.redirect({ maxRedirections: 2 })) as CachedClient
    for (const [path, fromCache] of expected) {
      const data = await composed.request({ origin: origin.url, path, method: 'GET' })
      assert.equal(data.fromCache, fromCache)
      assert.equal(cacheInfo(data)?.fromCache, fromCache)
      await data.body.dump()
    }
  })
})

describe('fetch()', () => {
  test("takes a Request and an init, and is undici's fetch in all else", async () => {
    await using origin = await startOrigin(({ method, body, headers }) => ({
      headers: FRESH,
      body: `${method} ${body} ${headers['x-field']}`
    }))
    await using client = new CachedClient()
    const given = new Request(origin.url, { method: 'POST', body: 'content', headers: { 'x-field': 'a' } })
    assert.equal(await (await client.fetch(given)).text(), 'POST content a')
    const init = { method: 'PUT', body: 'more', headers: { 'x-field': 'b' } }
    assert.equal(await (await client.fetch(origin.url, init)).text(), 'PUT more b')
    assert.equal(await (await client.fetch(new URL(origin.url))).text(), 'GET  undefined')
  })

  test('at the same time gives each Response its own fromCache', async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient(origin.url)
    await (await client.fetch('/a')).text()
    const responses = await Promise.all(['/a', '/b', '/a', '/c'].map(path => client.fetch(path)))
    assert.deepEqual(
      responses.map(({ fromCache }) => fromCache),
      [true, false, true, false]
    )
    for (const response of responses) await response.text()
  })

  test('of a composed client goes through what it is composed from', async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient()
    let seen = 0
    const composed = client.compose(dispatch => (opts, handler) => {
      seen++
      return dispatch(opts, handler)
    }) as CachedClient
    for (const fromCache of [false, true]) {
      const response = await composed.fetch(origin.url)
      assert.equal(response.fromCache, fromCache)
      await response.text()
    }
    assert.equal(seen, 2)
  })

  test("rejects as undici's does", async () => {
    const origin = await startOrigin()
    await origin.close()
    await using client = new CachedClient()
    await assert.rejects(client.fetch(origin.url), (error: TypeError) => {
      assert.equal(error.name, 'TypeError')
      return (error.cause as NodeJS.ErrnoException).code === 'ECONNREFUSED'
    })
    await assert.rejects(client.fetch('http://[::1'), NO_ORIGIN)
  })
})

describe('as a dispatcher', () => {
  test("serves undici's fetch, the built-in one, and a process that has it as its global dispatcher", async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient()
    const previous = getGlobalDispatcher()
    const bodies = [
      await (await fetch(origin.url, { dispatcher: client })).text(),
      await (await globalThis.fetch(origin.url, { dispatcher: client } as never)).text()
    ]
    try {
      setGlobalDispatcher(client)
      bodies.push(await (await globalThis.fetch(origin.url)).text())
      bodies.push(await (await fetch(origin.url)).text())
      bodies.push(await (await request(origin.url)).body.text())
    } finally {
      setGlobalDispatcher(previous)
    }
    assert.deepEqual(bodies, ['#1', '#1', '#1', '#1', '#1'])
    assert.equal(origin.requests.length, 1)
  })

  test('is a Client, and stays one when it is composed', async () => {
    await using origin = await startOrigin()
    await using client = new CachedClient(origin.url)
    const composed = client.compose(interceptors.retry(), witness.interceptor)
    assert.equal(client instanceof Client, true)
    assert.equal(composed instanceof CachedClient, true)
    assert.equal((await read(await composed.request({ path: '/', method: 'GET' }))).outcome, 'miss')
    assert.equal((await read(await composed.request({ path: '/', method: 'GET' }))).outcome, 'hit')
    assert.equal((composed as CachedClient).cache, client.cache)
    assert.equal((await (composed as CachedClient).get('/')).fromCache, true)
  })

  test('passes upgrade() through', async () => {
    await using origin = await startOrigin()
    origin.server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    })
    for (const client of [new CachedClient(), new CachedClient(origin.url)]) {
      const { headers, socket } = await client.upgrade({ origin: origin.url, path: '/', protocol: 'echo' } as never)
      assert.equal(headers['upgrade'], 'echo')
      socket.destroy()
      await client.close()
    }
  })

  test('abort ends a request before, during and after its response', async () => {
    const reason = new Error('enough')
    await using origin = await startOrigin({ headers: FRESH, body: Buffer.alloc(500_000) })
    await using client = new CachedClient()
    await assert.rejects(client.get(origin.url, { signal: AbortSignal.abort(reason) }), reason)
    assert.equal(origin.requests.length, 0)
    const controller = new AbortController()
    const { body } = await client.get(origin.url, { signal: controller.signal })
    const reading = body.arrayBuffer()
    controller.abort(reason)
    await assert.rejects(reading, reason)
    const late = new AbortController()
    const whole = await client.get(origin.url, { signal: late.signal })
    assert.equal((await whole.body.arrayBuffer()).byteLength, 500_000)
    late.abort(reason)
    assert.equal((await client.get(origin.url)).fromCache, true)
    await assert.rejects(client.fetch(origin.url, { signal: AbortSignal.abort(reason) }), reason)
  })

  test('the error for a missing origin is a CacheError', async () => {
    await using client = new CachedClient()
    await assert.rejects(client.get('/'), CacheError)
  })
})
