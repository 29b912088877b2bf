// onBodySent and onRequestSent: what undici 8 calls as the request goes out reaches the caller's handler.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { Agent, type Dispatcher, MockAgent } from 'undici'
import { CachedClient, cacheInterceptor } from 'undici-http-cache'
import { APIS, type Api, handlerOf } from '../support/handlers.ts'
import { type Origin, startOrigin } from '../support/origin.ts'
import { undiciMajor } from '../support/undici.ts'

let agent: Agent
let origin: Origin
before(async () => {
  agent = new Agent()
  origin = await startOrigin(({ headers, path }) => {
    if (path === '/stale' && headers['if-none-match'] !== undefined) return { status: 304, headers: { etag: '"1"' } }
    const cacheControl = path === '/stale' ? 'max-age=0' : 'max-age=60'
    return { headers: { etag: '"1"', 'cache-control': cacheControl }, body: 'x' }
  })
})
after(async () => {
  await agent.close()
  await origin.close()
})

type Options = Partial<Dispatcher.DispatchOptions>

/** What is called of a handler, in order, with the text of each piece that was sent. */
async function heardOf(dispatcher: Dispatcher, api: Api, options: Options, throwing = false): Promise<string[]> {
  const calls: string[] = []
  const { handler, heard } = handlerOf(api, at => {
    if (at === 'head' || at === 'end' || at === 'error') calls.push(at)
  })
  Object.assign(handler, {
    onBodySent(chunk: Uint8Array | string) {
      calls.push(`body sent: ${Buffer.from(chunk as string)}`)
      if (throwing) throw new Error('thrown by a hook')
    },
    onRequestSent() {
      calls.push('request sent')
    }
  })
  dispatcher.dispatch({ origin: origin.url, path: '/', method: 'GET', ...options }, handler)
  await heard.over
  if (throwing && undiciMajor >= 8) assert.equal(heard.error?.message, 'thrown by a hook')
  return calls
}

const REQUESTS: Record<string, () => Options> = {
  'a GET without a body': () => ({ path: '/get' }),
  'a GET that is stale and validated': () => ({ path: '/stale' }),
  'a GET with a body': () => ({ body: 'text' }),
  'a POST with a text': () => ({ method: 'POST', body: 'text' }),
  'a POST with bytes': () => ({ method: 'POST', body: Buffer.from('bytes') }),
  'a POST with a stream': () => ({ method: 'POST', body: Readable.from(['one', 'two'].map(s => Buffer.from(s))) }),
  'a request past the cache': () => ({ method: 'POST', body: 'text', cache: false }) as Options
}

for (const api of APIS) {
  // undici 8 refuses a legacy handler that does not come through an interceptor; undici 7 tells one that does nothing.
  const plainApi = undiciMajor >= 8 ? 'modern' : api
  const pass: Dispatcher.DispatcherComposeInterceptor = dispatch => (opts, handler) => dispatch(opts, handler)
  describe(`a ${api} handler hears through the cache what it hears without it`, () => {
    for (const [name, request] of Object.entries(REQUESTS)) {
      test(name, async () => {
        const plain = await heardOf(agent.compose(pass), plainApi, request())
        const cache = cacheInterceptor()
        const viaCompose = cacheInterceptor()((opts, handler) => agent.dispatch(opts, handler))
        const cached = { dispatch: viaCompose } as Dispatcher
        assert.deepEqual(await heardOf(cached, api, request()), plain)
        assert.deepEqual(await heardOf(agent.compose(cache), plainApi, request()), plain)
        if (undiciMajor >= 8) assert.ok(plain.includes('request sent'))
        await using client = new CachedClient()
        assert.deepEqual(await heardOf(client, plainApi, request()), plain)
      })
    }

    test('but nothing of a request that is answered from the store', async () => {
      const dispatcher = agent.compose(cacheInterceptor())
      await heardOf(dispatcher, plainApi, { path: '/hit' })
      assert.deepEqual(await heardOf(dispatcher, plainApi, { path: '/hit' }), ['head', 'end'])
    })

    test('and ends with what it throws then', async () => {
      const dispatcher = agent.compose(cacheInterceptor())
      const options: Options = { method: 'POST', body: 'text' }
      const calls = await heardOf(dispatcher, plainApi, options, true)
      assert.equal(calls.at(-1), undiciMajor >= 8 ? 'error' : 'end')
    })
  })
}

test('a dispatcher below sees these methods only where the caller has them', async () => {
  const seen: boolean[] = []
  const look: Dispatcher.DispatcherComposeInterceptor = dispatch => (opts, handler) => {
    seen.push('onBodySent' in handler && typeof handler.onBodySent === 'function')
    return dispatch(opts, handler)
  }
  const mock = new MockAgent()
  mock.get('http://mock.example').intercept({ path: '/' }).reply(200, 'x').persist()
  const cached = cacheInterceptor()(look((opts, handler) => mock.dispatch(opts as Dispatcher.DispatchOptions, handler)))
  const options = { origin: 'http://mock.example', path: '/', method: 'GET' } as const
  for (const hooks of [{}, { onBodySent() {} }]) {
    const { handler, heard } = handlerOf('modern')
    cached(options, Object.assign(handler, hooks))
    await heard.over
  }
  assert.deepEqual(seen, [false, true])
  await mock.close()
})
