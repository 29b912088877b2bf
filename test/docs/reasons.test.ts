// Each reason of the table happens, with each outcome that the table states.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { Agent, Client, type Dispatcher, interceptors, MockAgent, request } from 'undici'
import { type CacheInfo, type CacheOptions, cacheInfo, cacheInterceptor, MemoryStore, REASONS } from 'undici-http-cache'
import { type Reply, type Responder, startOrigin } from '../support/origin.ts'

type Ask = Omit<NonNullable<Parameters<typeof request>[1]>, 'dispatcher'> & { cache?: boolean }

interface Scenario {
  readonly origin?: Reply | readonly Reply[] | Responder
  readonly options?: CacheOptions
  /** Below the cache. */
  readonly inner?: Dispatcher.DispatcherComposeInterceptor
  /** One after the other; the last one's reason is looked at. */
  readonly asks: readonly Ask[]
}

const LOST: Responder = ({ number }, response) => {
  if (number === 1) return { headers: { 'cache-control': 'max-age=0', etag: '"1"' }, body: 'x' }
  response.destroy()
  return undefined
}
const FRESH: Reply = says('max-age=60')
const STALE: Reply = says('max-age=0', { etag: '"1"' })
const NEW: Reply = says('max-age=0', { etag: '"2"' })
const CONFIRMED: Reply = { status: 304, headers: { etag: '"1"' } }
const ONCE: readonly Ask[] = [{}]
const TWICE: readonly Ask[] = [{}, {}]

/** A store with a method of its own. */
class OddStore extends MemoryStore {
  constructor(own: Partial<MemoryStore>) {
    super()
    Object.assign(this, own)
  }
}

const bodiless = new OddStore({})
bodiless.get = (key, variantOf) => {
  const lookup = MemoryStore.prototype.get.call(bodiless, key, variantOf)
  const stored = lookup.stored.map(({ entry }) => ({ entry, open: () => undefined }))
  return { stored, otherVariants: lookup.otherVariants, asOf: () => lookup.asOf() }
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'hit: fresh': { asks: TWICE },
  'stale: max-stale': { origin: STALE, asks: [{}, asking({ 'cache-control': 'max-stale' })] },
  'stale: stale-while-revalidate': { origin: STALE, options: { staleWhileRevalidateSeconds: 60 }, asks: TWICE },
  'stale: stale-if-error': { origin: [STALE, { status: 503 }], options: { staleIfErrorSeconds: 60 }, asks: TWICE },
  'stale: disconnected': { origin: LOST, options: { whenDisconnected: 'stale' }, asks: TWICE },
  'unsatisfiable: disconnected': {
    origin: LOST,
    options: { whenDisconnected: 'stale' },
    asks: [{}, asking({ 'cache-control': 'no-cache' })]
  },
  'unsatisfiable: only-if-cached': { asks: [asking({ 'cache-control': 'only-if-cached' })] },
  'revalidated: validated': { origin: [STALE, CONFIRMED], asks: TWICE },
  'miss: uri-miss': { asks: ONCE },
  'miss: vary-miss': { origin: says('max-age=60', { vary: 'x' }), asks: [asking({ x: '1' }), asking({ x: '2' })] },
  'miss: head-only': { asks: [{ method: 'HEAD' }, {}] },
  'miss: stale': { origin: [STALE, NEW], asks: TWICE },
  'miss: no-cache': { origin: [says('max-age=60, no-cache', { etag: '"1"' }), NEW], asks: TWICE },
  'miss: request-no-cache': { asks: [{}, asking({ 'cache-control': 'no-cache' })] },
  'miss: request-max-age': {
    options: { now: tickingClock() },
    origin: says('max-age=3600'),
    asks: [{}, asking({ 'cache-control': 'max-age=0' })]
  },
  'miss: request-min-fresh': { asks: [{}, asking({ 'cache-control': 'min-fresh=100' })] },
  'miss: body-vanished': { options: { store: bodiless }, asks: TWICE },
  'miss: refetch': { origin: [STALE, { status: 304, headers: { etag: '"other"' } }, NEW], asks: TWICE },
  'miss: no-store': { origin: says('no-store'), asks: ONCE },
  'miss: no-freshness': { origin: { body: 'x' }, asks: ONCE },
  'miss: private': { origin: says('private, max-age=60'), asks: ONCE },
  'miss: authorization': { asks: [asking({ authorization: 'Bearer x' })] },
  'miss: set-cookie': { origin: says('max-age=60', { 'set-cookie': 'a=1' }), asks: ONCE },
  'miss: cookie': { origin: { headers: { etag: '"1"' }, body: 'x' }, asks: [asking({ cookie: 'a=1' })] },
  'miss: vary-star': { origin: says('max-age=60', { vary: '*' }), asks: ONCE },
  'miss: partial': { origin: [partOfTen('0-1'), partOfTen('2-9')], asks: [asking({ range: 'bytes=0-1' }), {}] },
  'miss: status': { origin: { ...FRESH, status: 416 }, asks: ONCE },
  'miss: unusable-part': { origin: { ...FRESH, status: 206 }, asks: [asking({ range: 'bytes=0-1' })] },
  'miss: larger-part': {
    origin: [partOfTen('0-1'), partOfTen('4-5')],
    asks: [asking({ range: 'bytes=0-1' }), asking({ range: 'bytes=4-5' })]
  },
  'miss: status-not-listed': { options: { statusCodes: [404] }, asks: ONCE },
  'miss: must-understand': { origin: { ...says('max-age=60, must-understand'), status: 299 }, asks: ONCE },
  'miss: length-unknown': { origin: untilClosed, asks: ONCE },
  'miss: too-large': { options: { store: new MemoryStore({ maxEntrySizeBytes: 1 }) }, asks: ONCE },
  'miss: redirected': {
    inner: interceptors.redirect({ maxRedirections: 1 }),
    origin: [{ status: 302, headers: { location: '/elsewhere' } }, FRESH],
    asks: ONCE
  },
  'miss: store-refused': { options: { store: new OddStore({ put: () => undefined }) }, asks: ONCE },
  'miss: store-failed': { options: { store: new OddStore({ put: fail }), onStoreError: () => {} }, asks: ONCE },
  'miss: store-given-up': {
    options: { store: new OddStore({ get: hang }), onStoreError: () => {}, storeTimeoutMs: 20 },
    asks: ONCE
  },
  'miss: not-modified': { origin: CONFIRMED, asks: [asking({ 'if-none-match': '"1"' })] },
  'miss: head': { origin: STALE, asks: [{}, { method: 'HEAD' }] },
  'bypass: cache-false': { asks: [{ cache: false }] },
  'bypass: request-no-store': { asks: [asking({ 'cache-control': 'no-store' })] },
  'bypass: unsafe-method': { asks: [{ method: 'POST', body: 'x' }] },
  'bypass: method': { asks: [{ method: 'OPTIONS' }] },
  'bypass: request-content': { asks: [{ method: 'GET', body: 'x' }] },
  'bypass: precondition': { asks: [asking({ 'if-match': '"1"' })] },
  'bypass: origin-not-cached': { options: { origins: ['https://elsewhere.example'] }, asks: ONCE }
}

const listed = Object.entries(REASONS).flatMap(([reason, { outcomes }]) =>
  outcomes.map(outcome => `${outcome}: ${reason}`)
)

/** What needs more than a scenario has; tested below. */
const OTHERS = [
  'hit: collapsed',
  'miss: malformed-field',
  'bypass: no-origin',
  'bypass: not-understood',
  'bypass: closed',
  'bypass: composed-twice',
  'bypass: upgrade'
]

describe('of the reasons', () => {
  it('each has a test here', () => {
    assert.deepEqual([...Object.keys(SCENARIOS), ...OTHERS].sort(), [...listed].sort())
  })

  for (const [said, scenario] of Object.entries(SCENARIOS))
    it(`${said} happens`, async () => assert.equal(await play(scenario), said))

  it('hit: collapsed happens', async () => {
    await using origin = await startOrigin(FRESH)
    const dispatcher = new Agent().compose(cacheInterceptor())
    const infos = await Promise.all([ask(dispatcher, origin.url), ask(dispatcher, origin.url)])
    assert.deepEqual(infos.map(wordsOf), ['miss: uri-miss', 'hit: collapsed'])
    await dispatcher.close()
  })

  it('miss: malformed-field happens, where undici has not read the response from a connection', async () => {
    const mock = new MockAgent()
    mock
      .get('http://mock.example')
      .intercept({ path: '/' })
      .replyContentLength()
      .reply(200, 'x', { headers: { 'cache-control': 'max-age=60', 'no token': 'x' } })
    const info = await ask(mock.compose(cacheInterceptor()), 'http://mock.example/')
    assert.equal(wordsOf(info), 'miss: malformed-field')
    await mock.close()
  })

  it('bypass: closed happens', async () => {
    await using origin = await startOrigin(FRESH)
    const cache = cacheInterceptor()
    const dispatcher = new Agent().compose(cache)
    await cache.close()
    assert.equal(wordsOf(await ask(dispatcher, origin.url)), 'bypass: closed')
    await dispatcher.close()
  })

  it('bypass: composed-twice happens, to the inner one', async () => {
    await using origin = await startOrigin(FRESH)
    const cache = cacheInterceptor()
    const dispatcher = new Agent().compose(cache, cache)
    const { headers, body } = await request(origin.url, { dispatcher })
    await body.text()
    assert.equal(headers['cache-status']?.[0], 'undici-http-cache; fwd=bypass; detail=composed-twice')
    await dispatcher.close()
  })

  it('bypass: no-origin happens, where undici does not name the origin of a composed client', async () => {
    await using origin = await startOrigin(FRESH)
    const client = new Client(origin.url)
    const dispatcher = client.compose(dispatch => {
      const cached = cacheInterceptor()(dispatch)
      return ({ origin: _, ...opts }, handler) => cached(opts, handler)
    })
    const { body, context } = await dispatcher.request({ method: 'GET', path: '/' })
    await body.text()
    assert.equal(wordsOf(cacheInfo({ context: context as object })), 'bypass: no-origin')
    await client.close()
  })

  it('bypass: not-understood happens, for a request as to a proxy', async () => {
    await using origin = await startOrigin(FRESH)
    const client = new Client(origin.url)
    const dispatcher = client.compose(cacheInterceptor({ origin: origin.url }))
    const response = await dispatcher.request({ method: 'GET', path: 'http://elsewhere.example/' })
    await response.body.text()
    assert.equal(wordsOf(cacheInfo(response)), 'bypass: not-understood')
    await client.close()
  })

  it('bypass: upgrade happens, where the server declines with a response', async () => {
    await using origin = await startOrigin(FRESH)
    const dispatcher = new Agent().compose(cacheInterceptor())
    const status = await new Promise(resolve => {
      const opts = { origin: origin.url, path: '/', method: 'GET', upgrade: 'foo' } as const
      dispatcher.dispatch(opts, {
        onRequestStart: () => {},
        onResponseStart: (_controller, _statusCode, headers) => resolve(headers['cache-status']),
        onResponseData: () => {},
        onResponseEnd: () => {},
        onResponseError: (_controller, error) => resolve(error)
      })
    })
    assert.equal(status, 'undici-http-cache; fwd=bypass; detail=upgrade')
    await dispatcher.destroy()
  })
})

async function play({ origin: replies = FRESH, options = {}, inner, asks }: Scenario): Promise<string> {
  await using origin = await startOrigin(replies)
  const cache = cacheInterceptor(options)
  const dispatcher = new Agent().compose(inner === undefined ? [cache] : [inner, cache])
  let info: CacheInfo | undefined
  for (const options of asks) info = await ask(dispatcher, origin.url, options)
  await cache.close()
  await dispatcher.close()
  return wordsOf(info)
}

async function ask(dispatcher: Dispatcher, url: string, options: Ask = {}): Promise<CacheInfo | undefined> {
  const response = await request(url, { ...options, dispatcher })
  await response.body.text()
  return cacheInfo(response)
}

function wordsOf(info: CacheInfo | undefined): string {
  return `${info?.outcome}: ${info?.reason}`
}

function says(cacheControl: string, headers: Record<string, string> = {}): Reply {
  return { headers: { 'cache-control': cacheControl, ...headers }, body: 'x1' }
}

function fail(): never {
  throw new Error('a fault')
}

function hang(): never {
  return new Promise(() => {}) as never
}

/** So many bytes of ten. */
function partOfTen(range: string): Reply {
  const [start = 0, last = 0] = range.split('-').map(Number)
  const headers = { 'cache-control': 'max-age=60', etag: '"1"', 'content-range': `bytes ${range}/10` }
  return { status: 206, headers, body: 'x'.repeat(last + 1 - start) }
}

function asking(headers: Record<string, string>): Ask {
  return { headers }
}

/** A second passes each time that it is looked at. */
function tickingClock(): () => number {
  let nowMs = Date.now()
  return () => (nowMs += 1000)
}

/** A response that only the end of its connection ends. */
async function untilClosed(_request: unknown, response: Parameters<Responder>[1]): Promise<undefined> {
  response.useChunkedEncodingByDefault = false
  response.writeHead(200, { 'cache-control': 'max-age=60', connection: 'close' })
  response.end('x')
  await once(response, 'close')
  return undefined
}
