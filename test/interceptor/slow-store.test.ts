// A store outside the process: recordings wait for it, bodies are read from it piece by piece.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StoreOperation } from 'undici-http-cache'
import type { Body, Lookup, Stored } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, gate, until } from '../support/cached-agent.ts'
import { type Fault, FaultyStore } from '../support/faulty-store.ts'
import { type Origin, startOrigin } from '../support/origin.ts'

const FRESH = { 'cache-control': 'max-age=60' }
const MEBIBYTE = 1_048_576

/** Settles once nothing more is going on in the store. */
async function quiet(store: AsyncStore): Promise<void> {
  for (let before = -1; before !== store.operations.length; ) {
    before = store.operations.length
    await sleep(5)
  }
}

describe('an asynchronous store', () => {
  test('serves the whole flow: miss, hit, revalidation, freshened hit, HEAD, invalidation, purge', async () => {
    await using origin = await startOrigin(({ method, headers, number }) => {
      const fields = { etag: '"1"', 'cache-control': 'max-age=60' }
      if (method === 'POST') return { body: 'done' }
      return headers['if-none-match'] === '"1"'
        ? { status: 304, headers: { ...fields, 'x-number': `${number}` } }
        : { headers: { ...fields, vary: 'x' }, body: `#${number}`.repeat(40_000) }
    })
    const store = new AsyncStore()
    const faults: unknown[] = []
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000, onStoreError: error => faults.push(error) })
    const ask = async (options = {}) => {
      const { info, body } = await cached.get(origin.url, options)
      await quiet(store)
      return [info.outcome, body.slice(0, 2), body.length]
    }
    assert.deepEqual(await ask(), ['miss', '#1', 80_000])
    assert.deepEqual(await ask(), ['hit', '#1', 80_000])
    assert.deepEqual(await ask({ headers: { 'cache-control': 'no-cache' } }), ['revalidated', '#1', 80_000])
    assert.deepEqual(await ask(), ['hit', '#1', 80_000])
    assert.equal((await cached.get(origin.url)).headers['x-number'], '2')
    assert.deepEqual(await ask({ method: 'HEAD' }), ['hit', '', 0])
    assert.deepEqual(await ask({ method: 'POST', body: 'x' }), ['bypass', 'do', 4])
    assert.deepEqual(await ask(), ['miss', '#4', 80_000])
    await cached.cache.purge({ url: origin.url })
    assert.deepEqual(await ask(), ['miss', '#5', 80_000])
    assert.deepEqual(await Promise.all([ask(), ask({ headers: { x: '1' } })]), [
      ['hit', '#5', 80_000],
      ['miss', '#6', 80_000]
    ])
    assert.deepEqual(faults, [])
  })

  test('is asked for nothing that is not needed', async () => {
    await using origin = await startOrigin()
    const store = new AsyncStore()
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
    const operationsOf = async (options = {}) => {
      store.operations.length = 0
      await cached.get(origin.url, options)
      await quiet(store)
      return store.operations.join(' ')
    }
    assert.equal(await operationsOf({ cache: false }), '')
    assert.equal(await operationsOf({ headers: { 'cache-control': 'no-store' } }), '')
    assert.equal(await operationsOf(), 'get put write commit')
    assert.equal(await operationsOf(), 'get open read')
    assert.equal(await operationsOf({ method: 'HEAD' }), 'get')
    assert.equal(await operationsOf({ method: 'POST' }), 'delete')
  })

  test('replays a large body byte for byte, and gives one back that is not wanted', async () => {
    const body = randomBytes(3 * MEBIBYTE)
    await using origin = await startOrigin({ headers: FRESH, body })
    const store = new AsyncStore()
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
    await cached.get(origin.url)
    await quiet(store)
    const hit = await cached.get(origin.url)
    assert.deepEqual([hit.fromCache, hit.bytes.equals(body)], [true, true])
    const { body: unread } = await cached.open(origin.url)
    unread.destroy().on('error', () => {})
    await quiet(store)
    const reads = store.operations.length
    await sleep(20)
    assert.equal(store.operations.length, reads)
  })

  test('a client that leaves during the lookup makes no request', async () => {
    await using origin = await startOrigin()
    const store = new AsyncStore()
    const lookup = gate()
    store.pace = () => lookup.opened
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
    const aborting = new AbortController()
    const aborted = cached.get(origin.url, { signal: aborting.signal })
    await until(() => store.operations.length === 1)
    aborting.abort()
    await assert.rejects(aborted, { name: 'AbortError' })
    lookup.open()
    await quiet(store)
    assert.equal(origin.requests.length, 0)
    assert.deepEqual(store.operations, ['get'])
  })
})

describe('the calls of a store that one request waits for', { concurrency: 8 }, () => {
  const TIMEOUT_MS = 1000
  const hang = () => new Promise(() => {})
  const slowly = async (real: () => unknown) => {
    await sleep(0.8 * TIMEOUT_MS)
    return real()
  }
  const withTierBelow: Fault = async real => {
    await sleep(0.8 * TIMEOUT_MS)
    return { ...((await real()) as Lookup), stored: [], deeper: hang }
  }

  const delays: Record<string, FaultyStore['faults']> = {
    'the lookup and the opening of a body': { get: slowly, open: hang },
    'the lookup and the first read of a body': { get: slowly, read: hang },
    'the opening of a body and its first read': { open: slowly, read: hang },
    'the lookup, and that of a tier below': { get: withTierBelow },
    'the lookup and the position': {
      get: async real => ({ ...((await slowly(real)) as Lookup), stored: [], asOf: hang })
    },
    'the opening of a body and the position': { open: hang, asOf: hang }
  }
  for (const [what, faults] of Object.entries(delays)) {
    test(`take no longer than one may: ${what}`, async () => {
      await using origin = await startOrigin()
      const store = new FaultyStore(new AsyncStore())
      const told: unknown[] = []
      await using cached = new CachedAgent({
        store,
        storeTimeoutMs: TIMEOUT_MS,
        onStoreError: error => told.push(error)
      })
      await cached.get(origin.url)
      await until(() => store.operations.includes('commit'))
      await sleep(20)
      Object.assign(store.faults, faults)
      const started = performance.now()
      assert.equal((await cached.get(origin.url)).body, '#2')
      const tookMs = performance.now() - started
      assert.ok(tookMs < 1.5 * TIMEOUT_MS, `${tookMs} ms`)
      assert.equal(told.length, 1)
      assert.match(String(told[0]), /more than 1000 ms/)
    })
  }

  test('begin anew for one who has waited for what another fetches', async () => {
    const timeoutMs = 400
    await using origin = await startOrigin(async ({ headers }) => {
      await sleep(1.5 * timeoutMs)
      const fields = { 'cache-control': 'no-cache', etag: '"1"' }
      return headers['if-none-match'] === '"1"' ? { status: 304, headers: fields } : { headers: fields, body: 'x' }
    })
    const told: unknown[] = []
    const store = new AsyncStore()
    await using cached = new CachedAgent({ store, storeTimeoutMs: timeoutMs, onStoreError: error => told.push(error) })
    const all = await Promise.all([cached.get(origin.url), cached.get(origin.url)])
    assert.deepEqual(all.map(({ info }) => info.outcome).sort(), ['miss', 'revalidated'])
    assert.deepEqual(told, [])
  })
})

test('the time of a store begins anew where it was this process that stood still', async () => {
  await using origin = await startOrigin()
  const told: unknown[] = []
  const store = new AsyncStore()
  const timeoutMs = 300
  await using cached = new CachedAgent({ store, storeTimeoutMs: timeoutMs, onStoreError: error => told.push(error) })
  await cached.get(origin.url)
  await quiet(store)
  store.pace = () => sleep(20)
  const get = store.get.bind(store)
  store.get = async (key, variantOf) => {
    setImmediate(() => {
      for (const end = performance.now() + 1.5 * timeoutMs; performance.now() < end; );
    })
    return get(key, variantOf)
  }
  assert.equal((await cached.get(origin.url)).info.outcome, 'hit')
  assert.deepEqual(told, [])
})

describe('a store that takes its time to change what it holds', () => {
  test('has done so before the client sees the response: a freshened entry is what the next hit finds', async () => {
    await using origin = await startOrigin(({ headers, number }) =>
      headers['if-none-match'] === undefined
        ? { headers: { 'cache-control': 'max-age=60', etag: '"1"', 'x-number': `${number}` }, body: 'x' }
        : { status: 304, headers: { etag: '"1"', 'x-number': `${number}` } }
    )
    const store = new AsyncStore()
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
    await cached.get(origin.url)
    await quiet(store)
    const updating = gate()
    store.pace = operation => (operation === 'update' ? updating.opened : Promise.resolve())
    let answered = false
    const validated = cached.get(origin.url, { headers: { 'cache-control': 'no-cache' } }).finally(() => {
      answered = true
    })
    await until(() => store.operations.includes('update'))
    await sleep(10)
    assert.equal(answered, false)
    updating.open()
    assert.equal((await validated).headers['x-number'], '2')
    const hit = await cached.get(origin.url)
    assert.deepEqual([hit.fromCache, hit.headers['x-number']], [true, '2'])
  })

  test('holds back no abort of the client, and stores nothing for it', async () => {
    await using origin = await startOrigin(({ path }) => ({
      headers: { ...FRESH, 'content-location': path },
      body: 'x'
    }))
    const store = new AsyncStore()
    const deleting = gate()
    store.pace = operation => (operation === 'delete' ? deleting.opened : Promise.resolve())
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
    const aborting = new AbortController()
    const posted = cached.get(origin.url, { method: 'POST', body: 'x', signal: aborting.signal })
    await until(() => store.operations.includes('delete'))
    aborting.abort()
    await assert.rejects(posted, { name: 'AbortError' })
    deleting.open()
    await quiet(store)
    assert.ok(!store.operations.includes('put'))
  })

  test('meanwhile closed, begins nothing in the background', async () => {
    await using origin = await startOrigin(({ number }) => ({
      headers: { 'cache-control': 'max-age=0, stale-while-revalidate=60' },
      body: `#${number}`
    }))
    const store = new AsyncStore()
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
    await cached.get(origin.url)
    await quiet(store)
    const lookup = gate()
    store.pace = operation => (operation === 'get' ? lookup.opened : Promise.resolve())
    const stale = cached.get(origin.url)
    await until(() => store.operations.filter(operation => operation === 'get').length === 2)
    await cached.cache.close()
    lookup.open()
    assert.equal((await stale).body, '#1')
    await quiet(store)
    assert.equal(origin.requests.length, 1)
  })
})

describe('a store that takes its time to write', () => {
  const size = 24 * MEBIBYTE
  const chunk = randomBytes(65_536)

  /** An origin that counts what it could write. */
  async function countingOrigin(): Promise<{ origin: Origin; written: () => number }> {
    let written = 0
    const origin = await startOrigin((_request, response) => {
      response.writeHead(200, { ...FRESH, 'content-length': size })
      const more = () => {
        while (written < size) {
          written += chunk.byteLength
          if (!response.write(chunk)) return
        }
        response.end()
      }
      response.on('drain', more)
      more()
      return undefined
    })
    return { origin, written: () => written }
  }

  test('pauses the origin beyond maxBufferedBytes, and the response is stored whole', async () => {
    const { origin, written } = await countingOrigin()
    await using _ = origin
    const store = new AsyncStore({ maxEntrySizeBytes: size, maxSizeBytes: 2 * size })
    const writing = gate()
    store.pace = operation => (operation === 'write' ? writing.opened : Promise.resolve())
    await using cached = new CachedAgent({ store, maxBufferedBytes: 262_144, storeTimeoutMs: 20_000 })
    const response = await cached.open(origin.url)
    let received = 0
    response.body.on('data', piece => {
      received += piece.byteLength
    })
    for (let before = -1; before !== written() || received === 0; ) {
      before = written()
      await sleep(60)
    }
    // One write is under way, as much as is allowed waits, and what came with the last read of the socket.
    assert.ok(received <= 262_144 + 2 * 65_536, `${received} bytes received while the store wrote none`)
    assert.ok(written() < size / 2, `${written()} bytes written while the store wrote none`)
    writing.open()
    await until(() => received === size)
    await until(() => store.memory.entryCount === 1)
    const hit = await cached.get(origin.url)
    assert.equal(hit.fromCache, true)
    for (let start = 0; start < size; start += chunk.byteLength) {
      assert.ok(hit.bytes.subarray(start, start + chunk.byteLength).equals(chunk))
    }
  })

  test('and never ends is abandoned: the client gets everything, and nothing is stored', async () => {
    const { origin } = await countingOrigin()
    await using _ = origin
    const store = new AsyncStore({ maxEntrySizeBytes: size, maxSizeBytes: 2 * size })
    const started = performance.now()
    store.pace = operation => (operation === 'write' ? new Promise(() => {}) : Promise.resolve())
    const faults: StoreOperation[] = []
    await using cached = new CachedAgent({
      store,
      maxBufferedBytes: 262_144,
      storeTimeoutMs: 100,
      onStoreError: (_error, operation) => faults.push(operation)
    })
    const { bytes, fromCache } = await cached.get(origin.url)
    assert.deepEqual([bytes.byteLength, fromCache], [size, false])
    assert.ok(performance.now() - started < 5000)
    await until(() => store.operations.includes('abort'))
    assert.deepEqual(faults, ['write'])
    assert.equal(store.memory.entryCount, 0)
  })

  test('does not hold up small responses at all', async () => {
    await using origin = await startOrigin()
    const store = new AsyncStore()
    const writing = gate()
    store.pace = operation => (operation === 'get' ? Promise.resolve() : writing.opened)
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
    assert.equal((await cached.get(origin.url)).body, '#1')
    assert.equal(store.memory.entryCount, 0)
    writing.open()
    await until(() => store.memory.entryCount === 1)
    assert.equal((await cached.get(origin.url)).body, '#1')
    assert.equal(origin.requests.length, 1)
  })

  test('a slow reader and a slow store pause the origin together, and both must go on', async () => {
    const body = randomBytes(2 * MEBIBYTE)
    await using origin = await startOrigin({ headers: FRESH, body })
    const store = new AsyncStore()
    store.pace = operation => (operation === 'write' ? sleep(1) : Promise.resolve())
    await using cached = new CachedAgent({ store, maxBufferedBytes: 65_536, storeTimeoutMs: 5000 })
    const response = await cached.open(origin.url)
    const pieces: Buffer[] = []
    for await (const piece of response.body) {
      pieces.push(piece)
      if (pieces.length % 5 === 0) await sleep(1)
    }
    assert.ok(Buffer.concat(pieces).equals(body))
    await until(() => store.memory.entryCount === 1)
    assert.ok((await cached.get(origin.url)).bytes.equals(body))
  })

  test('a client that leaves ends the recording, whatever the store is doing', async () => {
    const { origin } = await countingOrigin()
    await using _ = origin
    for (const slow of ['put', 'write'] as const) {
      const store = new AsyncStore({ maxEntrySizeBytes: size, maxSizeBytes: 2 * size })
      const working = gate()
      store.pace = operation => (operation === slow ? working.opened : Promise.resolve())
      await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
      const { body } = await cached.open(`${origin.url}/${slow}`)
      body.destroy().on('error', () => {})
      await until(() => body.closed)
      working.open()
      await until(() => store.operations.includes('abort'), `abort after ${slow}`)
      assert.equal(store.memory.entryCount, 0)
    }
  })
})

describe('a stored body that turns out damaged', { concurrency: 6 }, () => {
  const body = randomBytes(200_000)

  /** A cache that holds `body`, whose store then reads it as `damage` has it. */
  async function damaged(damage: (whole: Buffer) => Body | Promise<Body | undefined> | undefined) {
    const origin = await startOrigin(({ number }) => ({ headers: { ...FRESH, 'x-number': `${number}` }, body }))
    const store = new AsyncStore()
    const faults: StoreOperation[] = []
    const cached = new CachedAgent({
      store,
      onStoreError: (_error, operation) => faults.push(operation),
      storeTimeoutMs: 500
    })
    await cached.get(origin.url)
    await quiet(store)
    const { get } = store
    store.get = async (key, variantOf) => {
      const found = await get.call(store, key, variantOf)
      const stored = found.stored.map(({ entry }): Stored => ({ entry, open: () => damage(Buffer.from(body)) }))
      return { ...found, stored }
    }
    const repair = () => {
      store.get = get
    }
    return { origin, store, cached, faults, repair }
  }

  async function* pieces(...given: unknown[]): AsyncGenerator<Uint8Array> {
    for (const piece of given) {
      if (piece instanceof Error) throw piece
      yield piece as Uint8Array
    }
  }

  /** What the client finds out only after the first bytes. */
  const late: Record<string, (whole: Buffer) => Body> = {
    'ends early': whole => pieces(whole.subarray(0, 1000), whole.subarray(1000, 199_999)),
    'is longer than it was': whole => pieces(whole, Buffer.from('more')),
    'is much longer than it was': whole => pieces(whole.subarray(0, 150_000), whole),
    'fails on the way': whole => pieces(whole.subarray(0, 1000), new Error('a checksum is wrong')),
    'never goes on': whole => ({
      async *[Symbol.asyncIterator]() {
        yield whole.subarray(0, 1000)
        await new Promise(() => {})
      }
    }),
    'turns into something else than bytes': whole => pieces(whole.subarray(0, 1000), 'text'),
    'goes on with nothing at all': whole => ({
      [Symbol.asyncIterator]() {
        let first = true
        return {
          next: async () => {
            if (!first) return undefined as never
            first = false
            return { done: false, value: whole.subarray(0, 1000) }
          }
        }
      }
    }),
    'throws where it should reject': whole => ({
      [Symbol.asyncIterator]() {
        let first = true
        return {
          next: () => {
            if (!first) throw new Error('thrown')
            first = false
            return Promise.resolve({ done: false, value: whole.subarray(0, 1000) })
          },
          return: () => {
            throw new Error('thrown as well')
          }
        }
      }
    })
  }
  for (const [what, damage] of Object.entries(late)) {
    test(`and ${what} ends in an error for the client, never in wrong bytes, and is deleted unless it is only late`, async () => {
      const { origin, store, cached, repair } = await damaged(damage)
      await using _origin = origin
      await using _cached = cached
      const response = await cached.open(origin.url)
      assert.equal(response.statusCode, 200)
      const received: Buffer[] = []
      await assert.rejects(async () => {
        for await (const piece of response.body) received.push(piece)
      })
      const bytes = Buffer.concat(received)
      assert.ok(bytes.equals(body.subarray(0, bytes.byteLength)), 'only bytes of the body itself')
      const isOnlyLate = what === 'never goes on'
      if (!isOnlyLate) await until(() => store.memory.entryCount === 0)
      repair()
      const next = await cached.get(origin.url)
      assert.deepEqual([next.fromCache, next.bytes.equals(body)], [isOnlyLate, true])
      assert.equal(origin.requests.length, isOnlyLate ? 1 : 2)
    })
  }

  /** What is found out before the client has got anything. */
  const early: Record<string, (whole: Buffer) => Body | Promise<Body | undefined> | undefined> = {
    'is gone': () => undefined,
    'cannot be opened': () => Promise.reject(new Error('no such file')),
    'cannot be opened at once': () => {
      throw new Error('no such file')
    },
    'is never opened': () => new Promise(() => {}),
    'has another length': whole => whole.subarray(1),
    'has another length in pieces': whole => [whole, whole],
    'is no body': () => 'text' as never,
    'holds something else than bytes': () => ['text'] as never,
    'fails before its first byte': () => pieces(new Error('a checksum is wrong')),
    'ends before its first byte': () => pieces(),
    'never comes to its first byte': () => ({
      async *[Symbol.asyncIterator]() {
        await new Promise(() => {})
      }
    }),
    'begins with something else than bytes': () => pieces('text'),
    'begins with too much': whole => pieces(Buffer.concat([whole, whole])),
    'begins with nothing at all': () => ({ [Symbol.asyncIterator]: () => ({ next: async () => undefined as never }) }),
    'cannot be iterated': () => ({
      [Symbol.asyncIterator]() {
        throw new Error('not now')
      }
    })
  }
  for (const [what, damage] of Object.entries(early)) {
    test(`and ${what} is fetched from the origin`, async () => {
      const { origin, cached, faults } = await damaged(damage)
      await using _origin = origin
      await using _cached = cached
      const started = performance.now()
      const { bytes, headers, fromCache } = await cached.get(origin.url)
      assert.ok(bytes.equals(body))
      assert.deepEqual([fromCache, headers['x-number']], [false, '2'])
      assert.ok(performance.now() - started < 5000)
      if (what !== 'is gone') assert.ok(faults.length >= 1, 'the fault is reported')
    })
  }

  test('is let go of when its reader leaves', async () => {
    let returned = 0
    const { origin, cached } = await damaged(whole => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: whole.subarray(0, 100_000) }),
        return: async () => {
          returned++
          return { done: true, value: undefined }
        }
      })
    }))
    await using _origin = origin
    await using _cached = cached
    const { body: left } = await cached.open(origin.url)
    left.destroy().on('error', () => {})
    await until(() => returned === 1)
  })
})
