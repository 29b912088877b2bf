// Stored bodies of which a store loses the rest, once the client has got the beginning.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, interceptors, request } from 'undici'
import { type CacheOptions, cacheInterceptor, type StoreOperation } from 'undici-http-cache'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, Clock, type RequestOptions, until } from '../support/cached-agent.ts'
import { APIS, handlerOf } from '../support/handlers.ts'
import { type Origin, type Reply, type SeenRequest, startOrigin } from '../support/origin.ts'
import { rangedReply } from '../support/ranges.ts'

const MEBIBYTE = 1_048_576
const PIECE_BYTES = 65_536
const BODY = randomBytes(5 * PIECE_BYTES)
const FRESH = { 'cache-control': 'max-age=60' }
const STRONG: Reply = { headers: { ...FRESH, etag: '"a"' }, body: BODY }
/** More than bodies are read ahead. */
const KEPT_PIECES = 2

type How = 'fails' | 'cannot be read' | 'hangs'

interface Scene extends AsyncDisposable {
  readonly origin: Origin
  readonly store: AsyncStore
  readonly cached: CachedAgent
  readonly told: StoreOperation[]
  /** What the origin has from now on. */
  reply: Reply
  /** Answers requests for ranges in place of an origin that serves them. */
  answer: ((request: SeenRequest) => Reply | undefined | Promise<Reply | undefined>) | undefined
  /** The rest of each body is lost from now on, after so many pieces. */
  lose(how: How, afterPieces?: number): void
  /** The fields of the requests for the rest. */
  asked(): (readonly (string | undefined)[])[]
}

/** A cache that holds what its origin has. */
async function scene(reply: Reply = STRONG, options: CacheOptions = {}): Promise<Scene> {
  const store = new AsyncStore({ maxEntrySizeBytes: 16 * MEBIBYTE })
  const loss: { how?: How; afterPieces: number } = { afterPieces: Infinity }
  readInPieces(store, async pieces => {
    if (pieces < loss.afterPieces) return
    if (loss.how === 'fails') throw new Error('gone')
    if (loss.how === 'cannot be read') throw Object.assign(new Error('read EIO'), { code: 'EIO' })
    await new Promise(() => {})
  })
  const told: StoreOperation[] = []
  const origin = await startOrigin(request => {
    const isForRest = request.headers['if-range'] !== undefined
    return isForRest && made.answer !== undefined ? made.answer(request) : rangedReply(request, made.reply)
  })
  const cached = new CachedAgent({
    store,
    storeTimeoutMs: 200,
    onStoreError: (_error, operation) => told.push(operation),
    ...options
  })
  const made: Scene = {
    origin,
    store,
    cached,
    told,
    reply,
    answer: undefined,
    lose(how, afterPieces = KEPT_PIECES) {
      Object.assign(loss, { how, afterPieces })
    },
    asked: () => origin.requests.slice(1).map(({ headers }) => [headers.range, `${headers['if-range']}`]),
    async [Symbol.asyncDispose]() {
      await cached[Symbol.asyncDispose]()
      await origin.close()
    }
  }
  await cached.get(origin.url)
  await until(() => store.memory.entryCount === 1)
  return made
}

/** Has a store give bodies in pieces of one size; `before` is awaited before each, with the number of those before it. */
function readInPieces(store: AsyncStore, before: (pieces: number) => Promise<void>): void {
  const get = store.get.bind(store)
  async function* read(bytes: Buffer): AsyncGenerator<Uint8Array> {
    for (let start = 0; start < bytes.byteLength; start += PIECE_BYTES) {
      await before(start / PIECE_BYTES)
      yield bytes.subarray(start, start + PIECE_BYTES)
    }
  }
  store.get = async (key, variantOf) => {
    const found = await get(key, variantOf)
    const held = store.memory.get(key, variantOf).stored
    const stored = found.stored.map(({ entry }) => ({
      entry,
      open: async (range?: ByteRange) => {
        const body = await held.find(({ entry: { id } }) => id === entry.id)?.open(range)
        return body && read(Buffer.concat([body as Uint8Array | Uint8Array[]].flat()))
      }
    }))
    return { ...found, stored }
  }
}

/** Has a store give this in the place of bodies. */
function giveOut(store: AsyncStore, body: () => AsyncIterable<Uint8Array>): void {
  const get = store.get.bind(store)
  store.get = async (key, variantOf) => {
    const found = await get(key, variantOf)
    return { ...found, stored: found.stored.map(({ entry }) => ({ entry, open: async () => body() })) }
  }
}

/** Reads what comes until it fails: no more than the beginning of the body. */
async function assertBreaksOff({ cached, origin }: Scene, error: object, options: RequestOptions = {}): Promise<void> {
  const { body } = await cached.open(origin.url, options)
  const received: Buffer[] = []
  const reading = async () => {
    for await (const piece of body) received.push(piece)
  }
  await assert.rejects(reading, error)
  const bytes = Buffer.concat(received)
  assert.ok(bytes.equals(BODY.subarray(0, bytes.byteLength)), 'only bytes of the body itself')
}

const OFFSET = KEPT_PIECES * PIECE_BYTES

describe('what a store loses of a body on its way', { concurrency: 4 }, () => {
  for (const how of ['fails', 'cannot be read', 'hangs'] as const) {
    test(`comes from the origin where the store ${how}, from the byte on that is missing; and that is a hit, told once`, async () => {
      await using it = await scene()
      it.lose(how)
      const { bytes, info, headers } = await it.cached.get(it.origin.url)
      assert.ok(bytes.equals(BODY))
      assert.deepEqual([info.outcome, info.fromCache, headers['content-length']], ['hit', true, `${BODY.byteLength}`])
      assert.deepEqual(it.asked(), [[`bytes=${OFFSET}-`, '"a"']])
      assert.deepEqual(it.told, ['read'])
      // What could not be read just now may be whole.
      if (how === 'fails') await until(() => it.store.memory.entryCount === 0)
      else assert.equal(it.store.memory.entryCount, 1)
    })
  }

  test('stays stored where it is another response by now that was damaged', async () => {
    await using it = await scene()
    it.lose('fails', 4)
    const { body } = await it.cached.open(it.origin.url)
    it.reply = { headers: { ...FRESH, etag: '"b"' }, body: BODY }
    const reload = { headers: { 'cache-control': 'no-cache' } }
    await it.cached.get(it.origin.url, reload)
    await until(() => it.store.operations.filter(operation => operation === 'commit').length === 2)
    await sleep(50)
    await assert.rejects(body.arrayBuffer())
    await sleep(50)
    assert.equal(it.store.memory.entryCount, 1)
  })

  const forms: Record<string, [Reply, RequestOptions?]> = {
    'a body in chunks': [{ ...STRONG, chunked: true }],
    'a body with a coding': [{ ...STRONG, headers: { ...STRONG.headers, 'content-encoding': 'br' } }],
    'a version told by its date': [
      { ...STRONG, headers: { ...FRESH, 'last-modified': 'Mon, 23 Nov 2020 12:00:00 GMT' } }
    ],
    "the client's own conditions": [STRONG, { headers: { 'if-none-match': '"b"' } }]
  }
  for (const [what, [reply, options]] of Object.entries(forms)) {
    test(`of ${what}, too`, async () => {
      await using it = await scene(reply)
      it.lose('fails')
      assert.ok((await it.cached.get(it.origin.url, options)).bytes.equals(BODY))
      const { headers } = it.origin.requests[1] ?? {}
      assert.deepEqual([headers?.range, headers?.['if-none-match']], [`bytes=${OFFSET}-`, undefined])
    })
  }

  for (const how of ['fails', 'hangs'] as const) {
    test(`of a part comes, too, while the rest of that waits behind it: the store ${how}`, async () => {
      await using it = await scene()
      const url = `${it.origin.url}/part`
      const end = 4 * PIECE_BYTES
      for (const [range, start, stop] of [
        [undefined, 0, ''],
        ['bytes=1000-', 1000, ''],
        ['bytes=1000-299999', 1000, 299_999]
      ] as const) {
        it.lose(how, Infinity)
        await it.cached.cache.purge({ url })
        await it.cached.get(url, { headers: { range: `bytes=0-${end - 1}` } })
        await until(() => it.store.memory.entryCount === 2)
        it.lose(how)
        const before = it.asked().length
        const { bytes, info } = await it.cached.get(url, range === undefined ? {} : { headers: { range } })
        assert.ok(bytes.equals(BODY.subarray(start, stop === '' ? undefined : stop + 1)), `${range}`)
        assert.equal(info.reason, 'partial')
        assert.deepEqual(it.asked().slice(before), [
          [`bytes=${end}-${stop}`, '"a"'],
          [`bytes=${start + OFFSET}-${stop}`, '"a"']
        ])
        assert.equal(it.store.memory.entryCount, how === 'fails' ? 1 : 2, 'no half of it is stored')
      }
    })
  }

  test('of a part comes to all who read along', async () => {
    await using it = await scene()
    const url = `${it.origin.url}/part`
    await it.cached.get(url, { headers: { range: `bytes=0-${4 * PIECE_BYTES - 1}` } })
    await until(() => it.store.memory.entryCount === 2)
    it.lose('hangs')
    const all = await Promise.all(Array.from({ length: 5 }, () => it.cached.get(url)))
    assert.ok(all.every(({ bytes }) => bytes.equals(BODY)))
  })

  test('comes before the trailers that are stored', async () => {
    await using it = await scene({ ...STRONG, trailers: { 'x-sum': '1' } })
    it.lose('fails')
    it.reply = STRONG
    const { bytes, trailers } = await it.cached.get(it.origin.url)
    assert.ok(bytes.equals(BODY))
    assert.deepEqual(trailers, { 'x-sum': '1' })
  })

  const origins: Record<string, (request: SeenRequest) => Reply> = {
    'that serves ranges': request => rangedReply(request, STRONG),
    'that serves no ranges': () => STRONG,
    'that frames the whole in chunks': () => ({ ...STRONG, chunked: true }),
    'that sends a little at a time': ({ headers: { range = '' } }) => {
      const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? []
      const last = Math.min(Number(start) + 50_000, Number(end || BODY.byteLength - 1))
      return rangedReply({ headers: { range: `bytes=${start}-${last}` } }, STRONG)
    }
  }
  for (const [what, answer] of Object.entries(origins)) {
    test(`comes from an origin ${what}, for the whole and for a range`, async () => {
      for (const [range, start, end] of [
        [undefined, 0, BODY.byteLength],
        ['bytes=1000-300000', 1000, 300_001],
        ['bytes=1000-', 1000, BODY.byteLength]
      ] as const) {
        await using it = await scene()
        it.answer = answer
        it.lose('fails')
        const { bytes, info, headers } = await it.cached.get(
          it.origin.url,
          range === undefined ? {} : { headers: { range } }
        )
        assert.ok(bytes.equals(BODY.subarray(start, end)), `${bytes.byteLength} bytes for ${range}`)
        assert.deepEqual([info.outcome, headers['content-length']], ['hit', `${end - start}`])
        const [first] = it.asked()
        const last = range === undefined ? '' : end - 1
        assert.deepEqual(first, [`bytes=${start + OFFSET}-${last}`, '"a"'])
        // The connection is as good as before.
        assert.ok((await it.cached.get(`${it.origin.url}/other`)).bytes.equals(BODY))
      }
    })
  }

  const { length } = BODY
  const others: Record<string, Reply> = {
    'another version, whole': { ...STRONG, headers: { etag: '"b"' } },
    'the whole, without a word of its version': { body: BODY },
    'another version of the range': part(OFFSET, length, { etag: '"b"' }),
    'a weak validator': part(OFFSET, length, { etag: 'W/"a"' }),
    'another range': part(OFFSET + 1, length),
    'a range of something longer': part(OFFSET, length, {
      'content-range': `bytes ${OFFSET}-${length - 1}/${length + 1}`
    }),
    'more than the range': {
      ...part(OFFSET, length),
      body: Buffer.concat([BODY.subarray(OFFSET), BODY]),
      chunked: true
    },
    'less than the range': { ...part(OFFSET, length), body: BODY.subarray(OFFSET, -1), chunked: true },
    'less than the whole': { ...STRONG, body: BODY.subarray(0, -1), chunked: true },
    'more than the whole': { ...STRONG, body: Buffer.concat([BODY, BODY]), chunked: true },
    'several ranges': { ...part(OFFSET, length), headers: { etag: '"a"', 'content-type': 'multipart/byteranges' } },
    'an error': { status: 503, body: 'no' }
  }
  for (const [what, answer] of Object.entries(others)) {
    test(`is an error where the origin sends ${what}: never wrong bytes`, async () => {
      await using it = await scene()
      it.answer = () => answer
      it.lose('fails')
      await assertBreaksOff(it, { code: 'ERR_CACHE_BODY' })
      assert.equal(it.origin.requests.length, 2)
    })
  }

  test('is an error where the origin gives next to nothing at a time', async () => {
    await using it = await scene()
    it.answer = ({ headers: { range = '' } }) => {
      const start = Number(/^bytes=(\d+)-$/.exec(range)?.[1])
      return rangedReply({ headers: { range: `bytes=${start}-${start + 9}` } }, STRONG)
    }
    it.lose('fails')
    await assertBreaksOff(it, { code: 'ERR_CACHE_BODY', message: /too little at a time/ })
    assert.equal(it.origin.requests.length, 1001)
  })

  test('is an error where the origin has compressed what bears the same date', async () => {
    const dated: Reply = { headers: { ...FRESH, 'last-modified': 'Mon, 23 Nov 2020 12:00:00 GMT' }, body: BODY }
    for (const range of [undefined, `bytes=0-${2 * OFFSET - 1}`]) {
      await using it = await scene(dated)
      it.answer = () => ({ ...dated, headers: { ...dated.headers, 'content-encoding': 'gzip' }, chunked: true })
      it.lose('fails')
      await assertBreaksOff(it, { code: 'ERR_CACHE_BODY' }, range === undefined ? {} : { headers: { range } })
    }
  })

  test('is an error where the origin sends more than the range that the client asked for', async () => {
    await using it = await scene()
    it.answer = () => part(OFFSET, length)
    it.lose('fails')
    const { body } = await it.cached.open(it.origin.url, { headers: { range: 'bytes=0-199999' } })
    await assert.rejects(body.arrayBuffer(), { code: 'ERR_CACHE_BODY' })
  })

  test('is an error where a redirect leads elsewhere', async () => {
    const store = new AsyncStore()
    await using origin = await startOrigin(request =>
      request.headers['if-range'] !== undefined && request.path === '/'
        ? { status: 307, headers: { location: '/other' } }
        : rangedReply(request, STRONG)
    )
    const cache = cacheInterceptor({ store, onStoreError() {} })
    const dispatcher = new Agent().compose(interceptors.redirect({ maxRedirections: 1 }), cache)
    await (await request(origin.url, { dispatcher })).body.arrayBuffer()
    await until(() => store.memory.entryCount === 1)
    readInPieces(store, async pieces => {
      if (pieces === KEPT_PIECES) throw new Error('gone')
    })
    const { body } = await request(origin.url, { dispatcher })
    await assert.rejects(body.arrayBuffer(), { code: 'ERR_CACHE_BODY' })
    assert.equal(origin.requests.at(-1)?.path, '/other')
    await dispatcher.close()
  })

  const alone: Record<string, [Reply, RequestOptions?]> = {
    'without a validator': [{ headers: FRESH, body: BODY }],
    'with a weak one': [{ headers: { ...FRESH, etag: 'W/"a"' }, body: BODY }],
    'of another status': [{ ...STRONG, status: 404 }],
    'that the client wants from the cache alone': [STRONG, { headers: { 'cache-control': 'only-if-cached' } }]
  }
  for (const [what, [reply, options]] of Object.entries(alone)) {
    test(`is nobody else's to give ${what}: the error is the store's`, async () => {
      for (const [how, error] of [
        ['fails', { message: 'gone' }],
        ['hangs', { code: 'ERR_CACHE_TIMEOUT' }]
      ] as const) {
        await using it = await scene(reply)
        it.lose(how)
        await assertBreaksOff(it, error, options)
        assert.equal(it.origin.requests.length, 1)
        assert.deepEqual(it.told, ['read'])
      }
    })
  }

  for (const [what, bytes] of [
    ['shorter', BODY.subarray(0, -1)],
    ['longer', Buffer.concat([BODY, BODY])]
  ] as const) {
    test(`is not appended to a body that is ${what} than it was, which may be another: an error`, async () => {
      await using it = await scene()
      giveOut(it.store, async function* () {
        yield bytes.subarray(0, OFFSET)
        yield bytes.subarray(OFFSET)
      })
      await assertBreaksOff(it, { code: 'ERR_CACHE_BODY' })
      assert.equal(it.origin.requests.length, 1)
      await until(() => it.store.memory.entryCount === 0)
      assert.deepEqual(it.told, ['read'])
    })
  }

  test('is an error of the connection where that is lost too', async () => {
    await using it = await scene()
    it.answer = () => undefined
    it.lose('fails')
    const broken = assertBreaksOff(it, { code: 'UND_ERR_SOCKET' })
    await until(() => it.origin.requests.length === 2)
    it.origin.server.closeAllConnections()
    await broken
  })

  /** All of a body comes, and not its end. */
  async function endingIn(end: () => Promise<unknown>): Promise<Scene> {
    const it = await scene({ ...STRONG, body: BODY.subarray(0, OFFSET) })
    giveOut(it.store, async function* () {
      yield BODY.subarray(0, OFFSET)
      await end()
    })
    return it
  }

  test('is nothing where only its end is late', async () => {
    await using it = await endingIn(() => new Promise(() => {}))
    assert.ok((await it.cached.get(it.origin.url)).bytes.equals(BODY.subarray(0, OFFSET)))
    assert.equal(it.origin.requests.length, 1)
  })

  test('is not asked for where the store says in the end that all of it was wrong', async () => {
    await using it = await endingIn(() => Promise.reject(new Error('damaged')))
    await assertBreaksOff(it, { message: 'damaged' })
    assert.equal(it.origin.requests.length, 1)
  })
})

describe('the rest from the origin', { concurrency: 4 }, () => {
  for (const api of APIS) {
    test(`comes at the pace of the client, which hears of one response: ${api} handler`, async () => {
      await using it = await scene()
      it.lose('fails')
      const { handler, heard } = handlerOf(api, (at, control) => {
        if (at === 'data') {
          control.pause()
          setTimeout(() => control.resume(), 1)
        }
      })
      it.cached.agent.dispatch({ origin: it.origin.url, path: '/', method: 'GET' }, handler)
      await heard.over
      assert.equal(heard.ended, 'end')
      assert.ok(Buffer.concat(heard.chunks).equals(BODY))
      assert.deepEqual(heard.calls, ['start', 'head', 'data', 'end'])
    })

    test(`is not delivered to a client that is paused: ${api} handler`, async () => {
      await using it = await scene()
      it.lose('fails', 1)
      const { handler, heard } = handlerOf(api, (at, control) => {
        if (at === 'data' && heard.chunks.length === 1) control.pause()
      })
      it.cached.agent.dispatch({ origin: it.origin.url, path: '/', method: 'GET' }, handler)
      await until(() => it.origin.requests.length === 2)
      await sleep(50)
      assert.equal(heard.chunks.length, 1)
      heard.control.resume()
      await heard.over
      assert.ok(Buffer.concat(heard.chunks).equals(BODY))
    })

    test(`is given up when the client leaves: ${api} handler`, async () => {
      await using it = await scene()
      let closed = false
      it.origin.server.on('request', (_request, response) => response.on('close', () => (closed = true)))
      it.answer = () => undefined
      it.lose('fails')
      const { handler, heard } = handlerOf(api)
      it.cached.agent.dispatch({ origin: it.origin.url, path: '/', method: 'GET' }, handler)
      await until(() => it.origin.requests.length === 2)
      const left = new Error('left')
      heard.control.abort(left)
      await heard.over
      assert.deepEqual([heard.ended, heard.error], ['error', left])
      await until(() => closed)
    })
  }

  test('is asked for as the request was, whatever became of its options', async () => {
    await using it = await scene()
    it.lose('fails')
    const { handler, heard } = handlerOf('modern')
    const headers: Record<string, string> = { 'x-own': '1' }
    const options = { origin: it.origin.url, path: '/', method: 'GET' as const, headers, query: { a: '1' } }
    await it.cached.get(`${it.origin.url}/?a=1`)
    await until(() => it.store.memory.entryCount === 2)
    it.lose('fails')
    it.cached.agent.dispatch(options, handler)
    options.path = '/another'
    options.query.a = '2'
    headers['x-own'] = '2'
    await heard.over
    assert.ok(Buffer.concat(heard.chunks).equals(BODY))
    const { path, headers: sent } = it.origin.requests.at(-1) ?? {}
    assert.deepEqual([path, sent?.['x-own'], sent?.range], ['/?a=1', '1', `bytes=${OFFSET}-`])
  })

  test('completes what was served stale in place of an error, if the origin has the same version', async () => {
    const clock = new Clock()
    const headers = {
      etag: '"a"',
      'cache-control': 'max-age=60, stale-if-error=600',
      date: new Date(clock.nowMs).toUTCString()
    }
    for (const etag of ['"a"', '"b"']) {
      await using it = await scene({ headers, body: BODY }, { now: clock.now })
      clock.advance(90)
      it.lose('fails')
      it.reply = { status: 503 }
      it.answer = request => rangedReply(request, { headers: { etag }, body: BODY })
      const reading = it.cached.get(it.origin.url)
      if (etag === '"b"') await assert.rejects(reading, { code: 'ERR_CACHE_BODY' })
      else {
        const { bytes, info } = await reading
        assert.deepEqual([bytes.equals(BODY), info.outcome, info.reason], [true, 'stale', 'stale-if-error'])
      }
      clock.advance(-90)
    }
  })

  test('completes what the origin has just confirmed', async () => {
    await using it = await scene()
    it.lose('fails')
    it.reply = { status: 304, headers: { ...FRESH, etag: '"a"' } }
    it.answer = request => rangedReply(request, STRONG)
    const { bytes, info } = await it.cached.get(it.origin.url, { headers: { 'cache-control': 'no-cache' } })
    assert.deepEqual([bytes.equals(BODY), info.outcome], [true, 'revalidated'])
  })

  test('comes though the cache, and its store, have been closed meanwhile', async () => {
    await using it = await scene()
    it.lose('hangs')
    const { body } = await it.cached.open(it.origin.url)
    await once(body, 'readable')
    await it.cached.cache.close()
    assert.ok(Buffer.from(await body.arrayBuffer()).equals(BODY))
  })

  test('comes to one who has fallen behind others, and reads on from a store that then fails', async () => {
    const large = randomBytes(8 * MEBIBYTE)
    const reply: Reply = { headers: { ...FRESH, etag: '"large"' }, body: large }
    await using it = await scene()
    it.reply = reply
    const url = `${it.origin.url}/large`
    it.lose('fails')
    const [fast, slow] = await Promise.all([it.cached.open(url), it.cached.open(url)])
    await once(slow.body, 'readable')
    assert.ok(Buffer.from(await fast.body.arrayBuffer()).equals(large))
    assert.ok(Buffer.from(await slow.body.arrayBuffer()).equals(large))
    const { range } = it.origin.requests.at(-1)?.headers ?? {}
    assert.match(range ?? '', /^bytes=\d+-/)
    assert.deepEqual(it.told, ['read'])
  })
})

/** A 206 that brings bytes `start` up to, but not including, `end`. */
function part(start: number, end: number, headers: Record<string, string> = {}): Reply {
  const range = `bytes ${start}-${end - 1}/${BODY.byteLength}`
  return { status: 206, headers: { etag: '"a"', 'content-range': range, ...headers }, body: BODY.subarray(start, end) }
}
