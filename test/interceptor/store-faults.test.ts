// Whatever a store does, a client gets what it would get without one, hardly later.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CacheOptions, PurgeTarget, StoreOperation } from 'undici-http-cache'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { CacheStore, Lookup, Stored } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, gate, until } from '../support/cached-agent.ts'
import { type Fault, FaultyStore } from '../support/faulty-store.ts'
import { type Origin, startOrigin } from '../support/origin.ts'

const TIMEOUT_MS = 60
/** What may pass beyond the deadline on a machine that is busy. */
const SLACK_MS = 1500

/** What is no Promise, and can be awaited all the same. */
function thenable(then: () => void): object {
  return Object.fromEntries([['then', then]])
}

const FAULTS: Record<string, Fault> = {
  throws: () => {
    throw new Error('a fault')
  },
  rejects: () => Promise.reject(new Error('a fault')),
  'rejects with something else than an error': () => Promise.reject(undefined),
  'never settles': () => new Promise(() => {}),
  'settles too late': async real => {
    await sleep(TIMEOUT_MS * 5)
    return real()
  },
  'rejects too late': async () => {
    await sleep(TIMEOUT_MS * 5)
    throw new Error('a late fault')
  },
  'answers with a thenable that never settles': () => thenable(() => {}),
  'answers with a thenable that throws': () =>
    thenable(() => {
      throw new Error('a fault')
    })
}

/** Each member with one thing wrong. */
const wrongEntries = ({ entry, open }: Stored): Stored[] =>
  [
    { key: 'https://elsewhere.example/' },
    { variantKey: `${entry.variantKey}\nx:other` },
    { vary: ['x'] },
    { vary: 'x' },
    { statusCode: 99 },
    { statusCode: '200' },
    { statusText: null },
    { method: 'POST' },
    { lines: { etag: '"1"' } },
    { lines: [['etag']] },
    { lines: [['etag', 1]] },
    { trailers: null },
    { requestTimeMs: NaN },
    { responseTimeMs: '0' },
    { completeLength: -1 },
    { completeLength: 'all' },
    ...[
      undefined,
      {},
      [null],
      [{ start: 0 }],
      [{ start: -1, end: 1 }],
      [{ start: 1, end: 0 }],
      [{ start: 0, end: 10_000 }]
    ].map(segments => ({ segments })),
    {
      segments: [
        { start: 0, end: 1 },
        { start: 1, end: 2 }
      ]
    },
    {
      segments: [
        { start: 1, end: 2 },
        { start: 0, end: 1 }
      ]
    }
  ].map(wrong => ({ entry: { ...entry, ...wrong } as unknown as Entry, open }))

const lookup = (stored: unknown): unknown => ({ stored, otherVariants: false, asOf: () => 0 })

/** Answers that the contract does not allow, for each operation; true where the store's user need not be told. */
const NONSENSE: { [operation in StoreOperation]?: (real: unknown) => unknown[] } = {
  get: real => [
    undefined,
    null,
    'nothing',
    42,
    {},
    { stored: null },
    { stored: [] },
    lookup([null]),
    lookup([{}]),
    lookup([{ entry: {}, open: () => undefined }]),
    ...(real as Lookup).stored.flatMap(stored => [
      lookup([{ entry: stored.entry }]),
      ...wrongEntries(stored).map(wrong => lookup([wrong]))
    ])
  ],
  open: real => [null, 'text', 42, {}, [], ['text'], [null], Buffer.from('x'), [real, real].flat(), new Map()],
  put: () => [null, {}, 42, { write() {} }, { write: 1, commit: 2, abort: 3 }],
  write: () => [false, 42, {}],
  commit: () => [undefined, 'yes', 1, {}],
  abort: () => [42, {}],
  update: () => [undefined, 'yes', {}],
  delete: () => [42, {}]
}

interface World extends AsyncDisposable {
  readonly origin: Origin
  readonly store: FaultyStore
  readonly cached: CachedAgent
  readonly told: StoreOperation[]
  /** Operations that took too long. */
  readonly late: StoreOperation[]
  /** What a client must get now. */
  version: number
  /** Asks, and checks what comes and how soon. */
  ask(options?: Parameters<CachedAgent['get']>[1]): ReturnType<CachedAgent['get']>
}

/** An origin with one resource that a POST replaces, and a cache before it. */
async function world(inner: CacheStore, options: CacheOptions = {}): Promise<World> {
  const state = { version: 1 }
  const bodyOf = (version: number) => `version ${version} `.repeat(2000)
  const origin = await startOrigin(({ method, path, headers }, response) => {
    if (path === '/endless') {
      response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': 1000 })
      response.write('the beginning')
      return undefined
    }
    if (method === 'POST') {
      state.version++
      return { body: 'done' }
    }
    const fields = { 'cache-control': 'max-age=60', etag: `"${state.version}"` }
    return headers['if-none-match'] === fields.etag
      ? { status: 304, headers: fields }
      : { headers: fields, body: bodyOf(state.version) }
  })
  const store = new FaultyStore(inner)
  const told: StoreOperation[] = []
  const late: StoreOperation[] = []
  const cached = new CachedAgent({
    store,
    storeTimeoutMs: TIMEOUT_MS,
    closeTimeoutMs: 300,
    onStoreError: (error, operation) => {
      told.push(operation)
      if ((error as { code?: string } | undefined)?.code === 'ERR_CACHE_TIMEOUT') late.push(operation)
    },
    ...options
  })
  return {
    origin,
    store,
    cached,
    told,
    late,
    get version() {
      return state.version
    },
    set version(version: number) {
      state.version = version
    },
    async ask(request = {}) {
      const started = performance.now()
      const received = await cached.get(origin.url, request)
      const tookMs = performance.now() - started
      assert.ok(tookMs < TIMEOUT_MS + SLACK_MS, `${tookMs} ms`)
      assert.equal(received.status, 200)
      const expected = request.method === 'POST' ? 'done' : request.method === 'HEAD' ? '' : bodyOf(state.version)
      assert.ok(received.body === expected, `not version ${state.version}: ${received.body.slice(0, 20)}`)
      return received
    },
    async [Symbol.asyncDispose]() {
      await cached[Symbol.asyncDispose]()
      await origin.close()
    }
  }
}

const stores: Record<string, () => CacheStore> = {
  synchronous: () => new MemoryStore(),
  asynchronous: () => new AsyncStore()
}

/** Every way through the store: a miss, a hit, a validation, an invalidation, a body that is given up. */
async function wholeFlow({ ask, cached, origin }: World): Promise<void> {
  await ask()
  await ask()
  await ask({ headers: { 'cache-control': 'no-cache' } })
  await ask({ method: 'HEAD' })
  await ask({ method: 'POST', body: 'x' })
  await ask()
  await ask()
  const { body } = await cached.open(`${origin.url}/endless`)
  body.on('error', () => {})
  await once(body, 'readable')
  body.destroy()
  await until(() => body.closed)
}

for (const [kind, makeStore] of Object.entries(stores)) {
  // Most of the time goes by in waiting.
  describe(`a store, ${kind} but for`, { concurrency: 6 }, () => {
    const operations = ['get', 'asOf', 'open', 'read', 'put', 'write', 'commit', 'abort', 'update', 'delete'] as const
    for (const operation of operations) {
      // Bodies of the memory store are there at once.
      if (kind === 'synchronous' && operation === 'read') continue
      for (const [what, fault] of Object.entries(FAULTS)) {
        test(`${operation}, which ${what}, harms no request`, async () => {
          await using setting = await world(makeStore())
          const { store, told, ask } = setting
          store.faults[operation] = fault
          await wholeFlow(setting)
          await until(() => store.operations.includes(operation), operation)
          const name = operation === 'asOf' ? 'get' : operation
          await until(() => told.includes(name), `a report of ${name}`)
          // A busy machine can make any of them late.
          const others = told.filter(other => other !== name && !setting.late.includes(other))
          assert.deepEqual(others, [], 'nothing else is reported')
          store.faults[operation] = undefined
          await ask()
        })
      }
    }

    for (const [name, nonsenseOf] of Object.entries(NONSENSE)) {
      const operation = name as StoreOperation
      test(`${operation}, which answers with nonsense, harms no request`, async () => {
        const samples = await sampleAnswers(makeStore(), operation)
        assert.ok(samples.length > 0)
        for (let index = 0; index < nonsenseOf(samples.at(-1)).length; index++) {
          await using setting = await world(makeStore())
          setting.store.faults[operation] = real => {
            const answer = real()
            return answer instanceof Promise
              ? answer.then(settled => nonsenseOf(settled)[index])
              : nonsenseOf(answer)[index]
          }
          await wholeFlow(setting)
          if (operation === 'get') await until(() => setting.told.includes('get'), `a report of answer ${index}`)
        }
      })
    }
  })
}

describe('a store that mixes up its entries', () => {
  test('never has the response of one URL answer another, nor that of one variant or partition', async () => {
    await using origin = await startOrigin(({ path, headers }) => ({
      headers: { 'cache-control': 'max-age=60', vary: 'x' },
      body: `${path} ${headers['x']} ${headers.authorization}`
    }))
    const memory = new MemoryStore()
    const store = new FaultyStore(memory)
    const told: StoreOperation[] = []
    await using cached = new CachedAgent({
      store,
      type: 'private',
      onStoreError: (_error, operation) => told.push(operation)
    })
    const ask = (path: string, x: string, authorization: string) =>
      cached.get(origin.url + path, { headers: { x, authorization } })
    await ask('/one', '1', 'a')
    let variant = ''
    for await (const entry of memory.entries()) variant = entry.variantKey
    const mixedUp: readonly (readonly [string, string, string])[] = [
      ['/two', '1', 'a'],
      ['/one', '2', 'a'],
      ['/one', '1', 'b']
    ]
    for (const [path, x, authorization] of mixedUp) {
      store.faults.get = () => {
        const found = memory.get(`${origin.url}/one`, () => variant)
        assert.equal(found.stored.length, 1)
        return found
      }
      const before = told.length
      const { body, fromCache } = await ask(path, x, authorization)
      assert.deepEqual([body, fromCache], [`${path} ${x} ${authorization}`, false])
      assert.equal(told.length, before + 1)
    }
  })
})

/** What an operation answers where nothing is wrong. */
async function sampleAnswers(store: CacheStore, operation: StoreOperation): Promise<unknown[]> {
  await using setting = await world(store)
  const answers: unknown[] = []
  setting.store.faults[operation] = real => {
    const answer = real()
    void Promise.resolve(answer).then(settled => answers.push(settled))
    return answer
  }
  await wholeFlow(setting)
  await until(() => answers.length > 0, operation)
  return answers
}

describe('a fault', () => {
  test('is reported once, with the error and the name of the operation', async () => {
    const reports: unknown[] = []
    const error = new Error('no lookup today')
    await using setting = await world(new MemoryStore(), { onStoreError: (...report) => reports.push(report) })
    setting.store.faults.get = () => {
      throw error
    }
    await setting.ask()
    assert.deepEqual(reports, [[error, 'get']])
  })

  test('that is a deadline says so', async () => {
    const reports: [unknown, string][] = []
    await using setting = await world(new MemoryStore(), { onStoreError: (...report) => reports.push(report) })
    setting.store.faults.get = () => new Promise(() => {})
    await setting.ask()
    const [error, operation] = reports[0] ?? []
    assert.deepEqual([(error as { code?: string }).code, operation], ['ERR_CACHE_TIMEOUT', 'get'])
    assert.match(String(error), /60 ms to get/)
  })

  const listeners: Record<string, CacheOptions['onStoreError']> = {
    'a listener that throws': () => {
      throw new Error('from the listener')
    },
    'a listener that rejects': async () => {
      throw new Error('from the listener')
    },
    'no listener': undefined
  }
  for (const [what, onStoreError] of Object.entries(listeners)) {
    test(`with ${what} harms no request`, async () => {
      await using setting = await world(new AsyncStore(), onStoreError === undefined ? {} : { onStoreError })
      for (const operation of ['put', 'delete', 'get'] as const) {
        setting.store.faults[operation] = () => Promise.reject(new Error('a fault'))
        await wholeFlow(setting)
      }
    })
  }
})

describe('a late answer', () => {
  test('of a lookup is ignored', async () => {
    await using setting = await world(new MemoryStore())
    const { store, ask, origin } = setting
    await ask()
    const late = gate()
    store.faults.get = async real => {
      await late.opened
      return real()
    }
    setting.version++
    await ask()
    assert.equal(origin.requests.length, 2)
    late.open()
    await sleep(10)
    assert.equal(origin.requests.length, 2)
    assert.equal(store.operations.includes('open'), false)
  })

  test('with a writer aborts it', async () => {
    await using setting = await world(new MemoryStore())
    const { store, ask } = setting
    const late = gate()
    store.faults.put = async real => {
      await late.opened
      return real()
    }
    await ask()
    await until(() => setting.told.length === 1)
    assert.equal(store.operations.includes('abort'), false)
    late.open()
    await until(() => store.operations.includes('abort'))
    assert.equal(store.operations.includes('commit'), false)
  })

  test('with a body lets go of it', async () => {
    await using setting = await world(new MemoryStore())
    const { store, ask } = setting
    await ask()
    let returned = 0
    for (const fails of [false, true]) {
      store.faults.open = async () => {
        await sleep(TIMEOUT_MS * 1.5)
        return {
          [Symbol.asyncIterator]() {
            returned++
            if (fails) throw new Error('a fault')
            return {
              next: async () => ({ done: true, value: undefined }),
              return: async () => ({ done: true, value: undefined })
            }
          }
        }
      }
      const before = returned
      await ask()
      await until(() => returned > before)
    }
  })

  test('of a deletion comes too late to keep the key from being served again', async () => {
    await using setting = await world(new AsyncStore())
    const { store, ask } = setting
    await ask()
    const late = gate()
    store.faults.delete = async real => {
      await late.opened
      return real()
    }
    await ask({ method: 'POST' })
    assert.equal((await ask()).fromCache, false)
    late.open()
    store.faults.delete = undefined
    await until(() => store.countOf('delete') >= 1)
    await ask()
    await sleep(10)
    assert.equal((await ask()).fromCache, true)
  })
})

describe('a deletion', () => {
  for (const [what, fault] of Object.entries({
    fails: () => Promise.reject(new Error('a fault')),
    'never ends': () => new Promise(() => {})
  })) {
    test(`that ${what} keeps the key from being served, until one succeeds`, async () => {
      await using setting = await world(new MemoryStore())
      const { store, ask, cached, origin } = setting
      await ask()
      await cached.get(`${origin.url}/other`)
      store.faults.delete = fault
      await ask({ method: 'POST' })
      for (let i = 0; i < 3; i++) assert.equal((await ask()).fromCache, false)
      assert.equal((await cached.get(`${origin.url}/other`)).fromCache, true, 'other keys are served')
      store.faults.delete = undefined
      assert.equal((await ask()).fromCache, false)
      assert.equal((await ask()).fromCache, true)
    })
  }

  test('under way keeps the key from being served, even where nobody waits for it', async () => {
    const store = new FaultyStore(new AsyncStore())
    let version = 1
    await using origin = await startOrigin(({ method }, response) => {
      if (method === 'GET') return { headers: { 'cache-control': 'max-age=60' }, body: `version ${version}` }
      version++
      response.destroy()
      return undefined
    })
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
    await cached.get(origin.url)
    await until(() => store.operations.includes('commit'))
    assert.equal((await cached.get(origin.url)).fromCache, true)
    const slow = gate()
    store.faults.delete = async real => {
      await slow.opened
      return real()
    }
    await assert.rejects(cached.get(origin.url, { method: 'POST' }))
    const next = cached.get(origin.url)
    setTimeout(() => slow.open(), 20)
    assert.equal((await next).body, 'version 2')
  })

  test('by purge that fails is told to the caller, and keeps the key from being served', async () => {
    await using setting = await world(new MemoryStore())
    const { store, ask, cached, origin } = setting
    await ask()
    store.faults.delete = () => Promise.reject(new Error('no deletion today'))
    await assert.rejects(cached.cache.purge({ url: origin.url }), { message: 'no deletion today' })
    assert.equal((await ask()).fromCache, false)
    store.faults.delete = undefined
    await cached.cache.purge({ url: origin.url })
    await ask()
    assert.equal((await ask()).fromCache, true)
  })
})

describe('a purge of much that fails', () => {
  const targets: Record<string, (url: string) => PurgeTarget | undefined> = {
    'by tag': url => ({ tag: `origin:${url}` }),
    'of an origin': url => ({ origin: url }),
    'of everything': () => undefined
  }
  for (const [what, targetOf] of Object.entries(targets)) {
    test(`${what} is told to the caller, keeps what it was about from being served, and is tried again`, async () => {
      await using setting = await world(new MemoryStore())
      const { store, ask, cached, origin } = setting
      await ask()
      const fail = () => Promise.reject(new Error('no deletion today'))
      Object.assign(store.faults, { delete: fail, clear: fail })
      await assert.rejects(cached.cache.purge(targetOf(origin.url)), { message: 'no deletion today' })
      assert.equal((await ask()).fromCache, false)
      assert.equal((await ask()).fromCache, false)
      Object.assign(store.faults, { delete: undefined, clear: undefined })
      await sleep(1_100)
      await ask()
      await ask()
      assert.equal((await ask()).fromCache, true)
    })
  }

  test('leaves what it was not about alone', async () => {
    await using setting = await world(new MemoryStore())
    const { store, ask, cached } = setting
    await ask()
    store.faults.delete = () => Promise.reject(new Error('no deletion today'))
    await assert.rejects(cached.cache.purge({ origin: 'https://elsewhere.example' }))
    assert.equal((await ask()).fromCache, true)
  })

  test('of a store that knows no tags keeps nothing from being served', async () => {
    const store = Object.assign(new MemoryStore(), {
      capabilities: { ...new MemoryStore().capabilities, tags: false },
      deleteByTag: () => Promise.reject(new Error('no tags'))
    })
    await using setting = await world(store)
    const { ask, cached, origin } = setting
    await ask()
    await assert.rejects(cached.cache.purge({ origin: origin.url }), { message: 'no tags' })
    assert.equal((await ask()).fromCache, true)
  })
})

describe('a response under way while a store cannot tell what was deleted', () => {
  test('is not stored: a POST may have overtaken it', async () => {
    const release = gate()
    let version = 1
    await using origin = await startOrigin(async ({ method, number }) => {
      const body = `version ${version}`
      if (method === 'POST') version++
      else if (number === 1) await release.opened
      return { headers: { 'cache-control': 'max-age=60' }, body }
    })
    const store = new FaultyStore(new MemoryStore())
    await using cached = new CachedAgent({ store })
    store.faults.get = () => Promise.reject(new Error('a fault'))
    const early = cached.get(origin.url)
    await until(() => origin.requests.length === 1)
    store.faults.get = undefined
    await cached.get(origin.url, { method: 'POST' })
    release.open()
    assert.equal((await early).body, 'version 1')
    assert.equal((await cached.get(origin.url)).body, 'version 2')
  })
})

for (const [what, open] of [
  ['is gone', () => undefined],
  [
    'cannot be opened',
    async () => {
      throw new Error('a fault')
    }
  ]
] satisfies [string, Fault][]) {
  test(`a request with only-if-cached whose stored body ${what} gets 504, and the origin no request`, async () => {
    await using origin = await startOrigin()
    const store = new FaultyStore(new MemoryStore())
    await using cached = new CachedAgent({ store })
    await cached.get(origin.url)
    store.faults.open = open
    const { status, info } = await cached.get(origin.url, { headers: { 'cache-control': 'only-if-cached' } })
    assert.deepEqual([status, info.outcome, info.reason], [504, 'unsatisfiable', 'only-if-cached'])
    assert.equal(origin.requests.length, 1)
  })
}

test('a store that cannot remove one response has what is damaged deleted with its key', async () => {
  await using origin = await startOrigin(() => ({ headers: { 'cache-control': 'max-age=60' }, body: 'x' }))
  const memory = new MemoryStore()
  const deleted: string[] = []
  const store: CacheStore = {
    capabilities: { ...memory.capabilities },
    get: (key, variantOf) => {
      const found = memory.get(key, variantOf)
      const stored = found.stored.map(({ entry }) => ({ entry, open: () => tooShort() }))
      return { stored, otherVariants: found.otherVariants, asOf: () => found.asOf() }
    },
    put: (entry, options) => memory.put(entry, options),
    update: (entry, options) => memory.update(entry, options),
    delete: key => {
      deleted.push(key)
      memory.delete(key)
    },
    deleteByTag: tag => memory.deleteByTag(tag),
    clear: () => memory.clear(),
    close: () => memory.close()
  }
  await using agent = new CachedAgent({ store })
  await agent.get(origin.url)
  assert.equal((await agent.get(origin.url)).body, 'x')
  assert.deepEqual(deleted, [`${origin.url}/`])
})

async function* tooShort(): AsyncIterable<Uint8Array> {}
