// One cache that a request meets twice, and two caches in one chain.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setImmediate } from 'node:timers'
import { Agent, type Dispatcher, fetch, getGlobalDispatcher, interceptors, setGlobalDispatcher } from 'undici'
import { CachedClient, cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { ask, read } from '../support/ask.ts'
import { handlerOf } from '../support/handlers.ts'
import { type Reply, startOrigin } from '../support/origin.ts'
import { Witness } from '../support/witness.ts'

type Interceptor = Dispatcher.DispatcherComposeInterceptor

const witness = new Witness()
let agent: Agent
before(() => {
  agent = new Agent()
})
after(async () => {
  await witness.check()
  await agent.close()
})

const REPLIES: Record<string, Reply> = {
  'a storable response': { headers: { 'cache-control': 'max-age=60' }, body: 'x' },
  'a response with no-store': { headers: { 'cache-control': 'no-store' }, body: 'x' },
  'a response that is stale at once': { headers: { 'cache-control': 'max-age=0', etag: '"1"' }, body: 'x' },
  'a response that is revalidated in the background': {
    headers: { 'cache-control': 'max-age=0, stale-while-revalidate=60' },
    body: 'x'
  }
}

const BETWEEN: Record<string, Interceptor | undefined> = {
  nothing: undefined,
  'a copy of the options': dispatch => (opts, handler) => dispatch({ ...opts }, handler),
  'a copy by Object.assign': dispatch => (opts, handler) => dispatch(Object.assign({}, opts), handler),
  'a delay': dispatch => (opts, handler) => {
    setImmediate(() => dispatch(opts, handler))
    return true
  },
  redirect: interceptors.redirect({ maxRedirections: 3 }),
  retry: interceptors.retry({ minTimeout: 1, maxRetries: 2 }),
  deduplicate: interceptors.deduplicate?.()
}

describe('a cache that is composed into one chain twice', () => {
  for (const [between, layer] of Object.entries(BETWEEN)) {
    for (const [kind, reply] of Object.entries(REPLIES)) {
      test(`with ${between} in between: ${kind} comes without delay, to one and to several at once`, async () => {
        await using origin = await startOrigin(reply)
        const cache = cacheInterceptor()
        const layers = [cache, layer, cache, witness.interceptor].filter(member => member !== undefined)
        const dispatcher = agent.compose(layers)
        const startMs = performance.now()
        for (let i = 0; i < 3; i++) assert.equal((await ask(dispatcher, origin.url)).body, 'x')
        const several = await Promise.all(Array.from({ length: 3 }, () => ask(dispatcher, origin.url)))
        assert.deepEqual(
          several.map(({ body }) => body),
          ['x', 'x', 'x']
        )
        assert.ok(performance.now() - startMs < 5000)
      })
    }
  }

  test('stores and answers once; the inner one says that it has passed the request by', async () => {
    await using origin = await startOrigin()
    const cache = cacheInterceptor()
    const dispatcher = agent.compose(cache).compose(cache)
    const miss = await ask(dispatcher, origin.url)
    assert.equal(miss.outcome, 'miss')
    const [inner, outer] = miss.headers['cache-status'] ?? []
    assert.equal(inner, 'undici-http-cache; fwd=bypass; detail=composed-twice')
    assert.match(String(outer), /^undici-http-cache; fwd=uri-miss; ttl=\d+; stored$/)
    assert.equal((await ask(dispatcher, origin.url)).outcome, 'hit')
    assert.equal(origin.requests.length, 1)
  })

  test('invalidates by a POST, and validates what is stale', async () => {
    await using origin = await startOrigin(({ method, headers, number }) => {
      if (headers['if-none-match'] === '"1"') return { status: 304, headers: { etag: '"1"' } }
      return { headers: { 'cache-control': 'max-age=0', etag: '"1"' }, body: `${method} ${number}` }
    })
    const cache = cacheInterceptor()
    const dispatcher = agent.compose(cache, cache, witness.interceptor)
    assert.equal((await ask(dispatcher, origin.url)).body, 'GET 1')
    const validated = await ask(dispatcher, origin.url)
    assert.deepEqual([validated.body, validated.outcome], ['GET 1', 'revalidated'])
    assert.equal((await ask(dispatcher, origin.url, { method: 'POST', body: 'x' })).body, 'POST 3')
    assert.equal((await ask(dispatcher, origin.url)).body, 'GET 4')
  })
})

describe('one cache in two dispatchers', () => {
  test('is asked by each of them, also with options that are used again', async () => {
    await using origin = await startOrigin()
    const cache = cacheInterceptor()
    const dispatchers = [agent.compose(cache), agent.compose(cache)]
    const options = { origin: origin.url, path: '/', method: 'GET' } as const
    for (const dispatcher of [...dispatchers, ...dispatchers]) {
      const { handler, heard } = handlerOf('modern')
      dispatcher.dispatch(options, handler)
      await heard.over
      assert.equal(heard.body, '#1')
      assert.doesNotMatch(String(heard.headers?.['cache-status']), /composed-twice/)
    }
    assert.deepEqual(Reflect.ownKeys(options), ['origin', 'path', 'method'])
    assert.equal(origin.requests.length, 1)
  })

  test('of which one is the global dispatcher, and the other a CachedClient', async () => {
    await using origin = await startOrigin()
    const cache = cacheInterceptor()
    const former = getGlobalDispatcher()
    setGlobalDispatcher(agent.compose(cache))
    const client = new CachedClient({ cache })
    try {
      const fetched = await fetch(origin.url)
      assert.deepEqual([await fetched.text(), cacheInfo(fetched)?.outcome], ['#1', 'miss'])
      const hit = await read(await client.get(origin.url))
      assert.deepEqual([hit.body, hit.outcome], ['#1', 'hit'])
      const other = await client.fetch(`${origin.url}/other`)
      assert.equal(await other.text(), '#2')
      assert.equal(await (await fetch(`${origin.url}/other`)).text(), '#2')
      assert.equal(origin.requests.length, 2)
    } finally {
      setGlobalDispatcher(former)
      await client.close()
    }
  })

  test('of which one dispatches through the other', async () => {
    await using origin = await startOrigin()
    const cache = cacheInterceptor()
    const inner = agent.compose(cache)
    const outer = cache((opts, handler) => inner.dispatch(opts, handler))
    for (const expected of ['miss', 'hit']) {
      const { handler, heard } = handlerOf('legacy')
      outer({ origin: origin.url, path: '/', method: 'GET' }, handler)
      await heard.over
      assert.equal(heard.body, '#1')
      assert.equal(cacheInfo({ context: heard.context ?? {} })?.outcome, expected)
    }
  })
})

describe('two caches in one chain', () => {
  test('both work, each once, however often they are composed', async () => {
    for (const order of ['ab', 'aab', 'aba', 'abab']) {
      await using origin = await startOrigin()
      const caches = { a: cacheInterceptor(), b: cacheInterceptor() }
      const layers = [...order].map(name => caches[name as 'a'])
      const dispatcher = agent.compose([...layers, witness.interceptor])
      assert.equal((await ask(dispatcher, origin.url)).body, '#1', order)
      const hit = await ask(dispatcher, origin.url)
      assert.deepEqual([hit.body, hit.outcome], ['#1', 'hit'], order)
      const outermost = order.at(-1) ?? ''
      // What the outer one has lost the inner one still has.
      await caches[outermost as 'a'].purge()
      assert.equal((await ask(dispatcher, origin.url)).body, '#1', order)
      assert.equal(origin.requests.length, 1, order)
    }
  })
})
