// Tiers over Redis: what other processes change is heard of.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Redis as Redis6 } from 'ioredis6'
import { MemoryStore } from 'undici-http-cache'
import { RedisStore, type RedisStoreOptions } from 'undici-http-cache/stores/redis'
import { testStore } from 'undici-http-cache/stores/testing'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import type { CacheStore } from '../../../stores/store.ts'
import { RedisCluster } from '../../support/redis/cluster.ts'
import { missingRedis, RedisServer } from '../../support/redis/server.ts'
import { newNamespace, PATIENT } from '../../support/redis/settings.ts'
import { bytesOf, entryOf, store, variantOf } from '../../support/responses.ts'

const WITHIN_MS = 1000

/** How a process finds a response: in its upper tier, further down, or not at all. */
async function look(tiers: CacheStore, key: string): Promise<string> {
  let lookup = await tiers.get(key, variantOf)
  const isAbove = lookup.stored.length > 0
  while (lookup.stored.length === 0 && lookup.deeper !== undefined) lookup = await lookup.deeper()
  const [found] = lookup.stored
  if (found === undefined) return 'nothing'
  const text = (await bytesOf(await found.open())).toString()
  return `${text} ${isAbove ? 'above' : 'below'}`
}

/** Looks until it sees that; how long it took. */
async function lookUntil(tiers: CacheStore, key: string, expected: string, withinMs = 20_000): Promise<number> {
  const startedMs = performance.now()
  for (;;) {
    const seen = await look(tiers, key).catch(error => `${error}`)
    if (seen === expected) return performance.now() - startedMs
    if (performance.now() - startedMs > withinMs) assert.equal(seen, expected)
    await sleep(5)
  }
}

interface World extends AsyncDisposable {
  /** Of this process. */
  readonly tiers: TieredStore
  /** Stands for another process. */
  readonly other: RedisStore
}

function world(options: RedisStoreOptions): World {
  const shared = { namespace: newNamespace(), ...options }
  const tiers = new TieredStore([new MemoryStore(), new RedisStore(shared)])
  const other = new RedisStore(shared)
  return {
    tiers,
    other,
    async [Symbol.asyncDispose]() {
      await tiers.close()
      await other.close()
    }
  }
}

/** What another process does is seen here, at once but for the time a message takes. */
async function hears({ tiers, other }: World, what: string): Promise<void> {
  const key = `https://store.test/${what}`
  const put = (target: CacheStore, text: string) =>
    store(target, entryOf(key, { tags: ['group'] }), [Buffer.from(text)]).then(stored => assert.ok(stored))
  for (const change of [
    () => other.delete(key),
    () => other.deleteByTag('group'),
    () => other.clear(),
    () => put(other, 'another')
  ]) {
    await put(tiers, 'first')
    await lookUntil(tiers, key, 'first above')
    await change()
    const startedMs = performance.now()
    while ((await look(tiers, key)).startsWith('first')) {
      assert.ok(performance.now() - startedMs < WITHIN_MS, `${what}: still there after a second`)
      await sleep(1)
    }
    assert.match(await look(tiers, key), /^(nothing|another .*)$/)
  }
}

describe('tiers over Redis', { skip: missingRedis }, () => {
  let server: RedisServer
  let admin: Redis

  before(async () => {
    server = await RedisServer.start()
    admin = new Redis(server.url)
  })
  after(async () => {
    admin?.disconnect()
    await server?.[Symbol.asyncDispose]()
  })

  const dedicated = (options: RedisStoreOptions = {}) => world({ url: server.url, options: PATIENT, ...options })

  it('hear of what other processes purge and replace', async () => {
    await using setting = dedicated()
    await hears(setting, 'plain')
  })

  for (const [name, Client] of Object.entries({ 5: Redis, 6: Redis6 })) {
    it(`hear of it with a client of the user's, ioredis ${name}, that prefixes its keys`, async () => {
      const client = new (Client as unknown as typeof Redis)({ port: server.port, keyPrefix: 'mine:' })
      try {
        await using setting = world({ client })
        await hears(setting, `ioredis ${name}`)
      } finally {
        client.disconnect()
      }
    })
  }

  it('hear of it through two tiers above', async () => {
    const namespace = newNamespace()
    const options = { url: server.url, options: PATIENT, namespace }
    const middle = new MemoryStore()
    const tiers = new TieredStore([new MemoryStore(), middle, new RedisStore(options)])
    const other = new RedisStore(options)
    await using setting = {
      tiers,
      other,
      async [Symbol.asyncDispose]() {
        await tiers.close()
        await other.close()
      }
    }
    await hears(setting, 'three')
  })

  it('believe what is above for no more than a second while they hear nothing, and hear again by themselves', async () => {
    await using setting = dedicated()
    const { tiers, other } = setting
    const key = 'https://store.test/killed'
    await store(tiers, entryOf(key), [Buffer.from('a')])
    await lookUntil(tiers, key, 'a above')
    for (let i = 0; i < 3; i++) {
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await other.delete(key)
      const startedMs = performance.now()
      await lookUntil(tiers, key, 'nothing')
      assert.ok(performance.now() - startedMs < WITHIN_MS)
      await store(other, entryOf(key), [Buffer.from('a')])
      // What is above is forgotten once more when it hears again.
      for (let longMs = 0; longMs < WITHIN_MS; ) {
        await lookUntil(tiers, key, 'a above')
        await sleep(WITHIN_MS + 100)
        if ((await look(tiers, key)) === 'a above') longMs = WITHIN_MS
      }
    }
  })

  it('notice a connection that has gone silent', async () => {
    await using silent = await RedisServer.start()
    await using setting = world({ url: silent.url, options: { connectTimeout: 500, commandTimeout: 500 } })
    const { tiers } = setting
    const key = 'https://store.test/silent'
    await store(tiers, entryOf(key), [Buffer.from('a')])
    await lookUntil(tiers, key, 'a above')
    silent.pause()
    await sleep(WITHIN_MS + 300)
    assert.equal((await tiers.get(key, variantOf)).stored.length, 0)
    silent.resume()
    await lookUntil(tiers, key, 'a above')
  })
})

describe('tiers over a cluster', { skip: missingRedis }, () => {
  let cluster: RedisCluster

  before(async () => {
    cluster = await RedisCluster.start()
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  it('hear of what other processes purge and replace, on whichever node', async () => {
    const nodes = cluster.servers.map(({ port }) => ({ host: '127.0.0.1', port }))
    await using setting = world({ cluster: nodes, options: PATIENT })
    for (const what of ['one', 'two', 'three', 'four']) await hears(setting, what)
  })
})

describe('the contract, for tiers over Redis', { skip: missingRedis }, () => {
  let server: RedisServer

  before(async () => {
    server = await RedisServer.start()
  })
  after(() => server?.[Symbol.asyncDispose]())

  testStore({
    name: 'TieredStore of memory and RedisStore',
    isSynchronous: true,
    create: ({ maxEntrySizeBytes }) => {
      const lower = new RedisStore({ url: server.url, options: PATIENT, namespace: newNamespace(), maxEntrySizeBytes })
      // What it writes itself it hears of, too: then the upper tier holds less than the suite has just put there.
      const silent = Object.assign(lower, { entries: undefined, invalidations: undefined })
      return new TieredStore([new MemoryStore(), silent])
    },
    variantCount: 100,
    maxVariants: 100
  })
})
