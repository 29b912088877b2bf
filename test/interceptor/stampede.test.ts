// Many who read one response while it comes.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { MemoryStore } from 'undici-http-cache'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import type { CacheStore } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, Clock, type Gate, gate, type Received, until, withoutDates } from '../support/cached-agent.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { type Heard, handlerOf, type Reaction } from '../support/handlers.ts'
import { type Origin, startOrigin } from '../support/origin.ts'
import { rangedReply } from '../support/ranges.ts'

const MEBIBYTE = 1_048_576
const FRESH = { 'cache-control': 'max-age=60' }

/** What has come of a body so far. */
function watch({ body }: Dispatcher.ResponseData): { text: string; ended: boolean } {
  const seen = { text: '', ended: false }
  body.on('data', chunk => {
    seen.text += chunk
  })
  body.on('end', () => {
    seen.ended = true
  })
  return seen
}

async function read(response: Dispatcher.ResponseData): Promise<Buffer> {
  return Buffer.from(await response.body.arrayBuffer())
}

function declining(): CacheStore {
  return Object.assign(new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE }), { put: () => undefined })
}

describe('a thousand who ask for one thing at once', () => {
  for (const [kind, makeStore] of [
    ['memory', () => new MemoryStore()],
    ['a store of promises', () => new AsyncStore()],
    ['a store that declines everything', declining]
  ] as const) {
    test(`make one request, with ${kind}`, async () => {
      const bytes = randomBytes(20_000)
      await using origin = await startOrigin(async () => {
        await sleep(20)
        return { headers: FRESH, body: bytes }
      })
      await using cached = new CachedAgent({ store: makeStore() })
      const all = await Promise.all(Array.from({ length: 1000 }, () => cached.get(origin.url)))
      assert.ok(all.every(each => each.bytes.equals(bytes)))
      assert.equal(origin.requests.length, 1)
    })
  }
})

describe('those who follow', () => {
  test('may ask in a callback of another response: the connection that they have go on is not resumed before', async () => {
    const body = randomBytes(300_000)
    await using origin = await startOrigin(({ path }) => ({ headers: FRESH, body: path === '/large' ? body : 'x' }))
    await using cached = new CachedAgent()
    const ask = (path: string, react: Reaction): Heard => {
      const { handler, heard } = handlerOf('modern', react)
      cached.agent.dispatch({ origin: origin.url, path, method: 'GET' }, handler)
      return heard
    }
    const paused = ask('/large', (at, control) => {
      if (at === 'head') control.pause()
    })
    await until(() => paused.statusCode === 200)
    let follower: Heard | undefined
    const other = ask('/small', at => {
      if (at === 'data') follower = ask('/large', () => {})
    })
    await other.over
    assert.equal(other.ended, 'end')
    await follower?.over
    assert.ok(Buffer.concat(follower?.chunks ?? []).equals(body))
    paused.control.resume()
    await paused.over
    assert.ok(Buffer.concat(paused.chunks).equals(body))
    assert.equal(origin.requests.length, 2)
  })

  test('get each byte when it comes, as the leader does, and so does who comes in the middle', async () => {
    const steps: Gate[] = [gate(), gate(), gate()]
    await using origin = await startOrigin(async (_request, response) => {
      response.writeHead(200, FRESH)
      for (const [i, step] of steps.entries()) {
        response.write(`${i}`)
        await step.opened
      }
      response.end()
      return undefined
    })
    await using cached = new CachedAgent()
    const seen = (await Promise.all(Array.from({ length: 5 }, () => cached.open(origin.url)))).map(watch)
    await until(() => seen.every(({ text }) => text === '0'))
    steps[0]?.open()
    await until(() => seen.every(({ text }) => text === '01'))
    const late = await cached.open(origin.url)
    seen.push(watch(late))
    assert.deepEqual(cached.cache.info(late)?.reason, 'collapsed')
    await until(() => seen.every(({ text }) => text === '01'))
    steps[1]?.open()
    await until(() => seen.every(({ text }) => text === '012'))
    assert.ok(seen.every(({ ended }) => !ended))
    steps[2]?.open()
    await until(() => seen.every(({ ended }) => ended))
    assert.equal(origin.requests.length, 1)
    assert.equal((await cached.get(origin.url)).body, '012')
  })

  test('have bytes of their own: what one does to them nobody else sees', async () => {
    await using origin = await startOrigin(async () => {
      await sleep(10)
      return { headers: FRESH, body: 'abc' }
    })
    await using cached = new CachedAgent()
    const bodies = await Promise.all(
      Array.from({ length: 4 }, async () => {
        let text = ''
        const { body } = await cached.open(origin.url)
        for await (const chunk of body) {
          text += chunk
          chunk.fill(120)
        }
        return text
      })
    )
    assert.deepEqual(bodies, ['abc', 'abc', 'abc', 'abc'])
    assert.equal((await cached.get(origin.url)).body, 'abc')
  })

  test('go down with the connection, once they have read of it', async () => {
    const cut = gate()
    await using origin = await startOrigin(async (_request, response) => {
      response.writeHead(200, { ...FRESH, 'content-length': 100 })
      response.write('half')
      await cut.opened
      response.destroy()
      return undefined
    })
    await using cached = new CachedAgent()
    const opened = await Promise.all([cached.open(origin.url), cached.open(origin.url)])
    const read = opened.map(({ body }) => assert.rejects(body.text(), { code: 'UND_ERR_SOCKET' }))
    cut.open()
    await Promise.all(read)
    assert.equal(origin.requests.length, 1)
  })

  test('do not join what was asked for before a purge', async () => {
    const end = gate()
    await using origin = await startOrigin(async ({ number }, response) => {
      response.writeHead(200, FRESH)
      response.write(`#${number}`)
      if (number === 1) await end.opened
      response.end()
      return undefined
    })
    await using cached = new CachedAgent()
    const before = await Promise.all([cached.open(origin.url), cached.open(origin.url)])
    const seen = ['#1']
    for (const target of [{ url: origin.url }, { origin: origin.url }, { tag: `origin:${origin.url}` }, undefined]) {
      await cached.cache.purge(target)
      const { body } = await cached.get(origin.url)
      assert.ok(!seen.includes(body), `${body} after ${JSON.stringify(target)}`)
      seen.push(body)
    }
    end.open()
    for (const each of before) assert.equal((await read(each)).toString(), '#1')
    assert.notEqual((await cached.get(origin.url)).body, '#1')
  })
})

describe('requests for something that is being fetched as something else is purged', () => {
  /** Answers once it may: the header section at once, or with the body. */
  async function slowOrigin(isHeadEarly: boolean) {
    const end = gate()
    const origin = await startOrigin(async ({ number }, response) => {
      if (!isHeadEarly) await end.opened
      response.writeHead(200, FRESH)
      response.write(`#${number}`)
      await end.opened
      response.end()
      return undefined
    })
    return { origin, end }
  }

  for (const isHeadEarly of [true, false]) {
    const known = isHeadEarly ? 'whose tags are known' : 'whose tags are not known yet'
    test(`join what carries another origin's tag, ${known}`, async () => {
      const { origin, end } = await slowOrigin(isHeadEarly)
      await using _ = origin
      await using cached = new CachedAgent()
      const early = cached.get(origin.url)
      await until(() => origin.requests.length === 1)
      await cached.cache.purge({ origin: 'https://elsewhere.example' })
      const late = cached.get(origin.url)
      await sleep(50)
      end.open()
      assert.deepEqual([(await early).body, (await late).body], ['#1', '#1'])
      assert.equal(origin.requests.length, 1)
    })
  }

  for (const isHeadEarly of [true, false]) {
    test(`${isHeadEarly ? 'join' : 'do not join'} it where its tags are ${isHeadEarly ? '' : 'not '}known, and another one is purged`, async () => {
      const { origin, end } = await slowOrigin(isHeadEarly)
      await using _ = origin
      await using cached = new CachedAgent()
      const early = isHeadEarly ? read(await cached.open(origin.url)) : cached.get(origin.url)
      await until(() => origin.requests.length === 1)
      await cached.cache.purge({ tag: 'product-1' })
      const late = cached.get(origin.url)
      await sleep(50)
      end.open()
      await early
      assert.equal((await late).body, isHeadEarly ? '#1' : '#2')
    })
  }

  test('do not join what was asked for with another Host, which the tag may be of', async () => {
    const { origin, end } = await slowOrigin(false)
    await using _ = origin
    await using cached = new CachedAgent()
    const headers = { host: 'one.test' }
    const early = cached.get(origin.url, { headers })
    await until(() => origin.requests.length === 1)
    await cached.cache.purge({ origin: 'http://one.test' })
    const late = cached.get(origin.url, { headers })
    await until(() => origin.requests.length === 2)
    end.open()
    await Promise.all([early, late])
    assert.notEqual((await cached.get(origin.url, { headers })).body, '#1')
  })
})

describe('one who is slow', () => {
  const bytes = randomBytes(8 * MEBIBYTE)

  function tiers(): CacheStore {
    const lower = new AsyncStore({ maxEntrySizeBytes: 16 * MEBIBYTE })
    return new TieredStore([new MemoryStore({ maxEntrySizeBytes: MEBIBYTE }), lower])
  }

  /** Reads a little, and then nothing until it is told. */
  async function stall(response: Dispatcher.ResponseData, go: Promise<void>): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of response.body) {
      chunks.push(chunk)
      await go
    }
    return Buffer.concat(chunks)
  }

  /** Of three who ask at once, the first or the last stalls. Resolves with what that one gets, once the others have all. */
  async function race(cached: CachedAgent, url: string, slowest: number): Promise<() => Promise<Buffer>> {
    const go = gate()
    const opened = await Promise.all([0, 1, 2].map(() => cached.open(url)))
    const reading = opened.map((each, i) => (i === slowest ? stall(each, go.opened) : read(each)))
    const others = await Promise.all(reading.filter((_, i) => i !== slowest))
    for (const each of others) assert.ok(each.equals(bytes))
    return () => {
      go.open()
      return reading[slowest] ?? Promise.reject(new Error('nobody was slow'))
    }
  }

  for (const [kind, makeStore] of [
    ['memory', () => new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE })],
    ['a store of promises', () => new AsyncStore({ maxEntrySizeBytes: 16 * MEBIBYTE })],
    ['tiers of which the last has it', tiers]
  ] as const) {
    for (const [who, slowest] of [
      ['the leader', 0],
      ['a follower', 2]
    ] as const) {
      test(`holds nobody up, and reads on from the store: ${who}, ${kind}`, async () => {
        await using origin = await startOrigin({ headers: FRESH, body: bytes })
        await using cached = new CachedAgent({ store: makeStore() })
        const last = await race(cached, origin.url, slowest)
        assert.ok((await last()).equals(bytes))
        assert.equal(origin.requests.length, 1)
      })
    }
  }

  test('leaves while it waits, and nobody notices', async () => {
    await using origin = await startOrigin({ headers: FRESH, body: bytes })
    await using cached = new CachedAgent({ store: new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE }) })
    const [one, slow] = await Promise.all([cached.open(origin.url), cached.open(origin.url)])
    slow.body.on('error', () => {})
    one.body.once('data', () => slow.body.destroy())
    assert.ok((await read(one)).equals(bytes))
    assert.equal((await cached.get(origin.url)).fromCache, true)
  })

  /** Takes the first bytes of a body, and fails once the others have read all but the end. */
  function failing(): CacheStore {
    const store = new FaultyStore(new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE }))
    store.faults.commit = () => {
      throw new Error('full')
    }
    return store
  }

  test('reads on from the origin, by Range and If-Range, where the store has failed', async () => {
    await using origin = await startOrigin(({ headers }) => {
      const first = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1])
      if (Number.isNaN(first)) return { headers: { ...FRESH, etag: '"a"' }, body: bytes }
      const range = `bytes ${first}-${bytes.byteLength - 1}/${bytes.byteLength}`
      return { status: 206, headers: { etag: '"a"', 'content-range': range }, body: bytes.subarray(first) }
    })
    await using cached = new CachedAgent({ store: failing(), onStoreError() {} })
    const last = await race(cached, origin.url, 2)
    assert.ok((await last()).equals(bytes))
    assert.equal(origin.requests.length, 2)
    const { headers } = origin.requests[1] ?? {}
    assert.deepEqual([/^bytes=\d+-$/.test(headers?.range ?? ''), headers?.['if-range']], [true, '"a"'])
  })

  for (const [how, sliceBytes] of [
    ['a little at a time', 1_000_000],
    ['all of it again', undefined]
  ] as const) {
    test(`reads on from an origin that sends ${how}`, async () => {
      await using origin = await startOrigin(({ headers }) => {
        const first = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1])
        if (Number.isNaN(first) || sliceBytes === undefined) return { headers: { ...FRESH, etag: '"a"' }, body: bytes }
        const end = Math.min(first + sliceBytes, bytes.byteLength)
        const range = `bytes ${first}-${end - 1}/${bytes.byteLength}`
        return { status: 206, headers: { etag: '"a"', 'content-range': range }, body: bytes.subarray(first, end) }
      })
      await using cached = new CachedAgent({ store: failing(), onStoreError() {} })
      const last = await race(cached, origin.url, 2)
      assert.ok((await last()).equals(bytes))
    })
  }

  test('and goes on is not held up by another that is slow by then', async () => {
    const halves = [gate(), gate()]
    await using origin = await startOrigin(async (_request, response) => {
      response.writeHead(200, { ...FRESH, etag: '"a"', 'content-length': bytes.byteLength })
      response.write(bytes.subarray(0, 4 * MEBIBYTE))
      await halves[0]?.opened
      response.end(bytes.subarray(4 * MEBIBYTE))
    })
    await using cached = new CachedAgent({ store: new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE }) })
    const go = [gate(), gate()]
    const [one, other] = await Promise.all([cached.open(origin.url), cached.open(origin.url)])
    assert.ok(one && other)
    const slowFirst = stall(one, go[0]?.opened ?? Promise.resolve())
    let received = 0
    const slowLater = (async () => {
      for await (const chunk of other.body) {
        received += chunk.byteLength
        if (received > 3 * MEBIBYTE) await go[1]?.opened
      }
    })()
    await until(() => received > 3 * MEBIBYTE)
    halves[0]?.open()
    go[0]?.open()
    assert.ok((await slowFirst).equals(bytes))
    go[1]?.open()
    await slowLater
    assert.equal(received, bytes.byteLength)
  })

  for (const [what, answer] of [
    ['another version', { status: 206, headers: { etag: '"b"' } }],
    ['another version, whole', { status: 200, headers: { etag: '"b"' } }],
    ['less than the whole', { status: 200, headers: { etag: '"a"' } }],
    ['another range', { status: 206, headers: { etag: '"a"' }, shift: 1 }],
    ['that there is nothing', { status: 404, headers: {} }]
  ] as const) {
    for (const isChanged of [false, true]) {
      const end = isChanged
        ? 'an error if that begins otherwise, and never wrong bytes'
        : 'the rest if that begins alike'
      test(`asks for the whole where the origin then sends ${what}, and gets ${end}`, async () => {
        await using origin = await startOrigin(({ headers, number }) => {
          const first = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1])
          if (Number.isNaN(first)) {
            const isAnother = isChanged && number > 1
            const body = isAnother ? otherBeginning(bytes) : bytes
            return { headers: { ...FRESH, etag: isAnother ? '"b"' : '"a"' }, body }
          }
          const start = first + ('shift' in answer ? answer.shift : 0)
          const range = `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}`
          const headersNow = { ...answer.headers, ...(answer.status === 206 && { 'content-range': range }) }
          return { status: answer.status, headers: headersNow, body: bytes.subarray(start) }
        })
        await using cached = new CachedAgent({ store: failing(), onStoreError() {} })
        const last = await race(cached, origin.url, 0)
        if (isChanged) await assert.rejects(last(), { code: 'ERR_CACHE_BODY' })
        else assert.ok((await last()).equals(bytes))
        assert.equal(origin.requests.length, 3)
      })
    }
  }

  for (const [what, fault] of [
    ['fails', () => assert.fail('full')],
    ['declines', () => undefined]
  ] as const) {
    test(`reads on from the origin, while the others go on, where the store ${what}`, async () => {
      const store = new FaultyStore(new MemoryStore({ maxEntrySizeBytes: 16 * MEBIBYTE }))
      store.faults[what === 'fails' ? 'write' : 'put'] = fault
      await using origin = await startOrigin(request =>
        rangedReply(request, { headers: { ...FRESH, etag: '"a"' }, body: bytes })
      )
      await using cached = new CachedAgent({ store, onStoreError() {} })
      const last = await race(cached, origin.url, 0)
      assert.ok((await last()).equals(bytes))
      assert.equal(origin.requests.length, 2)
    })
  }

  test('and reads on from the origin notices nothing when the last of those who went on leaves', async () => {
    await using origin = await startOrigin((request, response) => {
      const reply = { headers: { ...FRESH, etag: '"a"' }, body: bytes }
      if (request.headers.range !== undefined) return rangedReply(request, reply)
      response.writeHead(200, { ...reply.headers, 'content-length': bytes.byteLength })
      response.write(bytes.subarray(0, MEBIBYTE))
      return undefined
    })
    await using cached = new CachedAgent({ store: declining(), maxBufferedBytes: 16_384 })
    const [slow, other] = await Promise.all([cached.open(origin.url), cached.open(origin.url)])
    const hasGone = once(other.body, 'close').catch(() => {})
    other.body.on('error', () => {}).resume()
    await sleep(50)
    const reading = read(slow)
    await until(() => origin.requests.length === 2)
    other.body.destroy()
    await hasGone
    assert.ok((await reading).equals(bytes))
  })

  for (const [what, store, requests] of [
    ['the store', new MemoryStore(), 1],
    ['the origin', declining(), 2]
  ] as const) {
    test(`from the moment it joins, since it has paused, gets all of it once, from ${what}`, async () => {
      const rest = gate()
      const small = bytes.subarray(0, 100_000)
      await using origin = await startOrigin(async (request, response) => {
        const reply = { headers: { ...FRESH, etag: '"a"' }, body: small }
        if (request.headers.range !== undefined) return rangedReply(request, reply)
        response.writeHead(200, { ...reply.headers, 'content-length': small.byteLength })
        for (let start = 0; start < 60_000; start += 2000) {
          response.write(small.subarray(start, start + 2000))
          await sleep(1)
        }
        await rest.opened
        response.end(small.subarray(60_000))
        return undefined
      })
      await using cached = new CachedAgent({ store, maxBufferedBytes: 16_384 })
      const others = [watch(await cached.open(origin.url)), watch(await cached.open(origin.url))]
      await until(() => others.every(({ text }) => text.length > 0))
      await sleep(100)
      const late = handlerOf('modern', (at, control) => {
        if (at === 'head') control.pause()
      })
      cached.agent.dispatch({ origin: origin.url, path: '/', method: 'GET' }, late.handler)
      await until(() => late.heard.statusCode === 200)
      rest.open()
      await until(() => others.every(({ ended }) => ended))
      late.heard.control.resume()
      await late.heard.over
      assert.ok(Buffer.concat(late.heard.chunks).equals(small), `${Buffer.concat(late.heard.chunks).byteLength} bytes`)
      assert.equal(origin.requests.length, requests)
    })
  }
})

describe('what was for one alone', () => {
  test('is not waited for when it is asked for again, until it can be shared', async () => {
    let isShared = false
    let arrived = 0
    await using origin = await startOrigin(async ({ number }) => {
      if (number === 1) return { headers: { 'cache-control': 'no-store' }, body: '#1' }
      arrived++
      if (!isShared) await until(() => arrived === 5, 'all of them at the same time')
      else await sleep(20)
      return { headers: isShared ? FRESH : { 'cache-control': 'private' }, body: `#${number}` }
    })
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    await Promise.all(Array.from({ length: 5 }, () => cached.get(origin.url)))
    assert.equal(origin.requests.length, 6)
    isShared = true
    await cached.get(origin.url)
    await cached.cache.purge()
    await Promise.all(Array.from({ length: 5 }, () => cached.get(origin.url)))
    assert.equal(origin.requests.length, 8)
  })

  for (const status of [408, 425, 429, 500, 503]) {
    test(`because it failed, with ${status}, is asked for together again`, async () => {
      await using origin = await startOrigin(async ({ number }) => {
        await sleep(20)
        return number === 1 ? { status } : { headers: FRESH, body: 'x' }
      })
      await using cached = new CachedAgent()
      await cached.get(origin.url)
      await Promise.all(Array.from({ length: 5 }, () => cached.get(origin.url)))
      assert.equal(origin.requests.length, 2)
    })
  }

  test('because the store declined it once is asked for together again', async () => {
    const clock = new Clock()
    await using origin = withoutDates(
      await startOrigin(async () => {
        await sleep(20)
        return { headers: { 'cache-control': 'max-age=1, stale-while-revalidate=5' }, body: 'x' }
      })
    )
    const store = new FaultyStore(new MemoryStore())
    await using cached = new CachedAgent({ store, now: clock.now })
    await cached.get(origin.url)
    clock.advance(3)
    store.faults.put = () => undefined
    await cached.get(origin.url)
    await until(() => store.countOf('put') === 2)
    store.faults.put = undefined
    clock.advance(60)
    await Promise.all(Array.from({ length: 5 }, () => cached.get(origin.url)))
    assert.equal(origin.requests.length, 3)
  })
})

describe('those who come too late to read along', () => {
  const body = randomBytes(200_000)

  /** The first response stops where it is too late to join it. */
  async function stoppedOrigin(rest: Gate): Promise<Origin> {
    return startOrigin(async ({ number }, response) => {
      response.writeHead(200, { ...FRESH, 'content-length': body.byteLength })
      response.write(body.subarray(0, 100_000))
      if (number === 1) await rest.opened
      response.end(body.subarray(100_000))
    })
  }

  /** Asks first, and has got all that comes. */
  async function begin(cached: CachedAgent, url: string): Promise<{ whole: Promise<Buffer> }> {
    const response = await cached.open(url)
    const chunks: Buffer[] = []
    const collect = async () => {
      for await (const chunk of response.body) chunks.push(chunk)
      return Buffer.concat(chunks)
    }
    const whole = collect()
    await until(() => Buffer.concat(chunks).byteLength === 100_000)
    return { whole }
  }

  test('make one request in place of the one that takes too long', async () => {
    const rest = gate()
    await using origin = await stoppedOrigin(rest)
    await using cached = new CachedAgent({ coalesceTimeoutMs: 500 })
    const { whole } = await begin(cached, origin.url)
    const asking: Promise<Received>[] = []
    for (let i = 0; i < 20; i++) {
      asking.push(cached.get(origin.url))
      if (i % 5 === 0) await sleep(50)
    }
    const late = await Promise.all(asking)
    assert.ok(late.every(({ bytes }) => bytes.equals(body)))
    assert.equal(origin.requests.length, 2)
    rest.open()
    assert.ok((await whole).equals(body))
  })

  test('do not wait where nothing is being stored', async () => {
    const rest = gate()
    await using origin = await stoppedOrigin(rest)
    const store = declining()
    await using cached = new CachedAgent({ store, coalesceTimeoutMs: 60_000 })
    const { whole } = await begin(cached, origin.url)
    assert.ok((await cached.get(origin.url)).bytes.equals(body))
    rest.open()
    await whole
  })
})

test('a body that the store cannot open is fetched once for all who want it', async () => {
  for (const fault of [() => undefined, () => new Promise(() => {})]) {
    await using origin = await startOrigin(async () => {
      await sleep(500) // longer than the last of them may wait for the store
      return { headers: FRESH, body: 'x' }
    })
    const store = new FaultyStore(new AsyncStore())
    await using cached = new CachedAgent({ store, storeTimeoutMs: 100, onStoreError() {} })
    await cached.get(origin.url)
    await until(() => store.operations.includes('commit'))
    await sleep(10)
    store.faults.open = fault
    await Promise.all(Array.from({ length: 50 }, () => cached.get(origin.url)))
    assert.equal(origin.requests.length, 2)
  }
})

/** The same bytes but for the first. */
function otherBeginning(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes)
  changed.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
  return changed
}
