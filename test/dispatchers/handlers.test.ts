import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { Agent, type Dispatcher, MockAgent } from 'undici'
import { type CacheInfo, type CacheStore, cacheInfo, cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { ask } from '../support/ask.ts'
import { asyncStore } from '../support/async-memory-store.ts'
import { APIS, type Api, type Callback, type Heard, handlerOf, parseRaw, type Reaction } from '../support/handlers.ts'
import { type Origin, type SeenRequest, startOrigin } from '../support/origin.ts'
import { Witness } from '../support/witness.ts'

const witness = new Witness()
let agent: Agent
let origin: Origin
before(async () => {
  agent = new Agent()
  origin = await startOrigin(respond)
})
after(async () => {
  await witness.check()
  await agent.close()
  await origin.close()
})

const COOKIES = ['a=1', 'b=2']
const LARGE = Buffer.alloc(200_000, 'abcdefghij')

/** What each path does is in the table of situations below. */
function respond({ path, headers }: SeenRequest) {
  const fields = { 'set-cookie': COOKIES, 'x-field': 'value' }
  const fresh = { ...fields, 'cache-control': 'public, max-age=60' }
  const checked = { ...fields, 'cache-control': 'public, max-age=0', etag: '"1"' }
  switch (path.slice(1).split('?')[0]) {
    case 'fresh':
      return { headers: fresh, body: 'body', trailers: { 'x-sum': '1' } }
    case 'large':
      return { headers: fresh, body: LARGE }
    case 'empty':
      return { headers: fresh }
    case 'checked':
      return headers['if-none-match'] === '"1"' ? { status: 304, headers: checked } : { headers: checked, body: 'body' }
    case 'behind':
      return {
        headers: { ...fields, age: '2', 'cache-control': 'public, max-age=1, stale-while-revalidate=1000' },
        body: 'body'
      }
    case 'failing':
      return headers['x-fail'] === undefined
        ? { headers: { ...fields, age: '2', 'cache-control': 'public, max-age=1, stale-if-error=1000' }, body: 'body' }
        : { status: 500, headers: fields, body: 'error' }
    default:
      return { headers: { ...fields, 'cache-control': 'no-store' }, body: 'body' }
  }
}

interface Situation {
  readonly path: string
  readonly headers?: Record<string, string>
  /** Whether the path has been asked for before. */
  readonly primed: boolean
  readonly outcome: CacheInfo['outcome']
  readonly calls: readonly Callback[]
  readonly body: string
}

const WHOLE = ['start', 'head', 'data', 'end'] as const
const SITUATIONS: Record<string, Situation> = {
  'a miss': { path: '/fresh', primed: false, outcome: 'miss', calls: WHOLE, body: 'body' },
  'a miss that is not stored': { path: '/other', primed: false, outcome: 'miss', calls: WHOLE, body: 'body' },
  'a large miss': { path: '/large', primed: false, outcome: 'miss', calls: WHOLE, body: LARGE.toString() },
  'an empty miss': { path: '/empty', primed: false, outcome: 'miss', calls: ['start', 'head', 'end'], body: '' },
  'a hit': { path: '/fresh', primed: true, outcome: 'hit', calls: WHOLE, body: 'body' },
  'a large hit': { path: '/large', primed: true, outcome: 'hit', calls: WHOLE, body: LARGE.toString() },
  'an empty hit': { path: '/empty', primed: true, outcome: 'hit', calls: ['start', 'head', 'end'], body: '' },
  'a revalidated response': { path: '/checked', primed: true, outcome: 'revalidated', calls: WHOLE, body: 'body' },
  'a stale response, revalidated behind it': {
    path: '/behind',
    primed: true,
    outcome: 'stale',
    calls: WHOLE,
    body: 'body'
  },
  'a stale response in place of an error': {
    path: '/failing',
    headers: { 'x-fail': '1' },
    primed: true,
    outcome: 'stale',
    calls: WHOLE,
    body: 'body'
  },
  'a 504 of the cache': {
    path: '/nothing',
    headers: { 'cache-control': 'only-if-cached' },
    primed: false,
    outcome: 'unsatisfiable',
    calls: ['start', 'head', 'end'],
    body: ''
  },
  'a bypass': {
    path: '/fresh',
    headers: { 'cache-control': 'no-store' },
    primed: true,
    outcome: 'bypass',
    calls: WHOLE,
    body: 'body'
  }
}

const STORES: Record<string, () => CacheStore> = {
  'a store that answers at once': () => new MemoryStore(),
  'a store that answers later': () => asyncStore()
}

function caching(store: CacheStore): Dispatcher {
  return agent.compose(cacheInterceptor({ store }), witness.interceptor)
}

/** Dispatches in a situation, with a handler written by hand. */
async function play(api: Api, situation: Situation, store: CacheStore, react?: Reaction): Promise<Heard> {
  const dispatcher = caching(store)
  const { path, headers = {}, primed } = situation
  if (primed) {
    await ask(dispatcher, origin.url + path)
    // A store that answers later is not done with the last chunk yet.
    await quiet()
  }
  const { handler, heard } = handlerOf(api, react)
  const accepted: unknown = dispatcher.dispatch({ origin: origin.url, path, method: 'GET', headers }, handler)
  assert.equal(typeof accepted, 'boolean')
  return heard
}

/** Until nothing more is to be expected. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 10; i++) await turn()
}

for (const [storeName, makeStore] of Object.entries(STORES)) {
  for (const api of APIS) {
    describe(`a ${api} handler, with ${storeName}`, () => {
      for (const [name, situation] of Object.entries(SITUATIONS)) {
        test(`gets each call of ${name} once, in order`, async () => {
          const heard = await play(api, situation, makeStore())
          await heard.over
          await quiet()
          assert.deepEqual(heard.calls, situation.calls)
          assert.equal(heard.body === situation.body, true)
          assert.equal(cacheInfo({ context: heard.context })?.outcome, situation.outcome)
          assert.equal(heard.context?.['fromCache'], ['hit', 'stale', 'revalidated'].includes(situation.outcome))
        })

        test(`gets the header section of ${name}, with Age and Cache-Status in both of its forms`, async () => {
          const heard = await play(api, situation, makeStore())
          await heard.over
          const raw = parseRaw(heard.rawHeaders)
          if (api === 'modern') assert.deepEqual({ ...heard.headers }, raw)
          const { outcome } = situation
          assert.equal(heard.statusCode, outcome === 'unsatisfiable' ? 504 : 200)
          assert.equal(heard.statusMessage, outcome === 'unsatisfiable' ? 'Gateway Timeout' : 'OK')
          if (outcome !== 'unsatisfiable') {
            assert.deepEqual(raw['set-cookie'], COOKIES)
            assert.equal(raw['x-field'], 'value')
          }
          assert.match(String(raw['cache-status']), /^undici-http-cache(;|$)/)
          if (outcome === 'hit' || outcome === 'stale') assert.match(String(raw['age']), /^\d+$/)
          // Every line is a flat pair of Buffers: no undici then folds several lines into one.
          assert.equal(heard.rawHeaders?.every(Buffer.isBuffer), true)
        })

        for (const at of situation.calls.filter(call => call !== 'end')) {
          test(`that pauses at ${at} of ${name} gets nothing more before it resumes`, async () => {
            let pausedAt = -1
            const heard = await play(api, situation, makeStore(), (callback, control, { calls, chunks }) => {
              if (callback !== at || pausedAt !== -1) return
              control.pause()
              pausedAt = calls.length + chunks.length
            })
            while (pausedAt === -1) await turn()
            await quiet()
            // The header section comes all the same: there is nothing to hold back but content.
            assert.equal(heard.chunks.length, at === 'data' ? 1 : 0)
            assert.equal(heard.calls.includes('end'), false)
            heard.control.resume()
            await heard.over
            assert.deepEqual(heard.calls, situation.calls)
            assert.equal(heard.body === situation.body, true)
          })

          test(`that aborts at ${at} of ${name} gets its reason, and nothing else`, async () => {
            const reason = new Error('aborted')
            const heard = await play(api, situation, makeStore(), (callback, control, { error }) => {
              if (callback === at && error === undefined) control.abort(reason)
            })
            await heard.over
            await quiet()
            assert.deepEqual(heard.calls, [...situation.calls.slice(0, situation.calls.indexOf(at) + 1), 'error'])
            assert.equal(heard.error, reason)
            if (at === 'data') assert.equal(heard.chunks.length, 1)
          })

          test(`that throws at ${at} of ${name} gets what it threw, and nothing else`, async () => {
            const thrown = new Error('thrown')
            const heard = await play(api, situation, makeStore(), callback => {
              if (callback === at) throw thrown
            })
            await heard.over
            await quiet()
            assert.deepEqual(heard.calls, [...situation.calls.slice(0, situation.calls.indexOf(at) + 1), 'error'])
            assert.equal(heard.error, thrown)
          })
        }

        test(`that throws at the end of ${name} gets what it threw`, async () => {
          const thrown = new Error('thrown')
          const heard = await play(api, situation, makeStore(), callback => {
            if (callback === 'end') throw thrown
          })
          await heard.over
          await quiet()
          assert.deepEqual(heard.calls, [...situation.calls, 'error'])
          assert.equal(heard.error, thrown)
        })

        test(`that goes on pausing, resuming and aborting after ${name} changes nothing`, async () => {
          const heard = await play(api, situation, makeStore())
          await heard.over
          const { control } = heard
          control.pause()
          control.resume()
          control.abort(new Error('late'))
          control.resume()
          await quiet()
          assert.deepEqual(heard.calls, situation.calls)
        })
      }

      test('that aborts while it has paused gets its reason', async () => {
        for (const situation of [SITUATIONS['a large miss'], SITUATIONS['a large hit']] as Situation[]) {
          const reason = new Error('aborted')
          const heard = await play(api, situation, makeStore(), (callback, control) => {
            if (callback === 'data') control.pause()
          })
          while (heard.chunks.length === 0) await turn()
          heard.control.abort(reason)
          await heard.over
          assert.deepEqual(heard.calls, ['start', 'head', 'data', 'error'])
          assert.equal(heard.error, reason)
        }
      })

      test('that aborts without a reason gets an AbortError', async () => {
        for (const name of ['a miss', 'a hit']) {
          const heard = await play(api, SITUATIONS[name]!, makeStore(), (callback, control) => {
            if (callback === 'head') control.abort()
          })
          await heard.over
          assert.equal(heard.error?.name, 'AbortError')
          assert.equal((heard.error as NodeJS.ErrnoException).code, 'UND_ERR_ABORTED')
        }
      })

      test('that pauses and resumes within each callback gets all of a large hit and a large miss', async () => {
        for (const situation of [SITUATIONS['a large miss'], SITUATIONS['a large hit']] as Situation[]) {
          const heard = await play(api, situation, makeStore(), (callback, control) => {
            if (callback === 'end' || callback === 'error') return
            control.pause()
            control.resume()
          })
          await heard.over
          assert.deepEqual(heard.calls, situation.calls)
          assert.equal(heard.body === situation.body, true)
        }
      })

      test('that takes one chunk a turn gets all of a large hit and a large miss', async () => {
        for (const situation of [SITUATIONS['a large miss'], SITUATIONS['a large hit']] as Situation[]) {
          const heard = await play(api, situation, makeStore(), (callback, control) => {
            if (callback !== 'data') return
            control.pause()
            setImmediate(() => control.resume())
          })
          await heard.over
          assert.deepEqual(heard.calls, situation.calls)
          assert.equal(heard.body === situation.body, true)
        }
      })

      test('gets trailers on a miss and on a hit', async () => {
        for (const name of ['a miss', 'a hit']) {
          const { trailers, over } = await play(api, SITUATIONS[name]!, makeStore()).then(async heard => {
            await heard.over
            return heard
          })
          await over
          const parsed = api === 'modern' ? { ...(trailers as object) } : parseRaw(trailers as Buffer[])
          assert.deepEqual(parsed, { 'x-sum': '1' })
        }
      })

      test('that changes all that it is given changes nothing for those who come later', async () => {
        const store = makeStore()
        const dispatcher = caching(store)
        const spoil: Reaction = (callback, _control, heard) => {
          if (callback === 'head') {
            for (const value of Object.values(heard.headers ?? {})) if (Array.isArray(value)) value.push('spoilt')
            Object.assign(heard.headers ?? {}, { 'x-field': 'spoilt', 'content-length': '1', 'x-more': '1' })
          }
          if (callback === 'data') heard.chunks.at(-1)?.fill('#')
          if (callback === 'end') {
            if (Array.isArray(heard.trailers)) heard.trailers.length = 0
            else Object.assign(heard.trailers as object, { 'x-sum': 'spoilt' })
            for (const bytes of heard.rawHeaders ?? []) bytes.fill('#')
            heard.rawHeaders?.splice(0, 4)
          }
        }
        for (const outcome of ['miss', 'hit', 'hit', 'hit'] as const) {
          const { handler, heard } = handlerOf(api, spoil)
          dispatcher.dispatch({ origin: origin.url, path: '/fresh', method: 'GET' }, handler)
          await heard.over
          assert.equal(cacheInfo({ context: heard.context })?.outcome, outcome)
        }
        for (const other of APIS) {
          const { handler, heard } = handlerOf(other)
          dispatcher.dispatch({ origin: origin.url, path: '/fresh', method: 'GET' }, handler)
          await heard.over
          const headers = parseRaw(heard.rawHeaders)
          assert.equal(heard.body, 'body')
          assert.equal(headers['x-field'], 'value')
          assert.deepEqual(headers['set-cookie'], COOKIES)
          assert.equal(headers['x-more'], undefined)
          if (other === 'modern') assert.deepEqual({ ...heard.headers }, headers)
          const { trailers } = heard
          const parsed = other === 'modern' ? { ...(trailers as object) } : parseRaw(trailers as Buffer[])
          assert.deepEqual(parsed, { 'x-sum': '1' })
        }
      })
    })
  }
}

test('a handler may put what it has made of the fields in their place, as undici has done itself', async () => {
  const dispatcher = new Agent().compose(cacheInterceptor())
  for (const outcome of ['miss', 'hit']) {
    let left: unknown
    let info: unknown
    await new Promise<void>((resolve, reject) => {
      dispatcher.dispatch(
        { origin: origin.url, path: '/fresh?replaced', method: 'GET' },
        {
          onRequestStart: (_controller, context) => {
            info = context
          },
          onResponseStart: controller =>
            Object.assign(controller, { rawHeaders: [Buffer.from('a'), Buffer.from('b')] }),
          onResponseEnd: controller => {
            left = parseRaw((controller as unknown as { rawHeaders: Buffer[] }).rawHeaders)
            resolve()
          },
          onResponseError: (_controller, error) => reject(error)
        }
      )
    })
    assert.deepEqual(left, { a: 'b' })
    assert.equal(cacheInfo({ context: info })?.outcome, outcome)
  }
  await dispatcher.close()
})

for (const api of APIS) {
  test(`a ${api} handler gets early hints before the header section, also where a stored response follows`, async () => {
    await using hinting = await startOrigin(async ({ headers }, response) => {
      await new Promise<void>(resolve => response.writeEarlyHints({ link: '</a.css>; rel=preload' }, resolve))
      const fields = { 'cache-control': 'max-age=0, stale-if-error=1000', etag: '"1"' }
      return headers['if-none-match'] === undefined ? { headers: fields, body: 'x' } : { status: 304, headers: fields }
    })
    const dispatcher = caching(new MemoryStore())
    const options = { origin: hinting.url, path: '/', method: 'GET' } as const
    for (const outcome of ['miss', 'revalidated'] as const) {
      const { handler, heard } = handlerOf(api)
      dispatcher.dispatch(options, handler)
      await heard.over
      assert.deepEqual(heard.calls, ['start', 'info', 'head', 'data', 'end'])
      assert.equal(cacheInfo(heard)?.outcome, outcome)
      // What the handler does there is its own: no failure of the origin, which stale-if-error would answer.
      for (const action of ['abort', 'throw'] as const) {
        const own = new Error(action)
        const acting = handlerOf(api, (at, control) => {
          if (at === 'info' && action === 'abort') control.abort(own)
          if (at === 'info' && action === 'throw') throw own
        })
        dispatcher.dispatch(options, acting.handler)
        await acting.heard.over
        await quiet()
        assert.deepEqual(acting.heard.calls, ['start', 'info', 'error'])
        assert.equal(acting.heard.error, own)
      }
    }
  })
}

test('a handler gets one end or one error, whatever it does in whichever callback', async () => {
  const actions = ['pause', 'pause and resume', 'pause and abort', 'abort', 'throw', 'abort and throw'] as const
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...APIS),
      fc.constantFrom(...Object.values(SITUATIONS)),
      fc.constantFrom(...Object.values(STORES)),
      fc.dictionary(fc.constantFrom<Callback>('start', 'head', 'data', 'end'), fc.constantFrom(...actions)),
      async (api, situation, makeStore, plan) => {
        const heard = await play(api, situation, makeStore(), (at, control) => {
          const action = plan[at]
          if (action === undefined) return
          if (action.startsWith('pause')) {
            control.pause()
            if (action === 'pause and abort') setImmediate(() => control.abort(new Error('later')))
            else setImmediate(() => control.resume())
          }
          if (action.startsWith('abort')) control.abort(new Error('now'))
          if (action.endsWith('throw')) throw new Error('thrown')
        })
        await heard.over
        await quiet()
        const ends = heard.calls.filter(call => call === 'end' || call === 'error')
        const threwAtEnd = plan.end?.endsWith('throw') && ends[0] === 'end'
        assert.deepEqual(ends, threwAtEnd ? ['end', 'error'] : ends.slice(0, 1))
        assert.equal(ends.length >= 1, true)
        assert.equal(heard.calls.at(-1), ends.at(-1))
        if (ends[0] === 'end') assert.equal(heard.body === situation.body, true)
        else assert.equal(situation.body.startsWith(heard.body), true)
      }
    ),
    { numRuns: 300 }
  )
})

test('a handler that throws at a chunk of a mocked reply gets one error, with a store that answers later', async () => {
  const mock = new MockAgent()
  mock.disableNetConnect()
  const pool = mock.get('http://mock.test')
  // A mocked reply comes whole, whether it was paused or not.
  pool
    .intercept({ path: '/' })
    .reply(200, 'x', { headers: { 'cache-control': 'max-age=0', 'content-length': '1', etag: '"1"' } })
  pool
    .intercept({ path: '/' })
    .reply(200, 'y', { headers: { 'cache-control': 'max-age=0', 'content-length': '1', etag: '"2"' } })
  pool.intercept({ path: '/', method: 'POST' }).reply(200, 'z')
  const dispatcher = mock.compose(cacheInterceptor({ store: asyncStore() }), witness.interceptor)
  for (const method of ['GET', 'GET', 'POST'] as const) {
    for (const at of ['data'] as const) {
      const thrown = new Error('thrown')
      const { handler, heard } = handlerOf('modern', callback => {
        if (callback === at) throw thrown
      })
      dispatcher.dispatch({ origin: 'http://mock.test', path: '/', method }, handler)
      await heard.over
      await quiet()
      assert.deepEqual(heard.calls, ['start', 'head', 'data', 'error'])
      assert.equal(heard.error, thrown)
    }
  }
  await mock.close()
})
