import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { Agent, type Dispatcher } from 'undici'
import { type CacheOptions, cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { type Asked, ask, cacheStatus, read } from '../support/ask.ts'
import { handlerOf } from '../support/handlers.ts'
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

function caching(options?: CacheOptions): Dispatcher {
  return agent.compose(cacheInterceptor(options), witness.interceptor)
}

/** With options that undici's types do not know. */
async function send(dispatcher: Dispatcher, options: object): Promise<Asked> {
  return read(await dispatcher.request({ path: '/', method: 'GET', ...options } as Dispatcher.RequestOptions))
}

/** Every form that undici takes, of one field and its value. */
const FORMS: Record<string, (name: string, value: string) => unknown> = {
  'an object': (name, value) => ({ [name]: value }),
  'an object without a prototype': (name, value) => Object.assign(Object.create(null), { [name]: value }),
  'a flat array': (name, value) => [name, value],
  'an array of pairs': (name, value) => [[name, value]],
  'a Map': (name, value) => new Map([[name, value]]),
  'a Headers object': (name, value) => new Headers([[name, value]]),
  'an iterable': (name, value) => ({
    *[Symbol.iterator]() {
      yield [name, value]
    }
  }),
  'a generator, which can be read once': (name, value) =>
    (function* () {
      yield [name, value]
    })(),
  'an iterator of a Map, which can be read once': (name, value) => new Map([[name, value]]).entries()
}

describe('headers', () => {
  const byKind = () =>
    startOrigin(({ headers, number }) => ({
      headers: { 'cache-control': 'max-age=60', vary: 'x-kind' },
      body: `${headers['x-kind']} #${number}`
    }))

  for (const [name, form] of Object.entries(FORMS)) {
    test(`as ${name} reach the origin, and select what is stored`, async () => {
      await using origin = await byKind()
      const dispatcher = caching()
      const get = (value: string) => send(dispatcher, { origin: origin.url, headers: form('X-Kind', value) })
      assert.equal((await get('a')).body, 'a #1')
      const hit = await get('a')
      assert.deepEqual([hit.body, hit.outcome], ['a #1', 'hit'])
      const other = await get('b')
      assert.deepEqual([other.body, other.outcome], ['b #2', 'miss'])
      assert.match(String(cacheStatus(other.headers)), /fwd=vary-miss/)
      // All forms are one to the cache.
      const object = await send(dispatcher, { origin: origin.url, headers: { 'x-kind': 'a' } })
      assert.equal(object.outcome, 'hit')
    })

    test(`as ${name} reach the origin with POST, with \`cache: false\`, and in a revalidation`, async () => {
      await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=0', etag: '"1"' }, body: 'x' })
      const dispatcher = caching()
      const requests = [{}, {}, { method: 'POST' }, { cache: false }, { method: 'DELETE' }]
      for (const options of requests) {
        await send(dispatcher, { origin: origin.url, headers: form('x-kind', 'a'), ...options })
      }
      assert.deepEqual(
        origin.requests.map(({ headers }) => headers['x-kind']),
        requests.map(() => 'a')
      )
      assert.equal(origin.requests[1]?.headers['if-none-match'], '"1"')
    })
  }

  test('that can be read once reach the origin in a revalidation behind a stale response', async () => {
    await using origin = await startOrigin({
      headers: { age: '2', 'cache-control': 'max-age=1, stale-while-revalidate=1000' },
      body: 'x'
    })
    const dispatcher = caching()
    const headers = () => new Map([['x-kind', 'a']]).entries()
    await send(dispatcher, { origin: origin.url, headers: headers() })
    assert.equal((await send(dispatcher, { origin: origin.url, headers: headers() })).outcome, 'stale')
    while (origin.requests.length < 2) await new Promise(setImmediate)
    assert.equal(origin.requests[1]?.headers['x-kind'], 'a')
  })

  test('with numbers, arrays, undefined and null are to the cache what they are to the origin', async () => {
    await using origin = await startOrigin({
      headers: { 'cache-control': 'max-age=60', vary: 'x-number, x-list, x-absent, x-null' },
      body: 'x'
    })
    const dispatcher = caching()
    const given = { 'x-number': 1, 'x-list': ['a', 2], 'x-absent': undefined, 'x-null': null, 'x-true': true }
    await send(dispatcher, { origin: origin.url, headers: given })
    const seen = origin.requests[0]?.headers
    assert.deepEqual(
      [seen?.['x-number'], seen?.['x-list'], seen?.['x-absent'], seen?.['x-null'], seen?.['x-true']],
      ['1', 'a, 2', undefined, '', 'true']
    )
    const same = { 'x-number': '1', 'x-list': 'a, 2', 'x-null': '' }
    assert.equal((await send(dispatcher, { origin: origin.url, headers: same })).outcome, 'hit')
    const different = { ...same, 'x-absent': '' }
    assert.equal((await send(dispatcher, { origin: origin.url, headers: different })).outcome, 'miss')
  })

  test('null and undefined are none', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    await send(dispatcher, { origin: origin.url, headers: null })
    assert.equal((await send(dispatcher, { origin: origin.url, headers: undefined })).outcome, 'hit')
    assert.equal((await send(dispatcher, { origin: origin.url, headers: {} })).outcome, 'hit')
    assert.equal((await send(dispatcher, { origin: origin.url, headers: [] })).outcome, 'hit')
  })

  test('of the caller are left as they were, in a revalidation too', async () => {
    await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=0', etag: '"1"' }, body: 'x' })
    const dispatcher = caching()
    const headers = Object.freeze({ 'X-Kind': 'a' })
    const flat = Object.freeze(['X-Kind', 'a']) as string[]
    for (const given of [headers, flat, headers, flat]) await send(dispatcher, { origin: origin.url, headers: given })
    assert.deepEqual([headers, flat], [{ 'X-Kind': 'a' }, ['X-Kind', 'a']])
  })
})

describe('origin', () => {
  test('as a string and as a URL, however written, is one key', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    const { port } = origin
    const forms = [
      `http://localhost:${port}`,
      new URL(`http://localhost:${port}`),
      new URL(`http://localhost:${port}/ignored?path`),
      `http://localhost:${port}/`,
      `HTTP://LOCALHOST:${port}`
    ]
    const outcomes: unknown[] = []
    for (const form of forms) outcomes.push((await send(dispatcher, { origin: form })).outcome)
    assert.deepEqual(outcomes, ['miss', 'hit', 'hit', 'hit', 'hit'])
    assert.equal((await ask(dispatcher, `http://localhost:${port}/`)).outcome, 'hit')
  })

  test('that differs in host or port is another key', async () => {
    await using one = await startOrigin()
    await using two = await startOrigin()
    const dispatcher = caching()
    const origins = [one.url, two.url, `http://localhost:${one.port}`]
    for (const origin of origins) assert.equal((await send(dispatcher, { origin })).outcome, 'miss')
    for (const origin of origins) assert.equal((await send(dispatcher, { origin })).outcome, 'hit')
  })

  test('that is not listed in `origins` passes by, and says so', async () => {
    await using one = await startOrigin()
    await using two = await startOrigin()
    const dispatcher = caching({ origins: [one.url, /^http:\/\/localhost:/g] })
    for (const [origin, outcome] of [
      [one.url, 'hit'],
      [`http://localhost:${two.port}`, 'hit'],
      [two.url, 'bypass']
    ] as const) {
      await send(dispatcher, { origin })
      const second = await send(dispatcher, { origin })
      assert.equal(second.outcome, outcome)
      if (outcome === 'bypass') assert.match(String(cacheStatus(second.headers)), /detail=origin-not-cached$/)
    }
  })
})

describe('method', () => {
  test('in lower case is the same method to the cache', async () => {
    const bodies: string[] = []
    const dispatcher = agent.compose(
      // An origin that does not mind: servers refuse such a method.
      dispatch => (opts, handler) => {
        bodies.push(opts.method)
        return dispatch({ ...opts, method: opts.method.toUpperCase() as 'GET' }, handler)
      },
      cacheInterceptor(),
      witness.interceptor
    )
    await using origin = await startOrigin()
    assert.equal((await send(dispatcher, { origin: origin.url, method: 'get' })).body, '#1')
    assert.equal((await send(dispatcher, { origin: origin.url })).body, '#1')
    assert.equal((await send(dispatcher, { origin: origin.url, method: 'post' })).body, '#2')
    assert.equal((await send(dispatcher, { origin: origin.url })).body, '#3')
    assert.deepEqual(bodies, ['get', 'post', 'GET'])
  })

  test('that is safe and not cached passes by, and invalidates nothing', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    await send(dispatcher, { origin: origin.url })
    for (const method of ['OPTIONS', 'PROPFIND']) {
      assert.equal((await send(dispatcher, { origin: origin.url, method })).outcome, 'bypass')
    }
    assert.equal((await send(dispatcher, { origin: origin.url })).outcome, 'hit')
  })

  test('that is not in `methods` passes by', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching({ methods: ['GET'] })
    await send(dispatcher, { origin: origin.url })
    assert.equal((await send(dispatcher, { origin: origin.url, method: 'HEAD' })).outcome, 'bypass')
    assert.equal((await send(dispatcher, { origin: origin.url })).outcome, 'hit')
  })
})

describe('body', () => {
  const contents: Record<string, () => unknown> = {
    'a string': () => 'content',
    'a Buffer': () => Buffer.from('content'),
    'a Uint8Array': () => new Uint8Array([1]),
    'a stream': () => Readable.from(['content']),
    'an async iterable': () =>
      (async function* () {
        yield 'content'
      })()
  }
  for (const [name, make] of Object.entries(contents)) {
    test(`of a GET as ${name} passes by the cache`, async () => {
      await using origin = await startOrigin()
      const dispatcher = caching()
      await send(dispatcher, { origin: origin.url })
      const response = await send(dispatcher, { origin: origin.url, body: make() })
      assert.deepEqual([response.outcome, response.info?.reason], ['bypass', 'request-content'])
      assert.notEqual(origin.requests[1]?.body, '')
      assert.equal((await send(dispatcher, { origin: origin.url })).outcome, 'hit')
    })
  }

  test('of a GET that is empty is none', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    await send(dispatcher, { origin: origin.url })
    for (const body of [null, undefined, '', Buffer.alloc(0)]) {
      assert.equal((await send(dispatcher, { origin: origin.url, body })).outcome, 'hit')
    }
  })
})

describe('cache', () => {
  test('false passes by, and neither stores nor removes', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    assert.equal((await ask(dispatcher, origin.url, { cache: false })).outcome, 'bypass')
    assert.equal((await ask(dispatcher, origin.url)).body, '#2')
    const bypass = await ask(dispatcher, origin.url, { cache: false })
    assert.deepEqual([bypass.body, bypass.info?.reason], ['#3', 'cache-false'])
    assert.equal((await ask(dispatcher, origin.url)).body, '#2')
  })

  test('true is the default', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    await ask(dispatcher, origin.url, { cache: true })
    assert.equal((await ask(dispatcher, origin.url, { cache: true })).outcome, 'hit')
  })

  test('that is something else is a TypeError that names it', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    for (const cache of ['no', 1, null, {}]) {
      await assert.rejects(send(dispatcher, { origin: origin.url, cache }), {
        name: 'TypeError',
        code: 'ERR_CACHE_OPTION',
        message: /^cache must be true or false, got /
      })
    }
    assert.equal(origin.requests.length, 0)
  })
})

describe('what undici refuses', () => {
  /** Refused whether or not something is stored for the target. */
  const always: Record<string, object> = {
    'a path without a leading slash': { path: 'resource' },
    'a path that is no string': { path: 1 },
    'a path with a line break': { path: '/a\nb' },
    'a query beside a path that has one': { path: '/?a=1', query: { b: 2 } },
    'a method that is no token': { method: 'no method' },
    'a method that is no string': { method: 1 },
    'headers as a string': { headers: 'x-kind: a' },
    'a flat array of odd length': { headers: ['x-kind'] },
    'an iterable of what are no pairs': { headers: new Set(['x-kind']) },
    'a Map-like iterable of triples': { headers: new Set([['a', 'b', 'c']]) },
    'an upgrade that is no string': { upgrade: 1 }
  }
  /** Refused where the request would go to the origin. */
  const whenSent: Record<string, object> = {
    'a field name that is no token': { headers: { 'x kind': 'a' } },
    'a value with a line break': { headers: { 'x-kind': 'a\r\nb: c' } },
    'a value that is an object': { headers: { 'x-kind': {} } },
    'the field Transfer-Encoding': { headers: { 'transfer-encoding': 'chunked' } },
    'a negative headersTimeout': { headersTimeout: -1 },
    'a bodyTimeout that is no number': { bodyTimeout: 'soon' },
    'a body that is no body': { body: 1 }
  }

  for (const [name, options] of Object.entries({ ...always, ...whenSent })) {
    test(`${name} is refused with undici's own error`, async () => {
      await using origin = await startOrigin()
      const dispatcher = caching()
      const expected = await send(agent, { origin: origin.url, ...options }).then(
        () => assert.fail('undici takes it'),
        (error: Error & { code?: string }) => error
      )
      const states = name in always ? ['nothing stored', 'stored'] : ['nothing stored']
      for (const state of states) {
        if (state === 'stored') await send(dispatcher, { origin: origin.url })
        const sent = origin.requests.length
        const given = { ...options }
        await assert.rejects(send(dispatcher, { origin: origin.url, ...given }), (error: Error & { code?: string }) => {
          assert.deepEqual([error.name, error.code, error.message], [expected.name, expected.code, expected.message])
          return true
        })
        assert.equal(origin.requests.length, sent)
      }
    })
  }

  test('an absolute URL as the path, as a proxy is sent it, passes by', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    for (const body of ['#1', '#2']) {
      const response = await send(dispatcher, { origin: origin.url, path: 'http://other.test/resource' })
      assert.deepEqual([response.body, response.outcome], [body, 'bypass'])
      assert.match(String(cacheStatus(response.headers)), /detail=not-understood$/)
    }
    assert.equal(origin.requests[0]?.path, 'http://other.test/resource')
  })

  test('a closed dispatcher refuses what the cache does not have, with its own error', async () => {
    await using origin = await startOrigin()
    const closing = new Agent()
    const dispatcher = closing.compose(cacheInterceptor(), witness.interceptor)
    await ask(dispatcher, origin.url)
    await closing.close()
    await assert.rejects(ask(dispatcher, `${origin.url}/other`), { code: /^UND_ERR_(CLOSED|DESTROYED)$/ })
    assert.equal((await ask(dispatcher, origin.url)).outcome, 'hit')
  })
})

test('a handler that has no more callbacks than it needs is served a miss and a hit', async () => {
  await using origin = await startOrigin()
  const dispatcher = agent.compose(cacheInterceptor())
  for (let i = 0; i < 2; i++) {
    await new Promise<void>((resolve, reject) => {
      dispatcher.dispatch(
        { origin: origin.url, path: '/', method: 'GET' },
        { onRequestStart() {}, onResponseEnd: () => resolve(), onResponseError: (_controller, error) => reject(error) }
      )
    })
  }
  assert.equal(origin.requests.length, 1)
})

test('the options given to dispatch() are not changed', async () => {
  await using origin = await startOrigin(({ headers }) => ({
    status: headers['if-none-match'] === undefined ? 200 : 304,
    headers: { 'cache-control': 'max-age=0', etag: '"1"' }
  }))
  const dispatcher = caching({ origin: origin.url })
  for (const outcome of ['miss', 'revalidated'] as const) {
    const options = Object.freeze({ origin: origin.url, path: '/', method: 'GET' as const, headers: Object.freeze({}) })
    const { handler, heard } = handlerOf('modern')
    dispatcher.dispatch(options, handler)
    await heard.over
    assert.equal(cacheInfo(heard)?.outcome, outcome)
  }
})
