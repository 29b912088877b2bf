// storeTimeoutMs: one bound for all of the store up to the first byte, then one for each further piece that is not empty.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Body, CacheStore, Lookup } from 'undici-http-cache'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { CachedAgent } from '../support/cached-agent.ts'
import { startOrigin } from '../support/origin.ts'

const TIMEOUT_MS = 250
const FRESH = { 'cache-control': 'max-age=60', etag: '"1"' }

/** A store whose lookups are changed by `change`, which may take its time. */
function changed(change: (lookup: Lookup) => Lookup | Promise<Lookup>): CacheStore {
  const memory = new MemoryStore()
  return {
    capabilities: memory.capabilities,
    get: async (key, variantOf) => change(memory.get(key, variantOf)),
    put: (entry, options) => memory.put(entry, options),
    update: (entry, options) => memory.update(entry, options),
    remove: entry => memory.remove(entry),
    delete: key => memory.delete(key),
    deleteByTag: tag => memory.deleteByTag(tag),
    clear: () => memory.clear(),
    close: () => memory.close()
  }
}

function withBody(makeBody: () => Body): CacheStore {
  return changed(lookup => ({
    stored: lookup.stored.map(({ entry }) => ({ entry, open: makeBody })),
    otherVariants: lookup.otherVariants,
    asOf: () => lookup.asOf()
  }))
}

describe('up to the first byte', () => {
  for (const tiers of [0, 1, 3]) {
    test(`lookup, ${tiers} deeper tiers and position share one time, though each answers just within it`, async () => {
      await using origin = await startOrigin({ headers: FRESH, body: 'x' })
      const late = async <T>(value: () => T) => {
        await sleep(TIMEOUT_MS - 1)
        return value()
      }
      const deep = (lookup: Lookup, left: number): Lookup => ({
        stored: [],
        otherVariants: false,
        asOf: () => late(() => lookup.asOf()) as never,
        ...(left === 0 ? {} : { deeper: () => late(() => deep(lookup, left - 1)) })
      })
      const store = changed(lookup => late(() => deep(lookup, tiers)))
      await using cached = new CachedAgent({ store, storeTimeoutMs: TIMEOUT_MS })
      const times: number[] = []
      for (let i = 0; i < 3; i++) {
        const startMs = performance.now()
        await cached.get(`${origin.url}/${i}`)
        times.push(performance.now() - startMs)
      }
      const fastest = Math.min(...times)
      assert.ok(fastest < 1.6 * TIMEOUT_MS, `${fastest} ms`)
    })
  }
})

describe('an empty piece', () => {
  for (const pauseMs of [undefined, 0, 5]) {
    const how = pauseMs === undefined ? 'at once' : `every ${pauseMs} ms`
    async function* empty(): AsyncGenerator<Uint8Array> {
      for (;;) {
        if (pauseMs !== undefined) await sleep(pauseMs)
        yield new Uint8Array(0)
      }
    }

    test(`renews no time before the first byte: of a body of nothing else, ${how}, the origin is asked`, async () => {
      await using origin = await startOrigin({ headers: FRESH, body: 'whole' })
      await using cached = new CachedAgent({ store: withBody(empty), storeTimeoutMs: TIMEOUT_MS })
      await cached.get(origin.url)
      const startMs = performance.now()
      assert.equal((await cached.get(origin.url)).body, 'whole')
      assert.ok(performance.now() - startMs < 3000)
      assert.equal(origin.requests.length, 2)
    })

    test(`renews no time later: where nothing else comes any more, ${how}, the rest comes from the origin`, async () => {
      await using origin = await startOrigin(({ headers }) =>
        headers['range'] === 'bytes=2-4'
          ? { status: 206, headers: { ...FRESH, 'content-range': 'bytes 2-4/5' }, body: 'ole' }
          : { headers: FRESH, body: 'whole' }
      )
      async function* beginning() {
        yield Buffer.from('wh')
        yield* empty()
      }
      await using cached = new CachedAgent({ store: withBody(beginning), storeTimeoutMs: TIMEOUT_MS })
      await cached.get(origin.url)
      assert.equal((await cached.get(origin.url)).body, 'whole')
      assert.equal(origin.requests.length, 2)
    })

    test(`after the last byte keeps no response open, ${how}`, async () => {
      await using origin = await startOrigin({ headers: FRESH, body: 'whole' })
      async function* whole() {
        yield Buffer.from('whole')
        yield* empty()
      }
      await using cached = new CachedAgent({ store: withBody(whole), storeTimeoutMs: TIMEOUT_MS })
      await cached.get(origin.url)
      assert.equal((await cached.get(origin.url)).body, 'whole')
      assert.equal(origin.requests.length, 1)
    })
  }

  test('among others is passed over', async () => {
    await using origin = await startOrigin({ headers: FRESH, body: 'whole' })
    async function* whole() {
      for (const letter of 'whole') {
        for (let i = 0; i < 40; i++) yield new Uint8Array(0)
        yield Buffer.from(letter)
      }
    }
    await using cached = new CachedAgent({ store: withBody(whole), storeTimeoutMs: 2000 })
    await cached.get(origin.url)
    const { body, fromCache } = await cached.get(origin.url)
    assert.deepEqual([body, fromCache], ['whole', true])
  })
})

test('each further piece has a time of its own', async () => {
  await using origin = await startOrigin({ headers: FRESH, body: 'whole' })
  async function* slow() {
    for (const letter of 'whole') {
      await sleep(150)
      yield Buffer.from(letter)
    }
  }
  await using cached = new CachedAgent({ store: withBody(slow), storeTimeoutMs: 600 })
  await cached.get(origin.url)
  const { body, fromCache } = await cached.get(origin.url)
  assert.deepEqual([body, fromCache], ['whole', true])
  assert.equal(origin.requests.length, 1)
})
