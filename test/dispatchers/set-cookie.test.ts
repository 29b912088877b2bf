import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Agent, type Dispatcher, fetch, request } from 'undici'
import { CachedClient, type CacheOptions, cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { type Origin, startOrigin } from '../support/origin.ts'

/** The comma of the date is what makes a folded line impossible to take apart. */
const COOKIES = ['a=1; Path=/; Expires=Wed, 21 Oct 2065 07:28:00 GMT', 'b=2; HttpOnly']

let agent: Agent
const clients: CachedClient[] = []
before(() => {
  agent = new Agent()
})
after(() => Promise.all([agent, ...clients].map(dispatcher => dispatcher.close())))

function newClient(cache: CacheOptions): CachedClient {
  const client = new CachedClient({ cache })
  clients.push(client)
  return client
}

/** /fresh is a hit the second time, /checked a revalidated response, /stale one served by stale-while-revalidate. */
function startBakery(): Promise<Origin> {
  return startOrigin(({ path, headers }) => {
    const fields = { 'set-cookie': COOKIES, etag: '"1"' }
    if (path === '/fresh') return { headers: { ...fields, 'cache-control': 'max-age=60' }, body: 'x' }
    if (path === '/stale') {
      const cacheControl = 'max-age=1, stale-while-revalidate=1000'
      return { headers: { ...fields, age: '2', 'cache-control': cacheControl }, body: 'x' }
    }
    const checked = { ...fields, 'cache-control': 'max-age=0' }
    return headers['if-none-match'] === '"1"' ? { status: 304, headers: checked } : { headers: checked, body: 'x' }
  })
}

const CASES = [
  ['/fresh', ['miss', 'hit', 'hit']],
  ['/checked', ['miss', 'revalidated', 'revalidated']],
  ['/stale', ['miss', 'stale', 'stale']]
] as const

type Get = (url: string) => Promise<{ cookies: unknown; outcome: string | undefined }>

/** Every way to ask, each with a cache of its own. */
const WAYS: Record<string, (options: CacheOptions) => Get> = {
  'request()': options => requesting(agent.compose(cacheInterceptor(options))),
  "request() with responseHeaders: 'raw'": options => {
    const dispatcher = agent.compose(cacheInterceptor(options))
    return async url => {
      const response = await request(url, { dispatcher, responseHeaders: 'raw' })
      await response.body.dump()
      const flat = response.headers as unknown as string[]
      const cookies = flat.filter((_, i) => i % 2 === 1 && flat[i - 1]?.toLowerCase() === 'set-cookie')
      return { cookies, outcome: cacheInfo(response)?.outcome }
    }
  },
  'fetch of undici': options => {
    const dispatcher = agent.compose(cacheInterceptor(options))
    return fetching(url => fetch(url, { dispatcher }) as never)
  },
  'the built-in fetch': options => {
    const dispatcher = agent.compose(cacheInterceptor(options))
    return fetching(url => globalThis.fetch(url, { dispatcher } as never))
  },
  'CachedClient.get()': options => {
    const client = newClient(options)
    return async url => {
      const response = await client.get(url)
      await response.body.dump()
      return { cookies: response.headers['set-cookie'], outcome: cacheInfo(response)?.outcome }
    }
  },
  'CachedClient.fetch()': options => {
    const client = newClient(options)
    return fetching(url => client.fetch(url) as never)
  },
  'the built-in fetch with a CachedClient': options => {
    const dispatcher = newClient(options)
    return fetching(url => globalThis.fetch(url, { dispatcher } as never))
  },
  'a CachedClient composed further': options => requesting(newClient(options).compose(passing))
}

const passing: Dispatcher.DispatcherComposeInterceptor = dispatch => (opts, handler) => dispatch(opts, handler)

function requesting(dispatcher: Dispatcher): Get {
  return async url => {
    const response = await request(url, { dispatcher })
    await response.body.dump()
    return { cookies: response.headers['set-cookie'], outcome: cacheInfo(response)?.outcome }
  }
}

function fetching(fetched: (url: string) => Promise<Response>): Get {
  return async url => {
    const response = await fetched(url)
    await response.text()
    return { cookies: response.headers.getSetCookie(), outcome: cacheInfo(response)?.outcome }
  }
}

const CACHES: Record<string, CacheOptions> = {
  'a private cache': { type: 'private' },
  'a shared cache with storeSetCookie': { storeSetCookie: true }
}

for (const [cacheName, options] of Object.entries(CACHES)) {
  describe(`two Set-Cookie lines stay two, in ${cacheName}`, () => {
    for (const [way, make] of Object.entries(WAYS)) {
      test(`by ${way}`, async () => {
        await using origin = await startBakery()
        const get = make(options)
        for (const [path, outcomes] of CASES) {
          for (const expected of outcomes) {
            const { cookies, outcome } = await get(origin.url + path)
            assert.deepEqual(cookies, COOKIES)
            assert.equal(outcome, expected)
          }
        }
      })
    }
  })
}

test('a shared cache hands two Set-Cookie lines through without storing them', async () => {
  await using origin = await startBakery()
  for (const [way, make] of Object.entries(WAYS)) {
    const get = make({})
    for (let i = 0; i < 2; i++) {
      const { cookies, outcome } = await get(`${origin.url}/fresh`)
      assert.deepEqual(cookies, COOKIES, way)
      assert.equal(outcome, 'miss', way)
    }
  }
})

test('one Set-Cookie line stays one, and is a string to request()', async () => {
  await using origin = await startOrigin({ headers: { 'cache-control': 'public, max-age=60', 'set-cookie': 'a=1' } })
  const dispatcher = agent.compose(cacheInterceptor())
  const plain = await request(origin.url, { dispatcher: agent })
  await plain.body.dump()
  for (let i = 0; i < 2; i++) {
    const { headers, body } = await request(origin.url, { dispatcher })
    await body.dump()
    assert.deepEqual(headers['set-cookie'], plain.headers['set-cookie'])
  }
})
