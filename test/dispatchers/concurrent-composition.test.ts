// Requests at once, with each of undici's interceptors below the cache and above it: all of them end, with their own bodies.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers'
import { gzipSync } from 'node:zlib'
import { Agent, type Dispatcher, fetch, interceptors, request } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { type Responder, startOrigin } from '../support/origin.ts'
import { undiciMajor } from '../support/undici.ts'
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

const lookup = (_origin: unknown, _options: unknown, callback: (error: null, records: unknown) => void) =>
  callback(null, [{ address: '127.0.0.1', family: 4, ttl: 60_000 }])

const LAYERS: Record<string, () => Interceptor> = {
  redirect: () => interceptors.redirect({ maxRedirections: 3 }),
  retry: () => interceptors.retry({ minTimeout: 1, maxRetries: 2 }),
  dump: () => interceptors.dump({ maxSize: 2 ** 20 }),
  dns: () => interceptors.dns({ dualStack: false, affinity: 4, lookup } as Parameters<typeof interceptors.dns>[0]),
  cache: () => interceptors.cache() as Interceptor,
  deduplicate: () => interceptors.deduplicate(),
  decompress: () => interceptors.decompress(),
  responseError: () => interceptors.responseError()
}

const LARGE = 'x'.repeat(300_000)

interface Kind {
  readonly respond: Responder
  readonly body: string | RegExp
  readonly path?: string
  /** Makes it stored, and stale. */
  readonly isPrimed?: boolean
}

const slowly = (respond: Responder): Responder => {
  return async (seen, response) => {
    await new Promise(resolve => setTimeout(resolve, 15))
    return respond(seen, response)
  }
}

const KINDS: Record<string, Kind> = {
  'a storable response': { respond: () => ({ headers: { 'cache-control': 'max-age=60' }, body: 'x' }), body: 'x' },
  'a storable response in chunks': {
    respond: () => ({ headers: { 'cache-control': 'max-age=60' }, body: LARGE, chunked: true }),
    body: LARGE
  },
  'no-store': { respond: () => ({ headers: { 'cache-control': 'no-store' }, body: 'x' }), body: 'x' },
  'no-store without a body': { respond: () => ({ headers: { 'cache-control': 'no-store' } }), body: '' },
  'a large response with no-store': {
    respond: () => ({ headers: { 'cache-control': 'no-store' }, body: LARGE }),
    body: LARGE
  },
  'Vary: *': { respond: () => ({ headers: { 'cache-control': 'max-age=60', vary: '*' }, body: 'x' }), body: 'x' },
  'a content coding': {
    respond: () => ({ headers: { 'content-encoding': 'gzip', 'cache-control': 'no-store' }, body: gzipSync('x') }),
    body: /./
  },
  'early hints, and then no-store': {
    respond: (_seen, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      return { headers: { 'cache-control': 'no-store' }, body: 'x' }
    },
    body: 'x'
  },
  'a redirect': {
    respond: ({ path }) =>
      path === '/from'
        ? { status: 302, headers: { location: '/to', 'cache-control': 'no-store' }, body: 'moved' }
        : { headers: { 'cache-control': 'max-age=60' }, body: 'x' },
    path: '/from',
    body: /^(x|moved)$/
  },
  'a 304 to what is stored': {
    respond: ({ headers }) =>
      headers['if-none-match'] === '"1"'
        ? { status: 304, headers: { etag: '"1"', 'cache-control': 'max-age=0' } }
        : { headers: { etag: '"1"', 'cache-control': 'max-age=0' }, body: 'x' },
    body: 'x',
    isPrimed: true
  },
  'a no-store in place of what is stored': {
    respond: ({ number }) => ({
      headers: { etag: `"${number}"`, 'cache-control': number === 1 ? 'max-age=0' : 'no-store' },
      body: 'x'
    }),
    body: 'x',
    isPrimed: true
  },
  'stale while revalidated': {
    respond: ({ number }) => ({
      headers: { 'cache-control': number === 1 ? 'max-age=0, stale-while-revalidate=60' : 'no-store' },
      body: 'x'
    }),
    body: 'x',
    isPrimed: true
  }
}

async function viaRequest(url: string, headers: Record<string, string>, dispatcher: Dispatcher): Promise<string> {
  return (await request(url, { dispatcher, headers })).body.text()
}

async function viaFetch(url: string, headers: Record<string, string>, dispatcher: Dispatcher): Promise<string> {
  return (await fetch(url, { dispatcher, headers, redirect: 'manual' })).text()
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>(resolve => {
    timer = setTimeout(() => resolve(`nothing within ${ms} ms`), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

test('each interceptor that this undici has is tried', () => {
  for (const name of Object.keys(interceptors)) assert.ok(LAYERS[name], name)
})

/** With or without a cache, some interceptors of undici 7 do not bear a 1xx. */
function bears(name: string, kind: string): boolean {
  const isFatal = undiciMajor === 7 && ['retry', 'dump', 'decompress', 'responseError'].includes(name)
  return !(isFatal && kind.startsWith('early hints'))
}

for (const [name, make] of Object.entries(LAYERS)) {
  if (typeof interceptors[name as 'retry'] !== 'function') continue
  for (const place of ['below', 'above'] as const) {
    describe(`${name} ${place} the cache: 1, 2 and 7 at once, by request() and by fetch(), each get`, () => {
      const isBodiless = name === 'dump'
      for (const [kind, { respond, body, path = '/', isPrimed }] of Object.entries(KINDS)) {
        if (!bears(name, kind)) continue
        const tryWith = async (count: number, send: typeof viaRequest): Promise<void> => {
          await using origin = await startOrigin(slowly(respond))
          const layers = [cacheInterceptor(), witness.interceptor]
          if (place === 'below') layers.unshift(make())
          if (place === 'above') layers.splice(-1, 0, make())
          const dispatcher = agent.compose(layers)
          if (isPrimed) await send(origin.url + path, {}, dispatcher)
          const all = Array.from({ length: count }, () => send(origin.url + path, {}, dispatcher))
          const texts = await within(5000, Promise.all(all))
          assert.ok(Array.isArray(texts), `${send.name} ${count}: ${texts}`)
          for (const text of texts) {
            if (isBodiless) assert.equal(text, '')
            else if (typeof body === 'string') assert.ok(text === body, `${send.name} ${count}: ${text.length} bytes`)
            else assert.match(text, body)
          }
        }
        test(kind, async () => {
          await Promise.all([1, 2, 7].flatMap(count => [viaRequest, viaFetch].map(send => tryWith(count, send))))
        })
      }
    })
  }
}

describe('the cache sends nothing of its own within a callback of a response', () => {
  /** Says when a request is sent from within a callback of a response. */
  function probe(offences: string[]): Interceptor {
    let depth = 0
    return dispatch => (opts, handler) => {
      if (depth > 0) offences.push(`${opts.method} ${opts.path}`)
      const watched = new Proxy(handler, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key)
          if (typeof value !== 'function') return value
          return (...args: unknown[]): unknown => {
            depth++
            try {
              return value.apply(target, args)
            } finally {
              depth--
            }
          }
        }
      })
      return dispatch(opts, watched)
    }
  }

  const VALIDATOR = { etag: '"1"', 'cache-control': 'max-age=60' }
  const KINDS_OF_ITS_OWN: Record<string, Kind> = {
    ...KINDS,
    'a 304 that speaks of nothing that is stored': {
      respond: ({ headers }) =>
        headers['if-none-match'] === undefined
          ? { headers: { etag: '"1"', 'cache-control': 'max-age=0' }, body: 'x' }
          : { status: 304, headers: { etag: '"other"' } },
      body: 'x',
      isPrimed: true
    },
    'a response that breaks off': {
      respond: ({ number }, response) => {
        if (number > 1) return { headers: VALIDATOR, body: 'x' }
        response.destroy()
        return undefined
      },
      body: 'x'
    },
    'a 503': {
      respond: ({ number }) => (number === 1 ? { status: 503, body: 'x' } : { headers: VALIDATOR, body: 'x' }),
      body: 'x'
    },
    'a Vary that differs': {
      respond: () => ({ headers: { ...VALIDATOR, vary: 'accept-language' }, body: 'x' }),
      body: 'x'
    }
  }

  for (const [kind, { respond, path = '/', isPrimed }] of Object.entries(KINDS_OF_ITS_OWN)) {
    test(kind, async () => {
      await using origin = await startOrigin(slowly(respond))
      const offences: string[] = []
      const dispatcher = agent.compose(probe(offences), cacheInterceptor(), witness.interceptor)
      if (isPrimed) await viaRequest(origin.url + path, {}, dispatcher)
      const all = Array.from({ length: 5 }, (_, i) =>
        viaRequest(origin.url + path, { 'accept-language': `l${i}` }, dispatcher)
      )
      const settled = await within(5000, Promise.allSettled(all))
      assert.ok(Array.isArray(settled), String(settled))
      await new Promise(resolve => setImmediate(resolve))
      assert.deepEqual(offences, [])
    })
  }

  for (const [kind, answer] of Object.entries({
    'the rest of a part': { status: 206, from: 3 },
    'the rest of a part, piece by piece': { status: 206, from: 3, piece: 2 },
    'a part of another version': { status: 200, from: 0 }
  } as Record<string, { status: number; from: number; piece?: number }>)) {
    test(kind, async () => {
      const whole = '0123456789'
      await using origin = await startOrigin(({ headers, number }) => {
        const range = /bytes=(\d+)-(\d*)/.exec(String(headers['range']))
        if (range === null || (number > 1 && answer.status === 200)) {
          return { headers: { ...VALIDATOR, etag: number > 1 ? '"2"' : '"1"' }, body: whole }
        }
        const start = Number(range[1])
        const end = Math.min(
          range[2] === '' ? whole.length : Number(range[2]) + 1,
          number > 1 && answer.piece !== undefined ? start + answer.piece : whole.length
        )
        return {
          status: 206,
          headers: { ...VALIDATOR, 'content-range': `bytes ${start}-${end - 1}/${whole.length}` },
          body: whole.slice(start, end)
        }
      })
      const offences: string[] = []
      const dispatcher = agent.compose(probe(offences), cacheInterceptor(), witness.interceptor)
      await viaRequest(origin.url, { range: 'bytes=0-3' }, dispatcher)
      const all = Array.from({ length: 5 }, () => viaRequest(origin.url, {}, dispatcher))
      const texts = await within(5000, Promise.all(all))
      assert.deepEqual(texts, Array(5).fill(whole))
      assert.deepEqual(offences, [])
    })
  }
})
