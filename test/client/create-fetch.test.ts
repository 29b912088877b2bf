import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { Agent, type Dispatcher, getGlobalDispatcher, MockAgent, Pool, setGlobalDispatcher } from 'undici'
import {
  CachedClient,
  cacheInfo,
  cacheInterceptor,
  createFetch,
  type FromCache,
  httpxCacheDefaults,
  MemoryStore
} from 'undici-http-cache'
import { startOrigin } from '../support/origin.ts'

const agent = new Agent()
after(() => agent.close())

const NO_ORIGIN = { name: 'CacheError', code: 'ERR_CACHE_ORIGIN' }

/** A dispatcher that counts what passes through it. */
function counting(dispatcher: Dispatcher): Dispatcher & { count: number } {
  const counted = { count: 0 }
  const composed = dispatcher.compose(dispatch => (opts, handler) => {
    counted.count++
    return dispatch(opts, handler)
  })
  return new Proxy(composed, {
    get: (target, name) => (name === 'count' ? counted.count : Reflect.get(target, name))
  }) as never
}

async function read(response: Response & FromCache): Promise<string> {
  return `${await response.text()} ${response.fromCache}`
}

describe('createFetch()', () => {
  test('makes a fetch that is answered from its cache', async () => {
    await using origin = await startOrigin()
    await using fetch = createFetch()
    for (const expected of ['#1 false', '#1 true']) {
      const response = await fetch(origin.url)
      assert.equal(await read(response), expected)
      assert.equal(fetch.cache.info(response)?.fromCache, response.fromCache)
    }
    await fetch.cache.purge({ url: origin.url })
    assert.equal(await read(await fetch(origin.url)), '#2 false')
  })

  test('takes a store for a cache, or options, or an interceptor whose cache is shared', async () => {
    await using origin = await startOrigin({ body: 'says nothing' })
    const store = new MemoryStore()
    const cache = cacheInterceptor({ ...httpxCacheDefaults, store })
    const client = new CachedClient({ cache })
    assert.equal(await read(await createFetch({ cache })(origin.url)), 'says nothing false')
    assert.equal(await read(await createFetch({ cache })(origin.url)), 'says nothing true')
    assert.equal(await read(await client.fetch(origin.url)), 'says nothing true')
    assert.equal(await read(await createFetch({ cache: store })(origin.url)), 'says nothing false')
    assert.equal(createFetch({ cache: store }).cache.store, store)
    assert.equal(await read(await createFetch({ cache: httpxCacheDefaults })(origin.url)), 'says nothing false')
    assert.equal(origin.requests.length, 3)
    await client.close()
  })

  test('keeps what one Authorization gets from another in a private cache', async () => {
    await using origin = await startOrigin()
    const fetch = createFetch({ cache: { type: 'private' } })
    const as = (user: string) => fetch(origin.url, { headers: { authorization: `Bearer ${user}` } }).then(read)
    assert.deepEqual(
      [await as('a'), await as('a'), await as('b'), await as('b')],
      ['#1 false', '#1 true', '#2 false', '#2 true']
    )
  })

  test('sends by the dispatcher that it is given, which stays open', async () => {
    await using origin = await startOrigin()
    const dispatcher = counting(agent)
    const fetch = createFetch({ dispatcher })
    for (const expected of ['#1 false', '#1 true']) assert.equal(await read(await fetch(origin.url)), expected)
    assert.equal(dispatcher.count, 1)
    await fetch.close()
    assert.equal(agent.closed, false)
  })

  test('sends by a Pool of one origin', async () => {
    await using origin = await startOrigin()
    const pool = new Pool(origin.url)
    const fetch = createFetch({ dispatcher: pool, origin: origin.url })
    for (const expected of ['#1 false', '#1 true']) assert.equal(await read(await fetch('/path')), expected)
    assert.equal(origin.requests[0]?.path, '/path')
    await pool.close()
  })

  test('sends by the global dispatcher where it is given none: by the one there is at the time', async () => {
    await using origin = await startOrigin()
    const previous = getGlobalDispatcher()
    const fetch = createFetch()
    const dispatcher = counting(agent)
    setGlobalDispatcher(dispatcher)
    try {
      assert.equal(await read(await fetch(`${origin.url}/1`)), '#1 false')
      assert.equal(dispatcher.count, 1)
    } finally {
      setGlobalDispatcher(previous)
    }
    assert.equal(await read(await fetch(`${origin.url}/2`)), '#2 false')
    assert.equal(await read(await fetch(`${origin.url}/1`)), '#1 true')
    assert.equal(dispatcher.count, 1)
  })

  test('sends a single request by the dispatcher in its init', async () => {
    await using origin = await startOrigin()
    const own = counting(agent)
    const other = counting(agent)
    const fetch = createFetch({ dispatcher: own })
    assert.equal(await read(await fetch(`${origin.url}/1`, { dispatcher: other } as never)), '#1 false')
    assert.equal(await read(await fetch(`${origin.url}/1`)), '#1 true')
    assert.equal(await read(await fetch(`${origin.url}/2`)), '#2 false')
    assert.deepEqual([own.count, other.count], [1, 1])
    await assert.rejects(fetch(origin.url, { dispatcher: {} } as never), { code: 'ERR_CACHE_OPTION' })
  })

  test('is answered by a MockAgent, which compares the bodies as they were given', async () => {
    const mock = new MockAgent()
    mock.disableNetConnect()
    const intercepts = mock.get('http://mocked.test')
    const headers = { 'cache-control': 'max-age=60' }
    intercepts.intercept({ path: '/' }).replyContentLength().reply(200, 'mocked', { headers })
    intercepts.intercept({ path: '/', method: 'POST', body: 'content' }).replyContentLength().reply(200, 'posted')
    const fetch = createFetch({ dispatcher: mock, origin: 'http://mocked.test' })
    for (const expected of ['mocked false', 'mocked true']) assert.equal(await read(await fetch('/')), expected)
    assert.equal(await read(await fetch('/', { method: 'POST', body: 'content' })), 'posted false')
    await mock.close()
  })

  test('of an origin refuses others, and redirects to them, and without one what names none', async () => {
    await using origin = await startOrigin(({ path }) => ({
      status: path === '/away' ? 302 : 200,
      headers: { location: other.url }
    }))
    await using other = await startOrigin()
    for (const given of [origin.url, `${origin.url}/`, new URL(origin.url)]) {
      const fetch = createFetch({ origin: given })
      await assert.rejects(fetch(other.url), NO_ORIGIN)
      await assert.rejects(fetch(new Request(other.url)), NO_ORIGIN)
      await assert.rejects(fetch('/away'), (error: Error) => (error.cause as { code: string }).code === NO_ORIGIN.code)
    }
    assert.equal(other.requests.length, 0)
    for (const input of ['/path', '', 'http://']) await assert.rejects(createFetch()(input), NO_ORIGIN)
  })

  test('goes past its cache once that is closed, and leaves a cache that is not its own open', async () => {
    await using origin = await startOrigin()
    const fetch = createFetch()
    assert.equal(await read(await fetch(origin.url)), '#1 false')
    await fetch.close()
    await fetch.close()
    const response = await fetch(origin.url)
    assert.equal(await read(response), '#2 false')
    assert.equal(cacheInfo(response)?.reason, 'closed')
    const cache = cacheInterceptor()
    await createFetch({ cache }).close()
    const shared = createFetch({ cache })
    for (const expected of ['#3 false', '#3 true']) assert.equal(await read(await shared(origin.url)), expected)
  })

  test('checks its options by name', () => {
    for (const [name, values] of Object.entries({
      cache: [null, 1, 'memory', () => {}],
      dispatcher: [null, {}, 'agent', 1, Agent],
      origin: [null, '', 'host', 'ftp://host', 'https://host/path', 1]
    })) {
      for (const value of values) {
        assert.throws(() => createFetch({ [name]: value } as never), {
          name: 'TypeError',
          code: 'ERR_CACHE_OPTION',
          message: new RegExp(`^${name} must be `)
        })
      }
      createFetch({ [name]: undefined })
    }
    assert.throws(() => createFetch({ store: new MemoryStore() } as never), {
      name: 'TypeError',
      code: 'ERR_CACHE_OPTION',
      message: '"store" is no option of createFetch(); there are cache, dispatcher, origin'
    })
    for (const options of [null, 1, 'x', []]) {
      assert.throws(() => createFetch(options as never), { code: 'ERR_CACHE_OPTION', message: /^options must be / })
    }
    assert.throws(() => createFetch({ cache: { type: 'public' } as never }), { code: 'ERR_CACHE_OPTION' })
  })
})
