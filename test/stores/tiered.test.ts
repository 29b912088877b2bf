// Several stores as one.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { testStore } from 'undici-http-cache/stores/testing'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { CacheStore, InvalidationListener, Invalidations } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent } from '../support/cached-agent.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { startOrigin } from '../support/origin.ts'

testStore({
  name: 'TieredStore of two memory stores',
  isSynchronous: true,
  create: ({ maxEntrySizeBytes }) =>
    new TieredStore([new MemoryStore({ maxEntrySizeBytes: 100_000 }), new MemoryStore({ maxEntrySizeBytes })])
})

testStore({
  name: 'TieredStore of three, the last of promises',
  isSynchronous: true,
  create: ({ maxEntrySizeBytes }) => {
    const tiers: CacheStore[] = [new MemoryStore(), new MemoryStore(), new AsyncStore({ maxEntrySizeBytes })]
    return new TieredStore(tiers)
  },
  variantCount: 100
})

testStore({
  name: 'TieredStore that believes its upper tier nothing',
  create: ({ maxEntrySizeBytes }) => {
    const upper = new AsyncStore({ maxEntrySizeBytes })
    const lower = new MemoryStore({ maxEntrySizeBytes })
    return new TieredStore([upper, Object.assign(lower, { capabilities: { ...lower.capabilities, shared: true } })], {
      maxTrustMs: 0
    })
  },
  variantCount: 100
})

const KEY = 'https://tiered.test/'
const variantOf = () => 'GET\n'

/** A store that others change too, and that says so. */
class TellingStore extends AsyncStore {
  override readonly capabilities = { ...new AsyncStore().capabilities, shared: true } as never
  listener: InvalidationListener | undefined
  readonly invalidations: Invalidations = {
    nameOf: key => `<${key}>`,
    listen: listener => {
      this.listener = listener
      return () => {
        this.listener = undefined
      }
    }
  }
}

function entryOf(id: string, changes: Partial<Entry> = {}): Entry {
  const nowMs = Date.now()
  return {
    id,
    key: KEY,
    variantKey: 'GET\n',
    vary: [],
    method: 'GET',
    statusCode: 200,
    statusText: 'OK',
    lines: [],
    trailers: [],
    requestTimeMs: nowMs,
    responseTimeMs: nowMs,
    completeLength: undefined,
    segments: [],
    tags: [],
    expiresAtMs: Infinity,
    ...changes
  }
}

async function put(store: CacheStore, entry: Entry, body: Uint8Array = Buffer.from(entry.id)): Promise<boolean> {
  const writer = await store.put(entry)
  await writer?.write(new Uint8Array(body))
  const segments = [{ start: 0, end: body.byteLength }]
  return (await writer?.commit({ ...entry, completeLength: body.byteLength, segments })) === true
}

/** The ids of what a lookup finds, and how often the next tier had to be asked. */
async function find(store: CacheStore, isRead = true): Promise<string> {
  let lookup = await store.get(KEY, variantOf)
  let depth = 0
  for (; lookup.stored.length === 0 && lookup.deeper !== undefined; depth++) lookup = await lookup.deeper()
  const body = await lookup.stored[0]?.open()
  if (isRead && body !== undefined && Symbol.asyncIterator in body) for await (const _ of body);
  return `${lookup.stored.map(({ entry }) => entry.id).join()} at ${depth}`
}

describe('a lookup', () => {
  test('is answered by the first tier, and by the next where that has nothing', async () => {
    const [upper, middle, lower] = [new MemoryStore(), new MemoryStore(), new AsyncStore()]
    await using store = closing(new TieredStore([upper, middle, lower]))
    assert.equal(await put(store, entryOf('a')), true)
    assert.equal(await find(store), 'a at 0')
    upper.clear()
    assert.equal(await find(store), 'a at 1')
    assert.equal(await find(store), 'a at 0', 'and is there from then on')
    upper.clear()
    middle.clear()
    assert.equal(await find(store), 'a at 2')
    assert.deepEqual([upper.entryCount, middle.entryCount], [1, 1])
  })

  test('copies up only what was read to its end, and only what fits', async () => {
    const upper = new MemoryStore({ maxEntrySizeBytes: 200_000 })
    const lower = new AsyncStore()
    await using store = closing(new TieredStore([upper, lower]))
    await put(lower, entryOf('a'), Buffer.alloc(150_000))
    assert.equal(await find(store, false), 'a at 1')
    assert.equal(await find(store), 'a at 1')
    assert.equal(await find(store), 'a at 0')
    await put(lower, entryOf('b'), Buffer.alloc(250_000))
    upper.clear()
    for (const _ of [1, 2]) assert.equal(await find(store), 'b at 1')
  })

  test('does not copy up what was deleted meanwhile', async () => {
    const [upper, lower] = [new MemoryStore(), new AsyncStore()]
    await using store = closing(new TieredStore([upper, lower]))
    await put(lower, entryOf('a'))
    const found = await (await store.get(KEY, variantOf)).deeper?.()
    await store.delete(KEY)
    const body = await found?.stored[0]?.open()
    if (body !== undefined && Symbol.asyncIterator in body) for await (const _ of body);
    assert.equal(upper.entryCount, 0)
  })

  for (const isReading of [false, true]) {
    test(`does not copy up what was removed ${isReading ? 'while it was copied' : 'meanwhile'}`, async () => {
      const [upper, lower] = [new MemoryStore(), new AsyncStore()]
      await using store = closing(new TieredStore([upper, lower]))
      await put(lower, entryOf('a'), Buffer.alloc(150_000))
      const found = await (await store.get(KEY, variantOf)).deeper?.()
      if (!isReading) await store.remove(entryOf('a'))
      const body = await found?.stored[0]?.open()
      if (isReading) await store.remove(entryOf('a'))
      if (body !== undefined && Symbol.asyncIterator in body) for await (const _ of body);
      assert.equal(upper.entryCount, 0)
      assert.equal(await find(store), ' at 1')
      assert.equal(await put(store, entryOf('b')), true)
      assert.equal(await find(store), 'b at 0')
    })
  }

  for (const [what, remove] of [
    ['delete', store => store.delete(KEY)],
    ['deleteByTag', store => store.deleteByTag('a-tag')],
    ['clear', store => store.clear()]
  ] satisfies [string, (store: CacheStore) => unknown][]) {
    test(`does not copy up what ${what} has yet to take from the next tier`, async () => {
      const [upper, lower] = [new MemoryStore(), new AsyncStore()]
      await using store = closing(new TieredStore([upper, lower]))
      await put(store, entryOf('a', { tags: ['a-tag'] }))
      let copied: Promise<string> | undefined
      lower.pace = async operation => {
        if (operation !== 'delete' && operation !== 'clear') return
        copied ??= find(store)
        await copied
      }
      await remove(store)
      assert.equal(await copied, 'a at 1')
      assert.deepEqual([await find(store), upper.entryCount], [' at 1', 0])
    })
  }
})

describe('what the last tier does not store', () => {
  for (const [what, spoil] of [
    ['declines', { put: () => undefined }],
    ['overtakes', { commit: () => false }]
  ] as const) {
    test(`because it ${what} is in no other`, async () => {
      const upper = new MemoryStore()
      const lower = new FaultyStore(new MemoryStore())
      Object.assign(lower.faults, spoil)
      await using store = closing(new TieredStore([upper, lower]))
      assert.equal(await put(store, entryOf('a')), false)
      assert.equal(upper.entryCount, 0)
    })
  }

  test('because it fails is in no other, and the failure is told', async () => {
    const upper = new MemoryStore()
    const lower = new FaultyStore(new MemoryStore())
    await using store = closing(new TieredStore([upper, lower]))
    for (const operation of ['put', 'write', 'commit'] as const) {
      lower.faults[operation] = () => {
        throw new Error(operation)
      }
      await assert.rejects(put(store, entryOf('a')), { message: operation })
      lower.faults[operation] = undefined
    }
    assert.equal(upper.entryCount, 0)
  })
})

describe('an upper tier', () => {
  test('that fails is passed over', async () => {
    const upper = new FaultyStore(new MemoryStore())
    await using store = closing(new TieredStore([upper, new MemoryStore()]))
    for (const operation of ['put', 'write', 'commit', 'update', 'abort'] as const) {
      upper.faults[operation] = () => {
        throw new Error(operation)
      }
      assert.equal(await put(store, entryOf(operation)), true)
      assert.equal(await store.update({ ...entryOf(operation), statusText: 'New' }), true)
    }
    assert.match(await find(store), /^abort at 1$/)
  })

  test('that does not take a replacement does not keep what was replaced', async () => {
    const upper = new FaultyStore(new MemoryStore())
    await using store = closing(new TieredStore([upper, new MemoryStore()]))
    await put(store, entryOf('a'))
    for (const operation of ['put', 'write', 'commit'] as const) {
      upper.faults[operation] = () => (operation === 'commit' ? false : undefined)
      if (operation === 'write') upper.faults.write = () => Promise.reject(new Error('full'))
      await put(store, entryOf(operation))
      upper.faults[operation] = undefined
      assert.equal(await find(store), `${operation} at 1`)
    }
  })

  test('is not believed longer than maxTrustMs where others share the last', async () => {
    const [upper, lower] = [new MemoryStore(), new AsyncStore()]
    const shared = Object.assign(lower, { capabilities: { ...lower.capabilities, shared: true } })
    await using store = closing(new TieredStore([upper, shared], { maxTrustMs: 100 }))
    await put(store, entryOf('a'))
    assert.equal(await find(store), 'a at 0')
    lower.memory.delete(KEY)
    await sleep(110)
    assert.equal(await find(store), ' at 1')
    assert.equal(await find(store), ' at 1', 'not again, either')
  })

  test('is believed again once the last was asked', async () => {
    const [upper, lower] = [new MemoryStore(), new AsyncStore()]
    const shared = Object.assign(lower, { capabilities: { ...lower.capabilities, shared: true } })
    await using store = closing(new TieredStore([upper, shared], { maxTrustMs: 100 }))
    await put(store, entryOf('a'))
    await sleep(110)
    assert.equal(await find(store), 'a at 1')
    assert.equal(await find(store), 'a at 0')
  })

  test('is believed as long as the last tells of changes, and loses what has changed', async () => {
    const [upper, lower] = [new MemoryStore(), new TellingStore()]
    await using store = closing(new TieredStore([upper, lower], { maxTrustMs: 0 }))
    await put(store, entryOf('a'))
    assert.equal(await find(store), 'a at 1', 'it does not tell yet')
    lower.listener?.isListening(true)
    await sleep(1)
    assert.equal(await find(store), 'a at 1', 'what was there before may have changed unheard')
    assert.equal(await find(store), 'a at 0')
    lower.listener?.changed('<https://elsewhere.test/>')
    assert.equal(await find(store), 'a at 0')
    lower.memory.delete(KEY)
    lower.listener?.changed(`<${KEY}>`)
    assert.equal(await find(store), ' at 1')
    await put(store, entryOf('b'))
    lower.listener?.everythingChanged()
    assert.equal(upper.entryCount, 0)
    await find(store)
    assert.equal(await find(store), 'b at 0')
    lower.listener?.isListening(false)
    await sleep(1)
    for (const _ of [1, 2]) assert.equal(await find(store), 'b at 1')
  })

  test('does not get what changed while it was read below', async () => {
    const [upper, lower] = [new MemoryStore(), new TellingStore()]
    await using store = closing(new TieredStore([upper, lower]))
    await put(store, entryOf('a'))
    lower.listener?.isListening(true)
    await sleep(1)
    const found = await (await store.get(KEY, variantOf)).deeper?.()
    lower.listener?.changed(`<${KEY}>`)
    const body = await found?.stored[0]?.open()
    if (body !== undefined && Symbol.asyncIterator in body) for await (const _ of body);
    assert.equal(upper.entryCount, 0)
  })

  test('is listened for until the store is closed', async () => {
    const lower = new TellingStore()
    const store = new TieredStore([new MemoryStore(), lower])
    assert.ok(lower.listener)
    await store.close()
    assert.equal(lower.listener, undefined)
  })
})

test('behind the interceptor a hit in the first tier is answered in the same tick', async () => {
  await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x' })
  const lower = new AsyncStore()
  await using store = closing(new TieredStore([new MemoryStore(), lower]))
  await using cached = new CachedAgent({ store })
  for (const fromCache of [false, true]) assert.equal((await cached.get(origin.url)).fromCache, fromCache)
  const { length } = lower.operations
  assert.equal((await cached.get(origin.url)).fromCache, true)
  assert.equal(lower.operations.length, length)
})

/** A store that a test closes at its end. */
function closing<Store extends CacheStore>(store: Store): Store & AsyncDisposable {
  return Object.assign(store, { [Symbol.asyncDispose]: async () => store.close() })
}

describe('a TieredStore', () => {
  for (const tiers of [undefined, [], [new MemoryStore()], [new MemoryStore(), {}]]) {
    test(`is not made of ${JSON.stringify(tiers)}`, () => {
      assert.throws(() => new TieredStore(tiers as unknown as CacheStore[]), {
        code: 'ERR_CACHE_OPTION',
        message: /tiers/
      })
    })
  }

  test('is not made of one store twice', () => {
    const store = new MemoryStore()
    assert.throws(() => new TieredStore([store, store]), { code: 'ERR_CACHE_OPTION' })
  })

  for (const maxTrustMs of [-1, Number.NaN, '1' as unknown as number]) {
    test(`does not take maxTrustMs: ${maxTrustMs}`, () => {
      const tiers = [new MemoryStore(), new MemoryStore()]
      assert.throws(() => new TieredStore(tiers, { maxTrustMs }), { code: 'ERR_CACHE_OPTION', message: /maxTrustMs/ })
    })
  }
})
