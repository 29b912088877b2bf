// Several caches on one store with leases stand for the processes of a fleet: one request for all of them, and nobody is
// worse off for it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CachedClient, type CacheOptions, type PurgeTarget, type StoreOperation } from 'undici-http-cache'
import type { Lease, LeaseAnswer } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import {
  CachedAgent,
  Clock,
  firstBehind,
  type Gate,
  gate,
  type Received,
  type RequestOptions,
  until,
  withoutDates
} from '../support/cached-agent.ts'
import { LeasingStore } from '../support/leasing-store.ts'
import { type Origin, type Reply, type Responder, type SeenRequest, startOrigin } from '../support/origin.ts'

const FRESH = { 'cache-control': 'max-age=60' }
const SIZE = 8
/** For a machine that is busy with other things. */
const SLACK_MS = 1500
const MAX_BYTES = 50_000

interface Fleet extends AsyncDisposable {
  readonly origin: Origin
  readonly store: LeasingStore
  readonly caches: readonly CachedAgent[]
  /** Lets the origin answer its first request. */
  readonly first: Gate
  /** How many requests the origin has at the same time, at the most. */
  readonly most: number
  readonly told: StoreOperation[]
  /** Each cache asks. */
  askAll(options?: RequestOptions): Promise<Received[]>
}

interface FleetOptions extends CacheOptions {
  readonly size?: number
}

/** An origin whose first answer waits for the gate, if that is not open; the others come at once. */
async function fleet(respond: Responder | Reply, { size = SIZE, ...options }: FleetOptions = {}): Promise<Fleet> {
  const first = gate()
  const answer = firstBehind(first, respond)
  let busy = 0
  let most = 0
  const origin = withoutDates(
    await startOrigin(async (request, response) => {
      most = Math.max(most, ++busy)
      try {
        return await answer(request, response)
      } finally {
        busy--
      }
    })
  )
  const store = new LeasingStore({ maxEntrySizeBytes: MAX_BYTES })
  const told: StoreOperation[] = []
  const onStoreError = (_error: unknown, operation: StoreOperation) => told.push(operation)
  const settings: CacheOptions = {
    store,
    coalesce: 'fleet',
    closeTimeoutMs: 500,
    storeTimeoutMs: 5000,
    onStoreError,
    ...options
  }
  const caches = Array.from({ length: size }, () => new CachedAgent(settings))
  return {
    origin,
    store,
    caches,
    first,
    told,
    get most() {
      return most
    },
    askAll: (request = {}) => Promise.all(caches.map(cached => cached.get(origin.url, request))),
    async [Symbol.asyncDispose]() {
      first.open()
      for (const cached of caches) await cached[Symbol.asyncDispose]()
      await origin.close()
      await until(() => !store.isHeld, 'the end of all leases')
    }
  }
}

function cacheOf({ caches }: Fleet, index: number): CachedAgent {
  return caches[index] ?? assert.fail()
}

const numbered = ({ number }: SeenRequest): Reply => ({ headers: FRESH, body: `#${number}` })
const isWaiting = ({ store }: Fleet, count = 1) =>
  until(() => store.answers.filter(word => word === 'held').length >= count)

describe('a fleet', () => {
  test('that asks for something cold at once makes one request', async () => {
    await using setting = await fleet(numbered)
    const all = setting.askAll()
    await isWaiting(setting, SIZE - 1)
    setting.first.open()
    assert.deepEqual(new Set((await all).map(({ body }) => body)), new Set(['#1']))
    assert.equal(setting.origin.requests.length, 1)
    const reasons = (await all).map(({ info }) => info.reason)
    assert.deepEqual(
      reasons.filter(reason => reason !== 'collapsed'),
      ['uri-miss']
    )
  })

  test('that asks again for what has just been purged makes one request each time', async () => {
    await using setting = await fleet(async request => {
      await sleep(50)
      return numbered(request)
    })
    const { origin, store, first } = setting
    first.open()
    for (const round of [1, 2, 3]) {
      const bodies = (await setting.askAll()).map(({ body }) => body)
      assert.deepEqual(new Set(bodies), new Set([`#${round}`]))
      assert.equal(origin.requests.length, round)
      await store.delete(`${origin.url}/`)
    }
  })

  test('of which each process asks several times makes one request', async () => {
    await using setting = await fleet(numbered)
    const all = Promise.all([setting.askAll(), setting.askAll(), setting.askAll()])
    await isWaiting(setting, SIZE - 1)
    setting.first.open()
    for (const { body } of (await all).flat()) assert.equal(body, '#1')
    assert.equal(setting.origin.requests.length, 1)
    assert.ok(setting.store.answers.filter(answer => answer === 'granted').length === 1)
  })

  test('makes one validation of what has gone stale', async () => {
    const clock = new Clock()
    await using setting = await fleet(
      ({ headers }) =>
        headers['if-none-match'] === undefined
          ? { headers: { 'cache-control': 'max-age=10', etag: '"1"' }, body: 'x' }
          : { status: 304 },
      { now: clock.now }
    )
    setting.first.open()
    await cacheOf(setting, 0).get(setting.origin.url)
    await until(() => !setting.store.isHeld, 'the end of the lease')
    clock.advance(11)
    for (const { body, fromCache } of await setting.askAll()) assert.deepEqual([body, fromCache], ['x', true])
    assert.equal(setting.origin.requests.length, 2)
  })

  test('asks for nothing that was stored between the lookup and the lease', async () => {
    await using setting = await fleet(numbered, { size: 2, storeTimeoutMs: 5000 })
    setting.first.open()
    const { store, origin } = setting
    let isFirst = true
    store.pace = async operation => {
      if (operation !== 'lease' || !isFirst) return
      isFirst = false
      await cacheOf(setting, 1).get(origin.url)
      await sleep(600)
    }
    assert.deepEqual([(await cacheOf(setting, 0).get(origin.url)).body, origin.requests.length], ['#1', 1])
  })

  test('asks for no lease where only its own processes are to wait', async () => {
    await using setting = await fleet(numbered, { coalesce: 'process', size: 2 })
    setting.first.open()
    await setting.askAll()
    assert.deepEqual(setting.store.answers, [])
    assert.equal(setting.origin.requests.length, 2)
  })

  test('needs no lease for what wants an answer of its own', async () => {
    await using setting = await fleet(numbered, { size: 1 })
    setting.first.open()
    for (const headers of [{ range: 'bytes=0-0' }, { 'cache-control': 'no-cache' }, { 'if-none-match': '"x"' }]) {
      await setting.askAll({ headers })
    }
    assert.deepEqual(setting.store.answers, [])
  })
})

describe('nothing is serialised by a lease', () => {
  const LATENCY_MS = 600
  const slowly = (reply: (request: SeenRequest) => Reply) => async (request: SeenRequest) => {
    await sleep(LATENCY_MS)
    return reply(request)
  }
  const answers: Record<string, (request: SeenRequest) => Reply> = {
    'that is for one alone': ({ number }) => ({ headers: { 'cache-control': 'no-store' }, body: `#${number}` }),
    'that is an error': ({ number }) => ({ status: 503, body: `#${number}` }),
    'of another variant': ({ number, headers }) => ({
      headers: { ...FRESH, vary: 'accept-language' },
      body: `#${number} ${headers['accept-language']}`
    }),
    'that is said to be too large': ({ number }) => ({ headers: FRESH, body: `#${number}`.padEnd(2 * MAX_BYTES) })
  }
  for (const [what, reply] of Object.entries(answers)) {
    test(`an answer ${what} releases all who wait for it at once, in parallel`, async () => {
      await using setting = await fleet(slowly(reply), { storeTimeoutMs: 5000 })
      const { origin, caches, first } = setting
      first.open()
      const languages = caches.map((_, i) => ({ 'accept-language': `x-${i}` }))
      const all = caches.flatMap((cached, i) =>
        [0, 1].map(() => cached.get(origin.url, { headers: languages[i] ?? {} }))
      )
      const bodies = (await Promise.all(all)).map(({ body }) => body)
      assert.ok(setting.most >= SIZE - 1, `${setting.most} at the same time`)
      if (what.includes('variant')) {
        for (const [i, body] of bodies.entries()) assert.ok(body.endsWith(`x-${Math.floor(i / 2)}`), body)
      } else assert.equal(new Set(bodies).size, 2 * SIZE, 'each an answer of its own')
    })
  }

  test('what was for one alone is not waited for again', async () => {
    await using setting = await fleet(slowly(answers['that is for one alone'] ?? numbered), { size: 4 })
    setting.first.open()
    await setting.askAll()
    const asked = setting.store.answers.length
    const startedMs = performance.now()
    await setting.askAll()
    assert.ok(performance.now() - startedMs < LATENCY_MS + SLACK_MS)
    assert.equal(setting.store.answers.length, asked, 'they know')
    await using late = new CachedAgent({ store: setting.store, coalesce: 'fleet' })
    const lateMs = performance.now()
    await late.get(setting.origin.url)
    assert.ok(performance.now() - lateMs < LATENCY_MS + SLACK_MS)
    assert.equal(setting.store.answers.at(-1), 'unshared', 'and who comes new is told')
  })

  test('a body that takes long is waited for no longer than coalesceTimeoutMs', async () => {
    const rest = gate()
    await using setting = await fleet(
      async ({ number }, response) => {
        if (number > 1) {
          await sleep(LATENCY_MS)
          return { headers: FRESH, body: 'half more' }
        }
        response.writeHead(200, { ...FRESH, 'content-length': 9 })
        response.write('half ')
        await rest.opened
        response.end('more')
        return undefined
      },
      { coalesceTimeoutMs: 200, size: 4 }
    )
    setting.first.open()
    const startedMs = performance.now()
    const leader = cacheOf(setting, 0).get(setting.origin.url)
    await until(() => setting.origin.requests.length === 1)
    const others = await Promise.all(setting.caches.slice(1).map(cached => cached.get(setting.origin.url)))
    const tookMs = performance.now() - startedMs
    assert.ok(tookMs > 180 && tookMs < 200 + 250 + LATENCY_MS + SLACK_MS, `${tookMs} ms`)
    assert.equal(setting.origin.requests.length, 4)
    rest.open()
    for (const { body } of [await leader, ...others]) assert.equal(body, 'half more')
  })
})

describe('a process that fetches for a fleet', () => {
  test('and dies is waited for no longer than its lease; then another does', async () => {
    await using setting = await fleet(numbered, { leaseMs: 10_000 })
    const { store, origin, first } = setting
    first.open()
    const take = store.lease.bind(store)
    store.lease = async name => {
      store.lease = take
      await take(name, 500) // its holder is never heard of again
      return take(name, 500)
    }
    const startedMs = performance.now()
    const all = await setting.askAll()
    const tookMs = performance.now() - startedMs
    assert.ok(tookMs > 400 && tookMs < 500 + 250 + SLACK_MS, `${tookMs} ms`)
    for (const { body } of all) assert.equal(body, '#1')
    assert.equal(origin.requests.length, 1)
  })

  test('holds its lease for as long as the origin takes', async () => {
    await using setting = await fleet(numbered, { size: 3, leaseMs: 1200 })
    const all = setting.askAll()
    await isWaiting(setting, 2)
    await sleep(2500)
    assert.equal(setting.store.isHeld, true)
    setting.first.open()
    for (const { body } of await all) assert.equal(body, '#1')
    assert.equal(setting.origin.requests.length, 1)
  })

  test('and whose client leaves lets another process begin', async () => {
    await using setting = await fleet(numbered, { size: 4 })
    const aborting = new AbortController()
    const gone = assert.rejects(cacheOf(setting, 0).get(setting.origin.url, { signal: aborting.signal }), {
      name: 'AbortError'
    })
    await until(() => setting.origin.requests.length === 1)
    const others = Promise.all(setting.caches.slice(1).map(cached => cached.get(setting.origin.url)))
    await isWaiting(setting, 3)
    aborting.abort()
    await gone
    for (const { body } of await others) assert.equal(body, '#2')
    assert.equal(setting.origin.requests.length, 2)
  })

  for (const [what, targetOf] of Object.entries({
    url: (url: string): PurgeTarget => ({ url }),
    origin: (url: string): PurgeTarget => ({ origin: url }),
    tag: (url: string): PurgeTarget => ({ tag: `origin:${url}` })
  })) {
    test(`for what has been purged here meanwhile by ${what} is not waited for by who asks after that`, async () => {
      await using setting = await fleet(numbered, { size: 2 })
      const { origin, first } = setting
      const cached = cacheOf(setting, 0)
      const doomed = cached.get(origin.url)
      await until(() => origin.requests.length === 1)
      await cached.cache.purge(targetOf(origin.url))
      const late = [await cached.get(origin.url), await cacheOf(setting, 1).get(origin.url)]
      for (const { body } of late) assert.equal(body, '#2')
      first.open()
      assert.equal((await doomed).body, '#1')
      assert.equal((await cached.get(origin.url)).body, '#2')
    })
  }

  test('of something that another has purged does not answer who asks after that', async () => {
    await using setting = await fleet(numbered, { size: 3 })
    const { origin, first, store } = setting
    const doomed = cacheOf(setting, 0).get(origin.url)
    await until(() => origin.requests.length === 1)
    await store.delete(`${origin.url}/`)
    const late = Promise.all([1, 2].map(i => cacheOf(setting, i).get(origin.url)))
    await isWaiting(setting, 2)
    first.open()
    assert.equal((await doomed).body, '#1')
    for (const { body } of await late) assert.notEqual(body, '#1')
  })
})

describe('a request that waits for another process', () => {
  test('is alone in noticing that it is aborted', async () => {
    await using setting = await fleet(numbered, { size: 2 })
    const { origin, first } = setting
    const leader = cacheOf(setting, 0).get(origin.url)
    await until(() => origin.requests.length === 1)
    const aborting = new AbortController()
    const gone = assert.rejects(cacheOf(setting, 1).get(origin.url, { signal: aborting.signal }), {
      name: 'AbortError'
    })
    await isWaiting(setting)
    const following = Promise.all([1, 2, 3].map(() => cacheOf(setting, 1).get(origin.url)))
    await sleep(20)
    aborting.abort()
    await gone
    first.open()
    for (const { body } of [await leader, ...(await following)]) assert.equal(body, '#1')
    assert.equal(origin.requests.length, 1)
  })

  test('and has left goes to the origin for those who wait with it', async () => {
    await using setting = await fleet(numbered, { size: 1 })
    const { origin, store, first } = setting
    first.open()
    const release = store.holdNext()
    const aborting = new AbortController()
    const gone = assert.rejects(cacheOf(setting, 0).get(origin.url, { signal: aborting.signal }), {
      name: 'AbortError'
    })
    await isWaiting(setting)
    const following = Promise.all([1, 2, 3].map(() => cacheOf(setting, 0).get(origin.url)))
    await sleep(100) // in which they have looked, and wait too
    aborting.abort()
    await gone
    await release()
    for (const { body } of await following) assert.equal(body, '#1')
    assert.equal(origin.requests.length, 1)
  })

  test('and was the last of its process to do so leaves nothing behind', async () => {
    await using setting = await fleet(numbered, { size: 2 })
    const { origin, first, store } = setting
    const leader = cacheOf(setting, 0).get(origin.url)
    await until(() => origin.requests.length === 1)
    const aborting = new AbortController()
    const gone = [1, 2].map(() =>
      assert.rejects(cacheOf(setting, 1).get(origin.url, { signal: aborting.signal }), { name: 'AbortError' })
    )
    await isWaiting(setting)
    aborting.abort()
    await Promise.all(gone)
    const asked = store.answers.length
    await sleep(300)
    assert.ok(store.answers.length <= asked + 1, 'it asks no more')
    first.open()
    await leader
  })

  test('asks for itself once its headersTimeout has passed', async () => {
    await using setting = await fleet(numbered, { size: 2 })
    const leader = cacheOf(setting, 0).get(setting.origin.url)
    await until(() => setting.origin.requests.length === 1)
    assert.equal((await cacheOf(setting, 1).get(setting.origin.url, { headersTimeout: 100 })).body, '#2')
    setting.first.open()
    await leader
  })

  test('is sent on when its cache is closed', async () => {
    await using setting = await fleet(numbered, { size: 2 })
    const leader = cacheOf(setting, 0).get(setting.origin.url)
    await until(() => setting.origin.requests.length === 1)
    const waiting = [1, 2, 3].map(() => cacheOf(setting, 1).get(setting.origin.url))
    await isWaiting(setting)
    await cacheOf(setting, 1).cache.close()
    for (const { body } of await Promise.all(waiting)) assert.notEqual(body, '#1')
    setting.first.open()
    await leader
  })

  test('is sent on when its client is closed', async () => {
    await using setting = await fleet(numbered, { size: 1 })
    const leader = cacheOf(setting, 0).get(setting.origin.url)
    await until(() => setting.origin.requests.length === 1)
    const client = new CachedClient({ cache: { store: setting.store, coalesce: 'fleet' } })
    const waiting = client.get(setting.origin.url).then(({ body }) => body.text())
    await isWaiting(setting)
    const closed = client.close()
    assert.equal(await waiting, '#2')
    await closed
    setting.first.open()
    await leader
  })
})

describe('a lease that goes wrong', () => {
  const TIMEOUT_MS = 80
  const faults: Record<string, () => unknown> = {
    throws: () => {
      throw new Error('no leases today')
    },
    rejects: () => Promise.reject(new Error('no leases today')),
    hangs: () => new Promise(() => {}),
    'is no answer': () => Promise.resolve(undefined),
    'is another word': () => 'maybe',
    'cannot be renewed': () => ({ release() {} })
  }
  for (const [what, fault] of Object.entries(faults)) {
    test(`since it ${what}: a process asks for itself, and one report is made`, async () => {
      await using setting = await fleet(numbered, { size: 1, storeTimeoutMs: TIMEOUT_MS })
      setting.first.open()
      setting.store.lease = fault as never
      const startedMs = performance.now()
      const all = await Promise.all([1, 2, 3].map(() => cacheOf(setting, 0).get(setting.origin.url)))
      assert.ok(performance.now() - startedMs < TIMEOUT_MS + SLACK_MS)
      for (const { body } of all) assert.equal(body, '#1')
      assert.deepEqual(setting.told, ['lease'])
    })
  }

  const halves: Record<string, Partial<Lease>> = {
    'renewing throws': {
      renew: () => {
        throw new Error('no renewal today')
      }
    },
    'renewing hangs': { renew: () => new Promise(() => {}) },
    'releasing rejects': { release: () => Promise.reject(new Error('no release today')) },
    'releasing hangs': { release: () => new Promise(() => {}) }
  }
  for (const [what, broken] of Object.entries(halves)) {
    test(`since ${what}: it ends by itself`, async () => {
      await using setting = await fleet(numbered, { size: 2, storeTimeoutMs: TIMEOUT_MS, leaseMs: 200 })
      const { store, origin, first, told } = setting
      const take = store.lease.bind(store)
      store.lease = async (name, ttlMs): Promise<LeaseAnswer> => {
        store.lease = take
        return { ...((await take(name, ttlMs)) as Lease), ...broken }
      }
      const leader = cacheOf(setting, 0).get(origin.url)
      await until(() => origin.requests.length === 1)
      if (what.startsWith('renewing')) await until(() => told.length === 1, 'a report')
      const other = cacheOf(setting, 1).get(origin.url)
      await sleep(10)
      first.open()
      assert.equal((await leader).body, '#1')
      assert.match((await other).body, /^#/)
      await until(() => told.length === 1, 'a report')
      assert.deepEqual(told, ['lease'])
    })
  }

  test('is given late, and let go of', async () => {
    await using setting = await fleet(numbered, { size: 1, storeTimeoutMs: TIMEOUT_MS })
    setting.first.open()
    const slow = gate()
    setting.store.pace = operation => (operation === 'lease' ? slow.opened : Promise.resolve())
    assert.equal((await cacheOf(setting, 0).get(setting.origin.url)).body, '#1')
    slow.open()
    await until(() => setting.store.answers.length === 1)
    await until(() => !setting.store.isHeld)
  })

  test('is not asked for where the store cannot tell its position: nothing would be stored', async () => {
    await using setting = await fleet(numbered, { size: 1, storeTimeoutMs: TIMEOUT_MS })
    setting.first.open()
    setting.store.pace = operation => (operation === 'get' ? new Promise(() => {}) : Promise.resolve())
    await setting.askAll()
    assert.deepEqual(setting.store.answers, [])
  })
})

describe('in the background a fleet', () => {
  const SWR = 'max-age=10, stale-while-revalidate=60'

  async function staleFleet(options: FleetOptions = {}, respond?: Responder) {
    const clock = new Clock()
    const reply: Responder = ({ number }) => ({ headers: { 'cache-control': SWR }, body: `#${number}` })
    const setting = await fleet(respond ?? reply, { coalesce: 'process', size: 4, now: clock.now, ...options })
    setting.first.open()
    await cacheOf(setting, 0).get(setting.origin.url)
    // Once it is stored.
    assert.equal((await cacheOf(setting, 0).get(setting.origin.url)).fromCache, true)
    clock.advance(11)
    return setting
  }

  for (const coalesce of ['process', 'fleet'] as const) {
    test(`makes one request for fifty hits, with coalesce: '${coalesce}'`, async () => {
      const second = gate()
      await using setting = await staleFleet({ coalesce }, async ({ number }) => {
        if (number === 2) await second.opened
        return { headers: { 'cache-control': SWR }, body: `#${number}` }
      })
      const { origin, caches, store } = setting
      const hits = Array.from({ length: 50 }, (_, i) => (caches[i % 4] ?? assert.fail()).get(origin.url))
      for (const { body, info } of await Promise.all(hits)) assert.deepEqual([body, info.outcome], ['#1', 'stale'])
      await until(() => origin.requests.length === 2)
      await setting.askAll()
      second.open()
      await until(() => !store.isHeld)
      for (const { body, info } of await setting.askAll()) assert.deepEqual([body, info.outcome], ['#2', 'hit'])
      assert.equal(origin.requests.length, 2)
    })
  }

  test('does not fetch again what takes long to come', async () => {
    const rest = gate()
    await using setting = await staleFleet({ coalesceTimeoutMs: 50 }, async ({ number }, response) => {
      if (number === 1) return { headers: { 'cache-control': SWR }, body: 'half more' }
      response.writeHead(200, { 'cache-control': SWR, 'content-length': 9 })
      response.write('half ')
      await rest.opened
      response.end('more')
      return undefined
    })
    const { origin, store } = setting
    await cacheOf(setting, 0).get(origin.url)
    await until(() => origin.requests.length === 2)
    for (let i = 0; i < 8; i++) {
      await setting.askAll()
      await sleep(100)
    }
    assert.equal(origin.requests.length, 2)
    rest.open()
    await until(() => !store.isHeld)
  })

  test('does not fetch again what was fetched between the lookup and the lease', async () => {
    await using setting = await staleFleet()
    const { origin, store } = setting
    const lateAsked = gate()
    const released = gate()
    let isFirst = true
    store.pace = async operation => {
      if (operation !== 'lease' || !isFirst) return
      isFirst = false
      lateAsked.open()
      await released.opened
    }
    assert.equal((await cacheOf(setting, 0).get(origin.url)).body, '#1')
    await lateAsked.opened
    assert.equal((await cacheOf(setting, 1).get(origin.url)).body, '#1')
    await until(() => origin.requests.length === 2)
    await until(() => !store.isHeld)
    await sleep(150)
    released.open()
    await until(() => store.answers.length === 2)
    await sleep(50)
    assert.equal(origin.requests.length, 2)
  })

  test('fetches although the store gives no lease', async () => {
    await using setting = await staleFleet({ storeTimeoutMs: 50 })
    setting.store.lease = () => new Promise(() => {})
    assert.equal((await cacheOf(setting, 0).get(setting.origin.url)).body, '#1')
    await until(() => setting.origin.requests.length === 2)
    assert.deepEqual(setting.told, ['lease'])
  })

  test('waits for one that has died no longer than its lease', async () => {
    await using setting = await staleFleet()
    const { store, origin } = setting
    const take = store.lease.bind(store)
    store.lease = async name => {
      store.lease = take
      await take(name, 200)
      return take(name, 200)
    }
    const cached = cacheOf(setting, 0)
    assert.equal((await cached.get(origin.url)).body, '#1')
    await sleep(100)
    assert.equal(origin.requests.length, 1)
    while (origin.requests.length === 1) await cached.get(origin.url)
    assert.equal(origin.requests.length, 2)
  })

  for (const ending of ['cache', 'client'] as const) {
    test(`lets go of the lease when the ${ending} is closed`, async () => {
      await using setting = await staleFleet()
      const { store, origin } = setting
      const slow = gate()
      const clock = new Clock()
      clock.advance(11)
      const client = new CachedClient({ cache: { store, now: clock.now } })
      store.pace = operation => (operation === 'lease' ? slow.opened : Promise.resolve())
      assert.equal(await client.get(origin.url).then(({ body }) => body.text()), '#1')
      await until(() => store.operations.includes('lease'))
      await (ending === 'cache' ? client.cache.close() : client.close())
      slow.open()
      await until(() => store.answers.length === 1 && !store.isHeld)
      await sleep(20)
      assert.equal(origin.requests.length, 1)
      if (ending === 'cache') await client.close()
    })
  }
})

test('a store without leases is refused for a fleet, by the name of the option', () => {
  for (const store of [undefined, new AsyncStore(), Object.assign(new LeasingStore(), { lease: undefined })]) {
    const options = { coalesce: 'fleet', ...(store === undefined ? {} : { store }) } as CacheOptions
    assert.throws(() => new CachedAgent(options), {
      name: 'TypeError',
      code: 'ERR_CACHE_OPTION',
      message: /^coalesce /
    })
  }
})

test('a flood of misses with failures, aborts, uncacheable answers and purges ends with an answer for everybody', async () => {
  await using setting = await fleet(
    async ({ number, headers }, response) => {
      await sleep(number % 7)
      if (number % 5 === 0) {
        response.destroy()
        return undefined
      }
      const control = number % 3 === 0 ? 'no-store' : number % 3 === 1 ? 'max-age=0' : 'max-age=60'
      return { headers: { 'cache-control': control, etag: '"x"', vary: 'x' }, body: `#${number} for ${headers['x']}` }
    },
    { size: 5, coalesceTimeoutMs: 20, storeTimeoutMs: 2000 }
  )
  setting.first.open()
  const { origin, caches, store } = setting
  const results = await Promise.allSettled(
    Array.from({ length: 400 }, async (_, i) => {
      await sleep((i * 7) % 300)
      const cached = caches[i % 5] ?? assert.fail()
      if (i % 40 === 0) await cached.cache.purge({ url: `${origin.url}/${i % 3}` })
      const x = `${i % 2}`
      const signal = i % 4 === 0 ? AbortSignal.timeout(1 + (i % 10)) : null
      const { body } = await cached.get(`${origin.url}/${i % 3}`, { headers: { x }, signal })
      assert.ok(body.endsWith(`for ${x}`), body)
    })
  )
  const failures = results.flatMap(result => (result.status === 'rejected' ? [String(result.reason.name)] : []))
  assert.ok(failures.length < 300)
  for (const name of failures) assert.match(name, /SocketError|TimeoutError|AbortError/)
  await until(() => !store.isHeld)
})
