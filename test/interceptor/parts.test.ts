// Parts of responses through real connections: stored, answered from, completed, joined, and resumed.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, cacheStores, interceptors, request } from 'undici'
import { type CacheOptions, cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import type { CacheStore, Stored } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, Clock, gate, type Received, readWhole, until, withoutDates } from '../support/cached-agent.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { type Origin, type Reply, type SeenRequest, startOrigin } from '../support/origin.ts'
import { rangedReply } from '../support/ranges.ts'

const MEBIBYTE = 1_048_576
/** Makes large downloads 1 GiB. */
const isStress = process.env['STRESS'] === '1'
const BODY = randomBytes(300_000)
const FRESH = { 'cache-control': 'max-age=60', 'content-type': 'video/x' }

interface Served {
  readonly body: Buffer
  readonly etag: string
  /** So many bytes are sent of each response, then the connection is closed; all by default. */
  readonly cutAfter?: (request: SeenRequest) => number | undefined
  readonly headers?: Record<string, string>
}

/** An origin that serves ranges, and counts what it has sent. */
async function startFileOrigin(served: () => Served): Promise<Origin & { sentBytes: number }> {
  const origin = await startOrigin((request, response) => {
    const { body, etag, cutAfter, headers } = served()
    const ifRange = request.headers['if-range']
    const range = ifRange === undefined || ifRange === etag ? request.headers.range : undefined
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? []
    const start = Number(first ?? 0)
    const end = last === undefined || last === '' ? body.byteLength : Math.min(Number(last) + 1, body.byteLength)
    const all = { ...FRESH, etag, 'content-length': end - start, ...headers }
    if (first === undefined) response.writeHead(200, all)
    else response.writeHead(206, { ...all, 'content-range': `bytes ${start}-${end - 1}/${body.byteLength}` })
    const sent = Math.min(end, start + (cutAfter?.(request) ?? body.byteLength))
    void send(response, body.subarray(start, sent), sent === end, bytes => {
      counted.sentBytes += bytes
    })
    return undefined
  })
  const counted = Object.assign(origin, { sentBytes: 0 })
  return counted
}

async function send(response: ServerResponse, bytes: Buffer, isAll: boolean, count: (bytes: number) => void) {
  response.on('error', () => {})
  for (let start = 0; start < bytes.byteLength && !response.destroyed; start += 65_536) {
    const chunk = bytes.subarray(start, start + 65_536)
    count(chunk.byteLength)
    if (!response.write(chunk)) await drained(response)
  }
  if (isAll) response.end()
  else response.socket?.end()
}

/** Settles once more can be written, or nothing more. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

function ranged(range: string, headers: Record<string, string> = {}) {
  return { headers: { range, ...headers } }
}

function assertPart(received: Received, start: number, end: number, outcome: string, body = BODY): void {
  assert.equal(received.status, 206)
  assert.equal(received.headers['content-range'], `bytes ${start}-${end - 1}/${body.byteLength}`)
  assert.equal(received.headers['content-length'], `${end - start}`)
  assert.equal(received.headers['content-type'], 'video/x')
  assert.ok(received.bytes.equals(body.subarray(start, end)), `${received.bytes.byteLength} bytes of ${end - start}`)
  assert.equal(received.info.outcome, outcome)
}

function assertWhole(received: Received, outcome: string, body = BODY): void {
  assert.equal(received.status, 200)
  assert.equal(received.headers['content-range'], undefined)
  assert.equal(received.headers['content-length'], `${body.byteLength}`)
  assert.ok(received.bytes.equals(body), `${received.bytes.byteLength} bytes of ${body.byteLength}`)
  assert.equal(received.info.outcome, outcome)
}

async function* tooMuch(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(300_000)
}

/** The ranges that the origin was asked for. */
function rangesAsked({ requests }: Origin) {
  return requests.map(({ headers }) => headers.range)
}

type MakeStore = (directory: string) => CacheStore

const STORES: Record<string, MakeStore> = {
  memory: () => new MemoryStore({ maxEntrySizeBytes: 100 * MEBIBYTE, maxSizeBytes: 300 * MEBIBYTE }),
  'a store of promises and streams': () =>
    new AsyncStore({ maxEntrySizeBytes: 100 * MEBIBYTE, maxSizeBytes: 300 * MEBIBYTE }),
  'a FileStore': directory => new FileStore({ directory }),
  'an LmdbStore': directory => new LmdbStore({ directory })
}

/** A cache on a store of its own. */
async function cachedOn(makeStore: MakeStore, options: CacheOptions = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'parts-'))
  const store = makeStore(directory)
  // However busy the machine is.
  const cached = new CachedAgent({ store, storeTimeoutMs: 30_000, ...options })
  return Object.assign(cached, {
    store,
    [Symbol.asyncDispose]: async () => {
      await cached.cache.close()
      await cached.agent.destroy()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    }
  })
}

for (const [kind, makeStore] of Object.entries(STORES)) {
  describe(`parts in ${kind}`, () => {
    test('are stored, and answer for what they have, byte for byte', async () => {
      await using origin = await startFileOrigin(() => ({ body: BODY, etag: '"a"' }))
      await using cached = await cachedOn(makeStore)
      assertPart(await cached.get(origin.url, ranged('bytes=100000-199999')), 100_000, 200_000, 'miss')
      for (const [range, start, end] of [
        ['bytes=100000-199999', 100_000, 200_000],
        ['bytes=100000-100000', 100_000, 100_001],
        ['bytes=165530-165540', 165_530, 165_541],
        ['bytes=199999-199999', 199_999, 200_000]
      ] as const) {
        assertPart(await cached.get(origin.url, ranged(range)), start, end, 'hit')
      }
      assert.equal(origin.requests.length, 1)
      const beyond = await cached.get(origin.url, ranged('bytes=300000-'))
      assert.deepEqual([beyond.status, beyond.headers['content-range']], [416, 'bytes */300000'])
      const onlyIfCached = ranged('bytes=99999-100000', { 'cache-control': 'only-if-cached' })
      assert.equal((await cached.get(origin.url, onlyIfCached)).status, 504)
      assert.equal(origin.requests.length, 1)
      assertWhole(await cached.get(origin.url), 'miss')
      assertWhole(await cached.get(origin.url), 'hit')
      assert.deepEqual(rangesAsked(origin), ['bytes=100000-199999', undefined])
    })

    test('are joined with those that they touch, and completed', async () => {
      await using origin = await startFileOrigin(() => ({ body: BODY, etag: '"a"' }))
      await using cached = await cachedOn(makeStore)
      assertPart(await cached.get(origin.url, ranged('bytes=100000-149999')), 100_000, 150_000, 'miss')
      assertPart(await cached.get(origin.url, ranged('bytes=150000-199999')), 150_000, 200_000, 'miss')
      assertPart(await cached.get(origin.url, ranged('bytes=120000-180000')), 120_000, 180_001, 'hit')
      assertPart(await cached.get(origin.url, ranged('bytes=50000-119999')), 50_000, 120_000, 'miss')
      assertPart(await cached.get(origin.url, ranged('bytes=50000-199999')), 50_000, 200_000, 'hit')
      const rest = await cached.get(origin.url, ranged('bytes=160000-'))
      assertPart(rest, 160_000, 300_000, 'miss')
      assert.match(String(rest.headers['cache-status']), /; fwd=partial; fwd-status=206;.* stored$/)
      assertPart(await cached.get(origin.url, ranged('bytes=50000-')), 50_000, 300_000, 'hit')
      assertPart(await cached.get(origin.url, ranged('bytes=0-49999')), 0, 50_000, 'miss')
      assertWhole(await cached.get(origin.url), 'hit')
      assert.deepEqual(rangesAsked(origin), [
        'bytes=100000-149999',
        'bytes=150000-199999',
        'bytes=50000-119999',
        'bytes=200000-',
        'bytes=0-49999'
      ])
    })

    test('that were on their way at the same time are joined, in whichever order they come', async () => {
      const body = randomBytes(400_000)
      await using origin = await startFileOrigin(() => ({ body, etag: '"a"' }))
      await using cached = await cachedOn(makeStore)
      const starts = [0, 100_000, 200_000, 300_000]
      const ranges = starts.map(start => ranged(`bytes=${start}-${start + 99_999}`))
      const opened = await Promise.all(ranges.map(range => cached.open(origin.url, range)))
      for (const i of [1, 0, 2, 3]) {
        const received = await readWhole(cached.cache, opened[i] ?? assert.fail())
        assertPart(received, i * 100_000, (i + 1) * 100_000, 'miss', body)
      }
      assertWhole(await cached.get(origin.url), 'hit', body)
      assert.equal(origin.requests.length, starts.length)
    })

    test('that come at the same moment are joined as far as they touch', async () => {
      const body = randomBytes(300_000)
      await using origin = await startFileOrigin(() => ({ body, etag: '"a"' }))
      await using cached = await cachedOn(makeStore)
      await Promise.all(['bytes=0-149999', 'bytes=150000-'].map(range => cached.get(origin.url, ranged(range))))
      assertWhole(await cached.get(origin.url), 'hit', body)
      assert.equal(origin.requests.length, 2)
    })

    test('are completed to the end of a range, and the origin sends each byte once', async () => {
      await using origin = await startFileOrigin(() => ({ body: BODY, etag: '"a"' }))
      await using cached = await cachedOn(makeStore)
      assertPart(await cached.get(origin.url, ranged('bytes=10000-149999')), 10_000, 150_000, 'miss')
      const completed = await cached.get(origin.url, ranged('bytes=10000-249999'))
      assertPart(completed, 10_000, 250_000, 'miss')
      assert.match(String(completed.headers['cache-status']), /; fwd=partial; fwd-status=206;.* stored$/)
      assertPart(await cached.get(origin.url, ranged('bytes=10000-249999')), 10_000, 250_000, 'hit')
      assertPart(await cached.get(origin.url, ranged('bytes=249999-279999')), 249_999, 280_000, 'miss')
      assertPart(await cached.get(origin.url, ranged('bytes=10000-279999')), 10_000, 280_000, 'hit')
      assertPart(await cached.get(origin.url, ranged('bytes=0-9999')), 0, 10_000, 'miss')
      assertPart(await cached.get(origin.url, ranged('bytes=5-400000')), 5, 300_000, 'miss')
      assertWhole(await cached.get(origin.url), 'hit')
      assert.deepEqual(rangesAsked(origin), [
        'bytes=10000-149999',
        'bytes=150000-249999',
        'bytes=250000-279999',
        'bytes=0-9999',
        'bytes=280000-'
      ])
      assert.equal(origin.sentBytes, BODY.byteLength)
    })

    test('stay where they are, and are brought up to date, when less of their version comes', async () => {
      const clock = new Clock()
      let isCut = false
      const served = () => ({ body: BODY, etag: '"a"', cutAfter: () => (isCut ? 100_000 : undefined) })
      await using origin = withoutDates(await startFileOrigin(served)) as Origin
      await using cached = await cachedOn(makeStore, { now: clock.now })
      await cached.get(origin.url, ranged('bytes=0-199999'))
      clock.advance(100)
      isCut = true
      await assert.rejects(cached.get(origin.url))
      isCut = false
      assertPart(await cached.get(origin.url, ranged('bytes=0-199999')), 0, 200_000, 'hit')
      assertWhole(await cached.get(origin.url), 'miss')
      assert.deepEqual(rangesAsked(origin), ['bytes=0-199999', undefined, 'bytes=200000-'])
    })

    const mebibytes = isStress && kind.endsWith('Store') ? 1024 : 64
    test(`a download of ${mebibytes} MiB that is cut three times costs the origin each byte once`, async context => {
      const body = randomBytes(mebibytes * MEBIBYTE)
      let cuts = 0
      await using origin = await startFileOrigin(() => ({
        body,
        etag: '"a"',
        cutAfter: () => (++cuts <= 3 ? (mebibytes / 4) * MEBIBYTE + cuts * 1000 : undefined)
      }))
      await using cached = await cachedOn(makeStore)
      for (let i = 0; i < 3; i++) await assert.rejects(cached.get(origin.url))
      assertWhole(await cached.get(origin.url), 'miss', body)
      assertWhole(await cached.get(origin.url), 'hit', body)
      assert.equal(origin.requests.length, 4)
      context.diagnostic(`${origin.sentBytes} bytes sent of ${body.byteLength}`)
      assert.ok(origin.sentBytes <= body.byteLength * 1.01, `${origin.sentBytes} bytes sent`)
    })
  })
}

describe('a part', () => {
  test('in a store that opens only whole bodies answers for what it has', async () => {
    await using origin = await startFileOrigin(() => ({ body: BODY, etag: '"a"' }))
    const makeStore = () => fromUndiciStore(new cacheStores.MemoryCacheStore())
    await using cached = await cachedOn(makeStore)
    await cached.get(origin.url, ranged('bytes=0-99999'))
    assertPart(await cached.get(origin.url, ranged('bytes=5-9')), 5, 10, 'hit')
    assertWhole(await cached.get(origin.url), 'miss')
    assert.deepEqual(rangesAsked(origin), ['bytes=0-99999', 'bytes=100000-'])
  })

  test('that is stale is validated for what it has, and fetched anew for the rest', async () => {
    const clock = new Clock()
    await using origin = withoutDates(
      await startOrigin(({ headers }) =>
        headers['if-none-match'] === '"a"'
          ? { status: 304, headers: { etag: '"a"' } }
          : headers.range === undefined
            ? { headers: { ...FRESH, etag: '"a"' }, body: BODY }
            : {
                status: 206,
                headers: { ...FRESH, etag: '"a"', 'content-range': 'bytes 0-9/300000' },
                body: BODY.subarray(0, 10)
              }
      )
    )
    await using cached = await cachedOn(() => new MemoryStore(), { now: clock.now })
    await cached.get(origin.url, ranged('bytes=0-9'))
    clock.advance(100)
    assertPart(await cached.get(origin.url, ranged('bytes=2-4')), 2, 5, 'revalidated')
    clock.advance(100)
    assertWhole(await cached.get(origin.url), 'miss')
    assert.deepEqual(origin.requests[2]?.headers['if-none-match'], undefined)
    assert.deepEqual(rangesAsked(origin), ['bytes=0-9', 'bytes=2-4', undefined])
  })

  test('is of one variant, and one partition', async () => {
    await using origin = await startFileOrigin(() => ({ body: BODY, etag: '"a"', headers: { vary: 'x' } }))
    await using cached = await cachedOn(() => new MemoryStore(), { type: 'private' })
    const asks = [{ x: '1' }, { x: '2' }, { x: '1', authorization: 'b' }, { x: '1', authorization: 'c' }]
    for (const outcome of ['miss', 'hit']) {
      for (const fields of asks) assertPart(await cached.get(origin.url, ranged('bytes=2-4', fields)), 2, 5, outcome)
    }
  })

  test('whose bytes are not as many as it says is forwarded, and not stored', async () => {
    for (const [contentRange, body] of [
      ['bytes 0-9/20', '0123'],
      ['bytes 0-3/20', '0123456789'],
      ['bytes 0-3/3', '0123'],
      ['bytes 0-3/20', '']
    ] as const) {
      for (const chunked of [true, false]) {
        const headers = { ...FRESH, etag: '"a"', 'content-range': contentRange }
        await using origin = await startOrigin({ status: 206, headers, body, chunked })
        await using cached = await cachedOn(() => new MemoryStore())
        for (let i = 0; i < 2; i++) {
          const { status, headers: sent, ...received } = await cached.get(origin.url, ranged('bytes=0-9'))
          assert.deepEqual([status, received.body, sent['content-range']], [206, body, contentRange])
        }
        assert.equal(origin.requests.length, 2)
        assert.equal((cached.store as MemoryStore).entryCount, 0)
      }
    }
  })

  test('does not take the place of a whole that came meanwhile', async () => {
    await using origin = await startFileOrigin(() => ({ body: BODY, etag: '"a"' }))
    await using cached = await cachedOn(() => new MemoryStore())
    const part = await cached.open(origin.url, ranged('bytes=0-199999'))
    assertWhole(await cached.get(origin.url), 'miss')
    assert.equal((await part.body.arrayBuffer()).byteLength, 200_000)
    assertWhole(await cached.get(origin.url), 'hit')
  })

  test('does not take the place of a larger one that came meanwhile', async () => {
    await using origin = await startFileOrigin(() => ({ body: BODY, etag: '"a"' }))
    await using cached = await cachedOn(() => new MemoryStore())
    const larger = await cached.open(origin.url, ranged('bytes=100001-299999'))
    const smaller = await cached.open(origin.url, ranged('bytes=0-99999'))
    assert.equal((await larger.body.arrayBuffer()).byteLength, 199_999)
    assert.equal((await smaller.body.arrayBuffer()).byteLength, 100_000)
    assertPart(await cached.get(origin.url, ranged('bytes=100001-299999')), 100_001, 300_000, 'hit')
  })

  test('is not held in memory to be joined: the larger stays, where what came before it is stored first', async () => {
    const body = randomBytes(MEBIBYTE)
    await using origin = await startFileOrigin(() => ({ body, etag: '"a"' }))
    for (const [split, start, end] of [
      [400_000, 400_000, MEBIBYTE],
      [600_000, 0, 600_000]
    ] as const) {
      await using cached = await cachedOn(() => new MemoryStore(), { maxBufferedBytes: 200_000 })
      const later = await cached.open(origin.url, ranged(`bytes=${split}-`))
      await cached.get(origin.url, ranged(`bytes=0-${split - 1}`))
      assertPart(await readWhole(cached.cache, later), split, MEBIBYTE, 'miss', body)
      assertPart(await cached.get(origin.url, ranged(`bytes=${start}-${end - 1}`)), start, end, 'hit', body)
    }
  })

  test('joined with another that is damaged by then leaves nothing wrong', async () => {
    await using origin = await startFileOrigin(() => ({ body: BODY, etag: '"a"' }))
    const store = new FaultyStore(new MemoryStore())
    await using cached = await cachedOn(() => store, { onStoreError: () => {} })
    const later = await cached.open(origin.url, ranged('bytes=100000-'))
    await cached.get(origin.url, ranged('bytes=0-99999'))
    store.faults.open = () => tooMuch()
    assertPart(await readWhole(cached.cache, later), 100_000, 300_000, 'miss')
    store.faults.open = undefined
    assertWhole(await cached.get(origin.url), 'miss')
    assertWhole(await cached.get(origin.url), 'hit')
  })

  test('being joined with another does not take the place of a newer version that comes meanwhile', async () => {
    const newer = randomBytes(300_000)
    let served: Served = { body: BODY, etag: '"a"' }
    await using origin = await startFileOrigin(() => served)
    for (const last of [249_999, 299_999]) {
      served = { body: BODY, etag: '"a"' }
      const store = new FaultyStore(new MemoryStore())
      await using cached = await cachedOn(() => store)
      // It does not wait until the other cache has stored the part.
      await using other = await cachedOn(() => store)
      const part = await cached.open(origin.url, ranged(`bytes=100000-${last}`))
      await cached.get(origin.url, ranged('bytes=0-99999'))
      const copied = gate()
      store.faults.open = async real => {
        await copied.opened
        return real()
      }
      const opened = store.countOf('open')
      assertPart(await readWhole(cached.cache, part), 100_000, last + 1, 'miss')
      await until(() => store.countOf('open') > opened, 'the copy')
      served = { body: newer, etag: '"b"' }
      const whole = await other.open(origin.url, { headers: { 'cache-control': 'no-cache' } })
      assertWhole(await readWhole(other.cache, whole), 'miss', newer)
      store.faults.open = undefined
      copied.open()
      await sleep(50)
      assertWhole(await cached.get(origin.url), 'hit', newer)
    }
  })

  test('that is too large to be joined stays as it is', async () => {
    const body = randomBytes(8 * MEBIBYTE)
    await using origin = await startFileOrigin(() => ({ body, etag: '"a"' }))
    await using cached = await cachedOn(() => new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE }))
    await cached.get(origin.url, ranged('bytes=0-4999999'))
    const next = await cached.get(origin.url, ranged('bytes=5000000-5000009'))
    assertPart(next, 5_000_000, 5_000_010, 'miss', body)
    assert.deepEqual([next.info.stored, next.info.reason], [false, 'larger-part'])
    assertPart(await cached.get(origin.url, ranged('bytes=7-4999999')), 7, 5_000_000, 'hit', body)
  })
})

describe('the rest of a part', () => {
  /** A cache that has the first 200,000 bytes of version "a". */
  async function withBeginning(served: { current: Served }, makeStore: MakeStore = () => new MemoryStore()) {
    const origin = await startFileOrigin(() => served.current)
    const cached = await cachedOn(makeStore)
    await cached.get(origin.url, ranged('bytes=0-199999'))
    return {
      origin,
      cached,
      [Symbol.asyncDispose]: async () => {
        await cached[Symbol.asyncDispose]()
        await origin[Symbol.asyncDispose]()
      }
    }
  }

  test('of another version is the whole of that: one request', async () => {
    const served = { current: { body: BODY, etag: '"a"' } }
    await using scene = await withBeginning(served)
    served.current = { body: randomBytes(250_000), etag: '"b"' }
    assertWhole(await scene.cached.get(scene.origin.url), 'miss', served.current.body)
    assertWhole(await scene.cached.get(scene.origin.url), 'hit', served.current.body)
    assert.equal(scene.origin.requests.length, 2)
  })

  for (const status of [206, 412, 416, 500]) {
    test(`that the origin answers with ${status} and nothing of use has the whole fetched`, async () => {
      const content = { ...FRESH, etag: '"a"', 'content-range': 'bytes 0-99999/300000' }
      await using origin = await startOrigin(({ number }) =>
        number === 1
          ? { status: 206, headers: content, body: BODY.subarray(0, 100_000) }
          : number === 2
            ? { status, headers: { etag: '"b"', 'content-range': 'bytes 100000-100001/300000' }, body: 'xx' }
            : { headers: { ...FRESH, etag: '"a"' }, body: BODY }
      )
      await using cached = await cachedOn(() => new MemoryStore())
      await cached.get(origin.url, ranged('bytes=0-99999'))
      assertWhole(await cached.get(origin.url), 'miss')
      assertWhole(await cached.get(origin.url), 'hit')
      assert.deepEqual(rangesAsked(origin), ['bytes=0-99999', 'bytes=100000-', undefined])
    })
  }

  test('is of no use where a redirect was followed below the cache: the whole is fetched', async () => {
    await using origin = await startOrigin(({ number, path, headers }) => {
      if (number === 2) return { status: 302, headers: { location: '/elsewhere' } }
      if (headers.range === undefined) return { headers: { ...FRESH, etag: '"a"' }, body: BODY }
      const [start, end] = path === '/elsewhere' ? [100_000, 300_000] : [0, 100_000]
      const content = { ...FRESH, etag: '"a"', 'content-range': `bytes ${start}-${end - 1}/300000` }
      return { status: 206, headers: content, body: BODY.subarray(start, end) }
    })
    const dispatcher = new Agent().compose(interceptors.redirect({ maxRedirections: 1 }), cacheInterceptor())
    await (await request(origin.url, { dispatcher, ...ranged('bytes=0-99999') })).body.arrayBuffer()
    const { statusCode, body } = await request(origin.url, { dispatcher })
    assert.equal(statusCode, 200)
    assert.ok(Buffer.from(await body.arrayBuffer()).equals(BODY))
    assert.deepEqual(rangesAsked(origin), ['bytes=0-99999', 'bytes=100000-', 'bytes=100000-', undefined])
    await dispatcher.close()
  })

  for (const extra of [-1, 1]) {
    test(`that is ${extra} byte too long ends in an error, and forgets the part`, async () => {
      await using origin = await startOrigin(({ number, headers: { range } }) => {
        if (range === undefined) return { headers: { ...FRESH, etag: '"a"' }, body: BODY }
        const [start, end] = number === 1 ? [0, 100_000] : [100_000, 300_000]
        const bytes = number === 2 ? Buffer.alloc(end - start + extra) : BODY.subarray(start, end)
        const headers = { ...FRESH, etag: '"a"', 'content-range': `bytes ${start}-${end - 1}/300000` }
        return { status: 206, headers, body: bytes, chunked: true }
      })
      await using cached = await cachedOn(() => new MemoryStore())
      await cached.get(origin.url, ranged('bytes=0-99999'))
      await assert.rejects(cached.get(origin.url), { code: 'ERR_CACHE_BODY' })
      assertWhole(await cached.get(origin.url), 'miss')
      assertWhole(await cached.get(origin.url), 'hit')
    })
  }

  test('is asked for once by many, though the store declines it, the part is gone, or the origin has no rest', async () => {
    const failing: Record<string, [number, (store: FaultyStore) => void]> = {
      declined: [2, store => (store.faults.put = () => undefined)],
      gone: [3, store => (store.faults.open = () => undefined)],
      'no rest': [3, () => {}]
    }
    for (const [what, [requests, fail]] of Object.entries(failing)) {
      await using origin = await startOrigin(async request => {
        await sleep(20)
        if (request.number > 1 && request.headers.range !== undefined && what === 'no rest') return { status: 404 }
        return rangedReply(request, { headers: { ...FRESH, etag: '"a"' }, body: BODY })
      })
      const store = new FaultyStore(new MemoryStore())
      await using cached = new CachedAgent({ store })
      await cached.get(origin.url, ranged('bytes=0-99999'))
      fail(store)
      const all = await Promise.all(Array.from({ length: 20 }, () => cached.get(origin.url)))
      assert.ok(all.every(({ bytes }) => bytes.equals(BODY)))
      assert.equal(origin.requests.length, requests, what)
    }
  })

  test('is asked for again, whole, where the stored bytes are gone or damaged', async () => {
    const damages: Record<string, (stored: Stored) => Stored> = {
      gone: ({ entry }) => ({ entry, open: () => undefined }),
      damaged: ({ entry }) => ({ entry, open: () => tooMuch() })
    }
    for (const damage of Object.values(damages)) {
      await using scene = await withBeginning({ current: { body: BODY, etag: '"a"' } })
      const { store } = scene.cached
      const get = store.get.bind(store)
      let isDamaged = true
      store.get = (key, variantOf) => {
        const lookup = get(key, variantOf) as Awaited<ReturnType<typeof get>>
        return isDamaged ? { ...lookup, stored: lookup.stored.map(damage), asOf: () => lookup.asOf() } : lookup
      }
      assertWhole(await scene.cached.get(scene.origin.url), 'miss')
      isDamaged = false
      // What is damaged is deleted, and the response that was asked for before that with it.
      await scene.cached.get(scene.origin.url)
      assertWhole(await scene.cached.get(scene.origin.url), 'hit')
    }
  })

  test('comes behind what is stored, at the pace of the reader', async () => {
    const body = randomBytes(24 * MEBIBYTE)
    await using origin = await startFileOrigin(() => ({ body, etag: '"a"' }))
    const store = new AsyncStore({ maxEntrySizeBytes: 32 * MEBIBYTE, maxSizeBytes: 100 * MEBIBYTE })
    await using cached = await cachedOn(() => store)
    await cached.get(origin.url, ranged(`bytes=0-${12 * MEBIBYTE - 1}`))
    const reads = () => store.operations.filter(operation => operation === 'read').length
    const before = reads()
    const { body: stream } = await cached.open(origin.url)
    await once(stream, 'readable')
    await sleep(50)
    assert.ok(reads() - before < 40, `${reads() - before} pieces of 64 KiB read for one who reads nothing`)
    let received = 0
    for await (const chunk of stream) {
      assert.ok(body.subarray(received, received + chunk.byteLength).equals(chunk))
      received += chunk.byteLength
    }
    assert.equal(received, body.byteLength)
    assertWhole(await cached.get(origin.url), 'hit', body)
    assert.equal(origin.sentBytes, body.byteLength)
  })

  test('is fetched once for all who ask for the whole at the same time', async () => {
    await using scene = await withBeginning({ current: { body: BODY, etag: '"a"' } }, () => new AsyncStore())
    const all = await Promise.all(Array.from({ length: 5 }, () => scene.cached.get(scene.origin.url)))
    for (const received of all) assertWhole(received, received.fromCache ? 'hit' : 'miss')
    assert.equal(scene.origin.sentBytes, BODY.byteLength)
  })

  test('is not waited for by a reader who leaves in what is stored', async () => {
    await using scene = await withBeginning({ current: { body: BODY, etag: '"a"' } }, () => new AsyncStore())
    const { body } = await scene.cached.open(scene.origin.url)
    for await (const chunk of body) {
      assert.ok(chunk.byteLength > 0)
      break
    }
    assertPart(await scene.cached.get(scene.origin.url, ranged('bytes=0-199999')), 0, 200_000, 'hit')
    assertWhole(await scene.cached.get(scene.origin.url), 'miss')
  })
})

describe('what is missing of a range', () => {
  const ASKED = 'bytes=50000-249999'

  /** A cache that has the first 100,000 bytes of version "a"; then the origin answers otherwise, once. */
  async function withBeginning(answer: Reply) {
    const origin = await startOrigin(({ number, headers: { range } }) =>
      number === 2 ? answer : rangedReply({ headers: { range } }, { headers: { ...FRESH, etag: '"a"' }, body: BODY })
    )
    const cached = await cachedOn(() => new MemoryStore())
    await cached.get(origin.url, ranged('bytes=0-99999'))
    return {
      origin,
      cached,
      [Symbol.asyncDispose]: async () => {
        await cached[Symbol.asyncDispose]()
        await origin[Symbol.asyncDispose]()
      }
    }
  }

  /** A 206 with bytes `start` up to, but not including, `end`. */
  function part(start: number, end: number, etag = '"a"', bytes = BODY.subarray(start, end)): Reply {
    const headers = { ...FRESH, etag, 'content-range': `bytes ${start}-${end - 1}/300000` }
    return { status: 206, headers, body: bytes, chunked: true }
  }

  test('where the origin has another version is the whole of that: one request', async () => {
    const body = randomBytes(250_000)
    await using scene = await withBeginning({ headers: { ...FRESH, etag: '"b"' }, body })
    assertWhole(await scene.cached.get(scene.origin.url, ranged(ASKED)), 'miss', body)
    assertWhole(await scene.cached.get(scene.origin.url), 'hit', body)
    assert.equal(scene.origin.requests.length, 2)
  })

  const refusals: Record<string, Reply> = {
    'less of it': part(100_000, 200_000),
    'more than it': part(100_000, 300_000),
    'something else': part(100_001, 250_000),
    'another version of it': part(100_000, 250_000, '"b"'),
    412: { status: 412 },
    416: { status: 416, headers: { 'content-range': 'bytes */300000' } },
    503: { status: 503, body: 'no' }
  }
  for (const [what, answer] of Object.entries(refusals)) {
    test(`where the origin answers ${what} is fetched with the range`, async () => {
      await using scene = await withBeginning(answer)
      assertPart(await scene.cached.get(scene.origin.url, ranged(ASKED)), 50_000, 250_000, 'miss')
      assertPart(await scene.cached.get(scene.origin.url, ranged(ASKED)), 50_000, 250_000, 'hit')
      assert.deepEqual(rangesAsked(scene.origin), ['bytes=0-99999', 'bytes=100000-249999', ASKED])
    })
  }

  for (const extra of [-1, 1]) {
    test(`that is ${extra} byte too long ends in an error, and forgets the part`, async () => {
      await using scene = await withBeginning(part(100_000, 250_000, '"a"', Buffer.alloc(150_000 + extra)))
      await assert.rejects(scene.cached.get(scene.origin.url, ranged(ASKED)), { code: 'ERR_CACHE_BODY' })
      assertPart(await scene.cached.get(scene.origin.url, ranged(ASKED)), 50_000, 250_000, 'miss')
    })
  }

  test('is kept as far as it has come when the connection is lost', async () => {
    await using origin = await startFileOrigin(() => ({
      body: BODY,
      etag: '"a"',
      cutAfter: ({ number }) => (number === 2 ? 80_000 : undefined)
    }))
    await using cached = await cachedOn(() => new MemoryStore())
    await cached.get(origin.url, ranged('bytes=0-99999'))
    await assert.rejects(cached.get(origin.url, ranged(ASKED)))
    assertPart(await cached.get(origin.url, ranged(ASKED)), 50_000, 250_000, 'miss')
    assertPart(await cached.get(origin.url, ranged('bytes=0-249999')), 0, 250_000, 'hit')
    assert.deepEqual(rangesAsked(origin), ['bytes=0-99999', 'bytes=100000-249999', 'bytes=180000-249999'])
  })

  test('is asked for, but not stored, where too much would have to be copied', async () => {
    const body = randomBytes(8 * MEBIBYTE)
    await using origin = await startFileOrigin(() => ({ body, etag: '"a"' }))
    await using cached = await cachedOn(() => new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE }))
    await cached.get(origin.url, ranged('bytes=0-4999999'))
    for (let i = 0; i < 2; i++) {
      const received = await cached.get(origin.url, ranged('bytes=4000000-5000009'))
      assertPart(received, 4_000_000, 5_000_010, 'miss', body)
      assert.deepEqual([received.info.stored, received.info.reason], [false, 'larger-part'])
    }
    assertPart(await cached.get(origin.url, ranged('bytes=7-4999999')), 7, 5_000_000, 'hit', body)
    const asked = 'bytes=5000000-5000009'
    assert.deepEqual(rangesAsked(origin), ['bytes=0-4999999', asked, asked])
  })
})

describe('a download that breaks off', () => {
  test('is resumed when its last reader has left', async () => {
    const body = randomBytes(8 * MEBIBYTE)
    await using origin = await startFileOrigin(() => ({ body, etag: '"a"' }))
    await using cached = await cachedOn(() => new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE }))
    const { body: stream } = await cached.open(origin.url)
    let received = 0
    for await (const chunk of stream) {
      received += chunk.byteLength
      if (received > 2 * MEBIBYTE) break
    }
    assertWhole(await cached.get(origin.url), 'miss', body)
    const [, start] = /^bytes=(\d+)-$/.exec(String(rangesAsked(origin)[1])) ?? []
    assert.ok(Number(start) >= received - 65_536, `${start} after ${received}`)
  })

  const refusals: Record<string, Partial<Served> & { readonly cut?: number }> = {
    'before 64 KiB of it have come': { cut: 65_535 },
    'without a strong validator': { etag: 'W/"a"' },
    'from an origin that serves no ranges': { headers: { 'accept-ranges': 'none' } }
  }
  for (const [when, { cut = 100_000, ...changes }] of Object.entries(refusals)) {
    test(`${when} is forgotten`, async () => {
      let isCut = true
      await using origin = await startFileOrigin(() => ({
        body: BODY,
        etag: '"a"',
        cutAfter: () => (isCut ? cut : undefined),
        ...changes
      }))
      await using cached = await cachedOn(() => new MemoryStore())
      await assert.rejects(cached.get(origin.url))
      assert.equal((cached.store as MemoryStore).entryCount, 0)
      isCut = false
      assertWhole(await cached.get(origin.url), 'miss')
      assert.deepEqual(rangesAsked(origin), [undefined, undefined])
    })
  }

  test('takes the place of the whole of another version, which the origin does not have any more', async () => {
    const clock = new Clock()
    const headers = { 'cache-control': 'max-age=60, stale-if-error=600' }
    let served: Served = { body: BODY, etag: '"a"', headers }
    await using origin = withoutDates(await startFileOrigin(() => served)) as Origin & { sentBytes: number }
    await using cached = await cachedOn(() => new MemoryStore(), { now: clock.now })
    await cached.get(origin.url)
    clock.advance(100)
    const body = randomBytes(300_000)
    served = { body, etag: '"b"', headers, cutAfter: () => 200_000 }
    await assert.rejects(cached.get(origin.url))
    await origin[Symbol.asyncDispose]()
    assertPart(await cached.get(origin.url, ranged('bytes=0-99999')), 0, 100_000, 'hit', body)
  })

  test('overtaken by a purge is not kept', async () => {
    await using origin = await startFileOrigin(() => ({ body: BODY, etag: '"a"', cutAfter: () => 200_000 }))
    await using cached = await cachedOn(() => new MemoryStore())
    const { body } = await cached.open(origin.url)
    await cached.cache.purge({ url: origin.url })
    await assert.rejects(body.arrayBuffer())
    assert.equal((cached.store as MemoryStore).entryCount, 0)
  })

  test('is kept only as far as the client would have had it: the next one gets the same bytes', async () => {
    await using origin = await startFileOrigin(() => ({
      body: BODY,
      etag: '"a"',
      cutAfter: ({ number }) => (number === 1 ? 200_000 : undefined)
    }))
    await using cached = await cachedOn(() => new AsyncStore())
    await assert.rejects(cached.get(origin.url))
    await until(() => origin.requests.length === 1)
    assertWhole(await cached.get(origin.url), 'miss')
    assert.deepEqual(rangesAsked(origin), [undefined, 'bytes=200000-'])
  })
})
