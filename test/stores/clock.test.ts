// The option `now`, the cache's clock, with every store: years from real time, it gives the same hits and misses as any.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { cacheStores } from 'undici'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { RedisStore } from 'undici-http-cache/stores/redis'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import type { CacheStore } from '../../stores/store.ts'
import { CachedAgent, Clock, withoutDates } from '../support/cached-agent.ts'
import { startOrigin } from '../support/origin.ts'
import { missingRedis, RedisServer } from '../support/redis/server.ts'
import { newNamespace, PATIENT } from '../support/redis/settings.ts'

const YEAR_SECONDS = 365.25 * 86_400
const BODY = Buffer.alloc(200_000, 'large ')

type MakeStore = (directory: string, namespace: string) => CacheStore & { sweep?(): Promise<void> }

let server: RedisServer | undefined
before(async () => {
  if (missingRedis === false) server = await RedisServer.start()
})
after(() => server?.[Symbol.asyncDispose]())

const redis: MakeStore = (_, namespace) => new RedisStore({ url: server?.url ?? '', options: PATIENT, namespace })
const lmdb: MakeStore = directory => new LmdbStore({ directory })

const STORES: Record<string, { make: MakeStore; isShared: boolean; skip?: string | false }> = {
  'a MemoryStore': { make: () => new MemoryStore(), isShared: false },
  'a FileStore': { make: directory => new FileStore({ directory }), isShared: true },
  'an LmdbStore': { make: lmdb, isShared: true },
  'a RedisStore': { make: redis, isShared: true, skip: missingRedis },
  'an ObjectStore': {
    make: directory => new ObjectStore({ driver: fsDriver({ directory }) }),
    isShared: true
  },
  'tiers, memory above LMDB': {
    make: directory => new TieredStore([new MemoryStore(), new LmdbStore({ directory })]),
    isShared: true
  },
  "undici's MemoryCacheStore": {
    make: () => fromUndiciStore(new cacheStores.MemoryCacheStore()),
    isShared: false
  }
}

for (const [kind, { make, isShared, skip = false }] of Object.entries(STORES)) {
  describe(`the cache's clock, with ${kind}`, { skip }, () => {
    for (const years of [-20, 20]) {
      const what = years < 0 ? 'behind' : 'ahead of'

      test(`${Math.abs(years)} years ${what} real time, decides what is fresh, and for how long it is kept`, async () => {
        await using origin = withoutDates(
          await startOrigin(({ path, headers }) =>
            headers['if-none-match'] === undefined
              ? {
                  headers: { etag: '"1"', 'cache-control': 'max-age=60' },
                  body: path.includes('large') ? BODY : 'small'
                }
              : { status: 304, headers: { etag: '"1"', 'cache-control': 'max-age=60' } }
          )
        )
        await using place = await placeFor(make)
        const { clock } = place
        clock.advance(years * YEAR_SECONDS)
        const cached = place.open({ retainSeconds: 100 })
        const outcomeOf = async (path: string) => (await cached.agent.get(`${origin.url}${path}`)).info.outcome
        for (const path of ['/small', '/large']) {
          assert.equal(await outcomeOf(path), 'miss')
          assert.equal(await outcomeOf(path), 'hit')
        }
        await cached.store.sweep?.()
        clock.advance(59)
        assert.deepEqual([await outcomeOf('/small'), await outcomeOf('/large')], ['hit', 'hit'])
        clock.advance(2)
        assert.deepEqual([await outcomeOf('/small'), await outcomeOf('/large')], ['revalidated', 'revalidated'])
        await cached.store.sweep?.()
        assert.deepEqual([await outcomeOf('/small'), await outcomeOf('/large')], ['hit', 'hit'])
        clock.advance(161)
        // A store's time is that of the last response it was given: of the third it is known to be stored.
        for (const outcome of ['miss', 'hit']) assert.equal(await outcomeOf('/other'), outcome)
        assert.deepEqual([await outcomeOf('/small'), await outcomeOf('/large')], ['miss', 'miss'], 'kept no longer')
      })

      if (!isShared) continue
      test(`${Math.abs(years)} years ${what} real time, finds after a sweep by another process what it has stored`, async () => {
        await using origin = withoutDates(await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: BODY }))
        await using place = await placeFor(make)
        const real = place.open({})
        for (const outcome of ['miss', 'hit']) await expectOutcome(real, `${origin.url}/real`, outcome)
        place.clock.advance(years * YEAR_SECONDS)
        const first = place.open({})
        for (const outcome of ['miss', 'hit']) await expectOutcome(first, `${origin.url}/a`, outcome)
        await real.store.sweep?.()
        await first.store.sweep?.()
        const second = place.open({})
        await second.store.sweep?.()
        await expectOutcome(second, `${origin.url}/a`, 'hit')
        place.clock.advance(-years * YEAR_SECONDS)
        await expectOutcome(real, `${origin.url}/real`, 'hit')
      })
    }
  })
}

async function expectOutcome({ agent }: { agent: CachedAgent }, url: string, outcome: string): Promise<void> {
  assert.equal((await agent.get(url)).info.outcome, outcome)
}

/** Where a store keeps what it is given, for several that share it. */
async function placeFor(make: MakeStore) {
  const directory = await mkdtemp(join(tmpdir(), 'clock-'))
  const namespace = newNamespace()
  const clock = new Clock()
  const opened: { agent: CachedAgent; store: ReturnType<MakeStore> }[] = []
  return {
    clock,
    open(options: { retainSeconds?: number }) {
      const store = make(directory, namespace)
      const agent = new CachedAgent({ store, now: clock.now, storeTimeoutMs: 30_000, ...options })
      opened.push({ agent, store })
      return { agent, store }
    },
    async [Symbol.asyncDispose]() {
      for (const { agent, store } of opened) {
        await agent[Symbol.asyncDispose]()
        await store.close()
      }
      await rm(directory, { recursive: true, force: true })
    }
  }
}
