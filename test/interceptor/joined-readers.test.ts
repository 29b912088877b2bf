// Readers who share one response, each at its own pace: nobody waits for a stranger, and nobody gets anything else than alone.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, fetch } from 'undici'
import { cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import type { BodyWriter, CacheStore } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, Clock, gate, until, withoutDates } from '../support/cached-agent.ts'
import { handlerOf } from '../support/handlers.ts'
import { type Reply, type Responder, startOrigin } from '../support/origin.ts'
import { rangedReply } from '../support/ranges.ts'

const MEBIBYTE = 1_048_576
const FRESH = { 'cache-control': 'max-age=60' }
const STRONG = { ...FRESH, etag: '"a"' }
/** Longer than anybody may have to wait for another. */
const LIMIT_MS = 10_000

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const done = new AbortController()
  const late = sleep(LIMIT_MS, undefined, { signal: done.signal }).then(
    () => assert.fail(`${what}: nothing within ${LIMIT_MS} ms`),
    () => undefined as T
  )
  try {
    return await Promise.race([promise, late])
  } finally {
    done.abort()
  }
}

async function read(response: Dispatcher.ResponseData): Promise<Buffer> {
  return Buffer.from(await response.body.arrayBuffer())
}

/** Reads a body so far that it has begun to come, and no more of it. */
async function touch({ body }: Dispatcher.ResponseData): Promise<void> {
  body.on('error', () => {})
  await once(body, 'readable')
}

function declining(): CacheStore {
  return Object.assign(new MemoryStore(), { put: () => undefined })
}

function failing(operation: 'write' | 'commit'): CacheStore {
  const store = new MemoryStore()
  const put = store.put.bind(store)
  const fail = () => assert.fail('full')
  return Object.assign(store, {
    put(...args: Parameters<typeof put>) {
      const writer = put(...args)
      const whole = {
        write: writer?.write.bind(writer),
        commit: writer?.commit.bind(writer),
        abort: writer?.abort.bind(writer)
      }
      return { ...whole, [operation]: fail } as BodyWriter
    }
  })
}

/** Reads all that are left, from the last to the first. */
async function readInReverse(responses: Dispatcher.ResponseData[]): Promise<Buffer[]> {
  const bodies: Buffer[] = []
  for (const response of responses.toReversed())
    bodies.push(await within(read(response), `the body of ${bodies.length}`))
  return bodies
}

const stores: Record<string, (directory: string) => CacheStore> = {
  memory: () => new MemoryStore(),
  'a store of promises': () => new AsyncStore(),
  files: directory => new FileStore({ directory }),
  'a store that declines': declining
}
const framings: Record<string, Pick<Reply, 'chunked'>> = { 'in chunks': { chunked: true }, 'of a known length': {} }
const validators = { 'without a validator': FRESH, 'with a strong validator': STRONG }
/** Around what is kept of a beginning, what is buffered, and what a store takes. */
const sizes = [65_000, 200_000, MEBIBYTE - 1000, MEBIBYTE + 200_000, 4 * MEBIBYTE + 1000]

describe('three who have asked at once read one after the other', { concurrency: 2 }, () => {
  for (const [kind, makeStore] of Object.entries(stores)) {
    for (const [framing, how] of Object.entries(framings)) {
      for (const [validator, headers] of Object.entries(validators)) {
        test(`in reverse order, whatever its size: ${kind}, ${framing}, ${validator}`, async () => {
          const directory = await mkdtemp(join(tmpdir(), 'joined-'))
          const bodies = sizes.map(size => randomBytes(size))
          await using origin = await startOrigin(request => {
            return rangedReply(request, { headers, body: bodies[Number(request.path.slice(1))] ?? '', ...how })
          })
          {
            await using cached = new CachedAgent({ store: makeStore(directory), storeTimeoutMs: 5000 })
            await Promise.all(
              bodies.map(async (body, i) => {
                const url = `${origin.url}/${i}`
                const asked = await Promise.all([1, 2, 3].map(() => cached.open(url)))
                for (const each of await readInReverse(asked)) assert.ok(each.equals(body), `${body.byteLength} bytes`)
              })
            )
          }
          await rm(directory, { recursive: true, force: true })
        })
      }
    }
  }

  test('by HTTP/2', async () => {
    const body = randomBytes(3 * MEBIBYTE)
    await using origin = await startOrigin({ headers: FRESH, body, chunked: true }, 'h2')
    await using cached = new CachedAgent({}, { allowH2: true, connect: { ca: origin.ca } })
    const asked = await Promise.all([1, 2, 3].map(() => cached.open(origin.url)))
    for (const each of await readInReverse(asked)) assert.ok(each.equals(body))
  })

  test('by fetch, and so do its clones', async () => {
    const body = randomBytes(3 * MEBIBYTE)
    await using origin = await startOrigin({ headers: FRESH, body, chunked: true })
    await using cached = new CachedAgent()
    const asked = await Promise.all([1, 2].map(() => fetch(origin.url, { dispatcher: cached.agent })))
    const all = asked.flatMap(response => [response.clone(), response])
    for (const each of all.toReversed()) {
      assert.ok(Buffer.from(await within(each.arrayBuffer(), 'a body')).equals(body))
    }
  })
})

describe('one who never reads its body', { concurrency: 4 }, () => {
  for (const [kind, makeStore] of Object.entries({
    memory: () => new MemoryStore(),
    'a store that declines': declining
  })) {
    for (const places of [[0], [1], [0, 1], [0, 1, 2]]) {
      test(`holds up nobody, then or later: ${kind}, the ${places.join(' and the ')} of three`, async () => {
        const body = randomBytes(3 * MEBIBYTE)
        await using origin = await startOrigin({ headers: FRESH, body, chunked: true })
        await using cached = new CachedAgent({ store: makeStore() })
        const asked = await Promise.all([0, 1, 2].map(() => cached.open(origin.url)))
        await Promise.all(
          asked.map(async (each, i) => {
            if (!places.includes(i)) assert.ok((await within(read(each), 'who joined')).equals(body))
          })
        )
        const later = await within(cached.get(origin.url), 'who asked later')
        assert.ok(later.bytes.equals(body))
        for (const i of places) asked[i]?.body.on('error', () => {}).destroy()
      })
    }
  }

  test('lets the store have the response within about a second, though nobody else reads it either', async () => {
    const body = randomBytes(3 * MEBIBYTE)
    await using origin = await startOrigin({ headers: FRESH, body, chunked: true })
    await using cached = new CachedAgent()
    const asked = await Promise.all([0, 1].map(() => cached.open(origin.url)))
    const startedAtMs = performance.now()
    await until(() => (cached.cache.store as MemoryStore).entryCount === 1)
    assert.ok(performance.now() - startedAtMs < 3000)
    for (const each of await readInReverse(asked)) assert.ok(each.equals(body))
    assert.equal(origin.requests.length, 1)
  })

  test('does not keep those who come too late to read along for longer than about a second', async () => {
    for (const headers of [FRESH, STRONG]) {
      const body = randomBytes(3 * MEBIBYTE)
      await using origin = await startOrigin(request => rangedReply(request, { headers, body }))
      await using cached = new CachedAgent({ coalesceTimeoutMs: 60_000 })
      const first = await cached.open(origin.url)
      await sleep(100)
      const late = await within(Promise.all([1, 2, 3].map(() => cached.get(origin.url))), 'who came later')
      for (const each of late) assert.ok(each.bytes.equals(body))
      assert.ok(origin.requests.length <= 2, `${origin.requests.length} requests`)
      assert.ok((await within(read(first), 'the first')).equals(body))
    }
  })

  test('does not hold up a background refresh, nor what comes of it', async () => {
    const bodies = [randomBytes(3 * MEBIBYTE), randomBytes(3 * MEBIBYTE)]
    const clock = new Clock()
    const first = gate()
    const headers = { 'cache-control': 'max-age=10, stale-while-revalidate=5' }
    await using origin = await startOrigin(async ({ number }) => {
      if (number === 2) await first.opened
      return { headers, body: bodies[number - 1] ?? '', chunked: true }
    })
    withoutDates(origin)
    await using cached = new CachedAgent({ now: clock.now })
    await cached.get(origin.url)
    clock.advance(12)
    assert.ok((await cached.get(origin.url)).bytes.equals(bodies[0] as Buffer))
    await until(() => origin.requests.length === 2)
    clock.advance(5)
    const joining = cached.open(origin.url)
    await nextTurn()
    first.open()
    const joined = await within(joining, 'who joined')
    await sleep(200)
    assert.ok((await within(cached.get(origin.url), 'who asked later')).bytes.equals(bodies[1] as Buffer))
    assert.ok((await within(read(joined), 'who joined')).equals(bodies[1] as Buffer))
    assert.equal(origin.requests.length, 2)
  })

  test('does not hold up those who share a part that is being completed', async () => {
    const body = randomBytes(4 * MEBIBYTE - 1000)
    let isFirst = true
    await using origin = await startOrigin((request, response) => {
      if (!isFirst) return rangedReply(request, { headers: STRONG, body })
      isFirst = false
      response.writeHead(200, { ...STRONG, 'content-length': body.byteLength })
      response.write(body.subarray(0, 2 * MEBIBYTE), () => setTimeout(() => response.destroy(), 20))
      return undefined
    })
    await using cached = new CachedAgent()
    await assert.rejects(cached.get(origin.url))
    await until(() => (cached.cache.store as MemoryStore).entryCount === 1)
    const asked = await Promise.all([0, 1].map(() => cached.open(origin.url)))
    assert.match(origin.requests[1]?.headers.range ?? '', /^bytes=/)
    for (const each of await readInReverse(asked)) assert.ok(each.equals(body))
  })
})

describe('one who leaves in the midst', { concurrency: 4 }, () => {
  const departures: Record<string, (response: Dispatcher.ResponseData) => Promise<unknown>> = {
    'destroys its body': async response => {
      await touch(response)
      response.body.destroy()
    },
    'dumps its body': response => response.body.dump(),
    'reads a byte and stops': async response => {
      await touch(response)
      response.body.read(1)
    }
  }
  for (const [what, depart] of Object.entries(departures)) {
    for (const place of [0, 1]) {
      test(`and ${what} takes nothing from the others: the ${place} of two`, async () => {
        const body = randomBytes(3 * MEBIBYTE)
        await using origin = await startOrigin({ headers: FRESH, body, chunked: true })
        await using cached = new CachedAgent()
        const asked = await Promise.all([0, 1].map(() => cached.open(origin.url)))
        await depart(asked[place] as Dispatcher.ResponseData)
        const other = asked[1 - place] as Dispatcher.ResponseData
        assert.ok((await within(read(other), 'the other')).equals(body))
        assert.ok((await within(cached.get(origin.url), 'who asked later')).bytes.equals(body))
      })
    }
  }
})

describe('who has fallen behind, where nothing is stored and there is no validator,', { concurrency: 4 }, () => {
  const body = randomBytes(3 * MEBIBYTE)

  /** Two ask at once, of whom one reads all; the other has read nothing, or as much as comes before it pauses. */
  async function fallBehind(respond: Responder | Reply, store: CacheStore = declining()) {
    const origin = await startOrigin(respond)
    const cached = new CachedAgent({ store, onStoreError() {} })
    const asked = await Promise.all([0, 1].map(() => cached.open(origin.url)))
    const [fast, slow] = asked as [Dispatcher.ResponseData, Dispatcher.ResponseData]
    assert.ok((await within(read(fast), 'the fast one')).equals(body))
    await sleep(50)
    return {
      slow,
      origin,
      cached,
      async [Symbol.asyncDispose]() {
        await cached[Symbol.asyncDispose]()
        await origin.close()
      }
    }
  }

  test('asks for itself only when it reads on, and has the rest of what begins alike', async () => {
    await using it = await fallBehind({ headers: FRESH, body, chunked: true })
    assert.equal(it.origin.requests.length, 1)
    assert.ok((await within(read(it.slow), 'the slow one')).equals(body))
    assert.equal(it.origin.requests.length, 2)
    assert.equal(it.origin.requests[1]?.headers.range, undefined)
  })

  test('gets exactly what comes now, where that begins alike and ends otherwise', async () => {
    const now = Buffer.concat([body.subarray(0, 2 * MEBIBYTE), Buffer.from('otherwise')])
    await using it = await fallBehind(({ number }) => ({
      headers: FRESH,
      body: number === 1 ? body : now,
      chunked: true
    }))
    assert.ok((await within(read(it.slow), 'the slow one')).equals(now))
  })

  const contradictions: Record<string, Reply> = {
    'begins otherwise': { headers: FRESH, body: randomBytes(3 * MEBIBYTE) },
    'ends before': { headers: FRESH, body: body.subarray(0, 1000) },
    'has another status': { headers: FRESH, body, status: 203 },
    'has another type': { headers: { ...FRESH, 'content-type': 'text/html' }, body },
    'is compressed': { headers: { ...FRESH, 'content-encoding': 'gzip' }, body }
  }
  for (const [what, reply] of Object.entries(contradictions)) {
    test(`gets ERR_CACHE_BODY, and no wrong bytes, where what comes now ${what}`, async () => {
      await using it = await fallBehind(({ number }) => {
        return { ...(number === 1 ? { headers: FRESH, body } : reply), chunked: true }
      })
      const chunks: Buffer[] = []
      const reading = (async () => {
        for await (const chunk of it.slow.body) chunks.push(chunk)
      })()
      await assert.rejects(within(reading, 'the slow one'), { code: 'ERR_CACHE_BODY' })
      const got = Buffer.concat(chunks)
      assert.ok(got.byteLength > 0 && body.subarray(0, got.byteLength).equals(got))
    })
  }

  test('gets ERR_CACHE_BODY where what comes now has another length than it was told', async () => {
    const longer = Buffer.concat([body, Buffer.from('x')])
    await using it = await fallBehind(({ number }) => ({ headers: FRESH, body: number === 1 ? body : longer }))
    await assert.rejects(within(read(it.slow), 'the slow one'), { code: 'ERR_CACHE_BODY' })
  })

  test('meets what it would have met alone, where the connection is lost', async () => {
    await using it = await fallBehind((request, response) => {
      if (request.number === 1) return { headers: FRESH, body, chunked: true }
      response.destroy()
      return undefined
    })
    await assert.rejects(within(read(it.slow), 'the slow one'), { code: 'UND_ERR_SOCKET' })
  })

  for (const [what, store] of Object.entries({
    'the store fails as it takes it': failing('write'),
    'the store fails in the end': failing('commit'),
    'it turns out too large': new MemoryStore({ maxEntrySizeBytes: 2 * MEBIBYTE })
  })) {
    test(`has all of it, too, where ${what}`, async () => {
      await using it = await fallBehind({ headers: FRESH, body, chunked: true }, store)
      assert.ok((await within(read(it.slow), 'the slow one')).equals(body))
      assert.equal(it.origin.requests.length, 2)
    })
  }

  test('has all of it where it is purged meanwhile', async () => {
    await using it = await fallBehind({ headers: FRESH, body, chunked: true }, new MemoryStore())
    await it.cached.cache.purge()
    assert.ok((await within(read(it.slow), 'the slow one')).equals(body))
  })

  test('has all of it where the connection breaks off meanwhile', async () => {
    await using origin = await startOrigin(({ number }, response) => {
      if (number > 1) return { headers: FRESH, body, chunked: true }
      response.writeHead(200, FRESH)
      response.write(body.subarray(0, 2 * MEBIBYTE))
      setTimeout(() => response.destroy(), 300)
      return undefined
    })
    await using cached = new CachedAgent()
    const [fast, slow] = await Promise.all([0, 1].map(() => cached.open(origin.url)))
    assert.ok(fast && slow)
    await assert.rejects(within(read(fast), 'the fast one'))
    assert.ok((await within(read(slow), 'the slow one')).equals(body))
  })

  test('does not wait for the end of what takes long', async () => {
    const end = gate()
    await using origin = await startOrigin(async ({ number }, response) => {
      response.writeHead(200, FRESH)
      response.write(body.subarray(0, 2 * MEBIBYTE))
      if (number === 1) await end.opened
      response.end(body.subarray(2 * MEBIBYTE))
    })
    await using cached = new CachedAgent()
    const [fast, slow] = await Promise.all([0, 1].map(() => cached.open(origin.url)))
    assert.ok(fast && slow)
    let received = 0
    fast.body.on('data', chunk => {
      received += chunk.byteLength
    })
    await until(() => received === 2 * MEBIBYTE)
    assert.ok((await within(read(slow), 'the slow one')).equals(body))
    end.open()
    await until(() => received === body.byteLength)
  })

  for (const [what, told, isTaken] of [
    ['takes what comes now, whole, where it has got nothing', FRESH, true],
    ['gets ERR_CACHE_BODY where that contradicts what it was told', STRONG, false]
  ] as const) {
    test(what, async () => {
      const now = randomBytes(body.byteLength)
      await using origin = await startOrigin(({ number }) => {
        if (number === 1) return { headers: { ...told, 'accept-ranges': 'none' }, body }
        return { headers: isTaken ? FRESH : { ...FRESH, etag: '"b"' }, body: now }
      })
      await using cached = new CachedAgent({ store: declining() })
      const slow = handlerOf('modern', (at, control) => {
        if (at === 'head') control.pause()
      })
      cached.agent.dispatch({ origin: origin.url, path: '/', method: 'GET' }, slow.handler)
      assert.ok((await within(cached.get(origin.url), 'the fast one')).bytes.equals(body))
      slow.heard.control.resume()
      await within(slow.heard.over, 'the slow one')
      if (isTaken) assert.ok(Buffer.concat(slow.heard.chunks).equals(now))
      else assert.deepEqual([slow.heard.chunks.length, Object(slow.heard.error).code], [0, 'ERR_CACHE_BODY'])
    })
  }
})

describe('who has fallen behind, and reads on from a store that fails in the midst,', { concurrency: 4 }, () => {
  const body = randomBytes(4 * MEBIBYTE)
  const pieces = 8

  /** A store that gives so many pieces of a body that is read on, and then goes wrong. */
  function goingWrong(how: (pieces: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>): CacheStore {
    const store = new AsyncStore()
    const get = store.get.bind(store)
    return Object.assign(store, {
      async get(...args: Parameters<typeof get>) {
        const lookup = await get(...args)
        const stored = lookup.stored.map(each => ({
          ...each,
          async open(range?: ByteRange) {
            return how((await each.open(range)) as AsyncIterable<Uint8Array>)
          }
        }))
        return { ...lookup, stored }
      }
    })
  }

  /** Two ask at once; one reads all, and then the other does. */
  async function readOn(how: Parameters<typeof goingWrong>[0], respond: Responder | Reply) {
    await using origin = await startOrigin(respond)
    await using cached = new CachedAgent({ store: goingWrong(how), storeTimeoutMs: 5000, onStoreError() {} })
    const [fast, slow] = await Promise.all([0, 1].map(() => cached.open(origin.url)))
    assert.ok(fast && slow)
    assert.ok((await within(read(fast), 'the fast one')).equals(body))
    await until(() => (cached.cache.store as AsyncStore).memory.entryCount === 1)
    const chunks: Buffer[] = []
    let error: unknown
    const reading = (async () => {
      for await (const chunk of slow.body) chunks.push(chunk)
    })()
    await within(
      reading.catch(thrown => {
        error = thrown
      }),
      'the slow one'
    )
    return { got: Buffer.concat(chunks), error, requests: origin.requests }
  }

  const faults: Record<string, Parameters<typeof goingWrong>[0]> = {
    'cannot be read': async function* (read) {
      let count = 0
      for await (const piece of read) {
        if (count++ === pieces) throw Object.assign(new Error('unreadable'), { code: 'EIO' })
        yield piece
      }
    },
    'ends early': async function* (read) {
      let count = 0
      for await (const piece of read) {
        if (count++ === pieces) return
        yield piece
      }
    },
    'turns out longer': async function* (read) {
      yield* read
      yield new Uint8Array(1)
    },
    'turns out wrong in the end': async function* (read) {
      yield* read
      throw new Error('the digest is another')
    }
  }
  for (const [what, how] of Object.entries(faults)) {
    for (const [validator, headers] of Object.entries(validators)) {
      test(`has all of it, as the origin has, where it ${what}: ${validator}`, async () => {
        const it = await readOn(how, request => rangedReply(request, { headers, body, chunked: true }))
        assert.equal(it.error, undefined)
        assert.ok(it.got.equals(body))
        assert.equal(it.requests.length, 2)
      })
    }
  }

  test('gets ERR_CACHE_BODY where the store has given it other bytes, whatever the validator', async () => {
    for (const headers of Object.values(validators)) {
      const wrong = async function* (read: AsyncIterable<Uint8Array>) {
        for await (const piece of read) yield piece.map(byte => byte ^ 1)
        throw new Error('the digest is another')
      }
      const it = await readOn(wrong, request => rangedReply(request, { headers, body, chunked: true }))
      assert.equal(Object(it.error).code, 'ERR_CACHE_BODY')
    }
  })

  test('gets exactly what comes now, where that begins alike and ends otherwise', async () => {
    const now = Buffer.concat([body.subarray(0, 3 * MEBIBYTE), Buffer.from('otherwise')])
    const it = await readOn(faults['cannot be read'] as Parameters<typeof goingWrong>[0], ({ number }) => {
      return { headers: FRESH, body: number === 1 ? body : now, chunked: true }
    })
    assert.equal(it.error, undefined)
    assert.ok(it.got.equals(now))
  })

  test('gets ERR_CACHE_BODY, and no wrong bytes, where what comes now begins otherwise', async () => {
    const it = await readOn(faults['cannot be read'] as Parameters<typeof goingWrong>[0], ({ number }) => {
      return { headers: FRESH, body: number === 1 ? body : randomBytes(4 * MEBIBYTE), chunked: true }
    })
    assert.equal(Object(it.error).code, 'ERR_CACHE_BODY')
    assert.ok(it.got.byteLength > 0 && body.subarray(0, it.got.byteLength).equals(it.got))
  })
})

test('a process whose only reader waits for those who do not read goes on, and ends once it has read', async () => {
  await using origin = await startOrigin({ headers: FRESH, body: randomBytes(4 * MEBIBYTE), chunked: true })
  const script = join(import.meta.dirname, '../support/one-reader.ts')
  const child = spawn(process.execPath, ['--import', 'tsx', script, origin.url], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  clearTimeout(timer)
  assert.deepEqual([code, output], [0, String(4 * MEBIBYTE)])
})

test('of several who share a response, the slow hold up the fast no longer than about a second in all', async () => {
  const body = randomBytes(16 * MEBIBYTE)
  await using origin = await startOrigin({ headers: FRESH, body, chunked: true })
  await using cached = new CachedAgent({ store: declining() })
  const [fast, ...slow] = await Promise.all([0, 1, 2].map(() => cached.open(origin.url)))
  assert.ok(fast !== undefined)
  let isOver = false
  // They read a little every now and then.
  for (const { body } of slow) {
    void (async () => {
      for await (const _chunk of body.on('error', () => {})) if (!isOver) await sleep(100)
    })().catch(() => {})
  }
  assert.ok((await within(read(fast), 'the fast one')).equals(body))
  isOver = true
  for (const { body } of slow) body.destroy()
})

/** How much of the processor's time followers of one response of two chunks take: all in all, and at a time. */
async function timeOf(count: number): Promise<{ totalMs: number; longestMs: number }> {
  const pending: [Dispatcher.DispatchHandler, Dispatcher.DispatchController][] = []
  const controller = { pause() {}, resume() {}, abort() {}, aborted: false, paused: false, reason: null }
  const dispatch = cacheInterceptor()((_options, handler) => {
    handler.onRequestStart?.(controller as unknown as Dispatcher.DispatchController, {})
    pending.push([handler, controller as unknown as Dispatcher.DispatchController])
    return true
  })
  let ended = 0
  const handler = {
    onRequestStart() {},
    onResponseStart() {},
    onResponseData() {},
    onResponseEnd: () => ended++,
    onResponseError() {}
  }
  let totalMs = 0
  let longestMs = 0
  const turn = async () => {
    await nextTurn()
    const startedAt = process.cpuUsage()
    return () => {
      const { user, system } = process.cpuUsage(startedAt)
      const ms = (user + system) / 1000
      totalMs += ms
      longestMs = Math.max(longestMs, ms)
    }
  }
  for (let i = 0; i < count; i++) dispatch({ origin: 'http://o.example', method: 'GET', path: '/' }, handler)
  assert.equal(pending.length, 1)
  const [given, control] = pending[0] as (typeof pending)[0]
  const steps = [
    () => given.onResponseStart?.(control, 200, { ...FRESH, 'content-length': '1000' } as never, 'OK'),
    () => given.onResponseData?.(control, Buffer.alloc(500)),
    () => given.onResponseData?.(control, Buffer.alloc(500)),
    () => given.onResponseEnd?.(control, {})
  ]
  while (ended < count) {
    const done = await turn()
    steps.shift()?.()
    await nextTurn()
    done()
  }
  return { totalMs, longestMs }
}

test('ten times as many followers of one response take about ten times as long, and block nothing for long', async () => {
  await timeOf(1000)
  const few = await timeOf(1000)
  const many = await timeOf(10_000)
  assert.ok(many.totalMs < 40 * Math.max(few.totalMs, 5), `${many.totalMs} ms, and ${few.totalMs} ms of a tenth`)
  assert.ok(many.longestMs < 300, `${many.longestMs} ms at a time`)
})
