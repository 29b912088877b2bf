// What has come whole is stored although everything is closed as soon as it has been read.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Agent, request, fetch as undiciFetch } from 'undici'
import { CachedClient, type CacheStore, cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { type Origin, startOrigin } from '../support/origin.ts'
import { missingRedis, RedisServer } from '../support/redis/server.ts'
import { needsRedis, PERSISTENT_STORES, type Place } from './persistent-stores.ts'

const MB = 1_000_000
const ROUNDS = 5
/** On a busy machine a store may take its time: that is not what is tested here. */
const OPTIONS = { storeTimeoutMs: 10_000, closeTimeoutMs: 30_000 }

let origin: Origin
let redis: RedisServer | undefined
let directories: string

before(async () => {
  origin = await startOrigin(({ path }) => ({
    headers: { 'cache-control': 'max-age=600' },
    body: bodyOf(path),
    chunked: path.endsWith('chunked')
  }))
  if (missingRedis === false) redis = await RedisServer.start()
  directories = await mkdtemp(join(tmpdir(), 'close-after-reading-'))
})

after(async () => {
  await origin.close()
  await redis?.[Symbol.asyncDispose]()
  await rm(directories, { recursive: true, force: true })
})

/** '/<anything>/<bytes>/<framing>' */
function bodyOf(path: string): Buffer {
  return Buffer.alloc(Number(path.split('/')[2]), path)
}

async function placeOf(): Promise<Place> {
  return { directory: await mkdtemp(join(directories, 'run-')), redisUrl: redis?.url }
}

/** Gets one response, read to its end, and closes at once; whether it came from the cache. */
type Run = (store: CacheStore, path: string) => Promise<boolean>

const RUNS: Record<string, Run> = {
  async 'a client, then its store'(store, path) {
    const client = new CachedClient(origin.url, { cache: { store, ...OPTIONS } })
    const { body, fromCache } = await client.get(path)
    assert.equal((await body.arrayBuffer()).byteLength, bodyOf(path).byteLength)
    await client.close()
    await store.close()
    return fromCache
  },
  async 'a client for any origin, then its store'(store, path) {
    const client = new CachedClient({ cache: { store, ...OPTIONS } })
    const { body, fromCache } = await client.get(origin.url + path)
    assert.equal((await body.text()).length, bodyOf(path).byteLength)
    await client.close()
    await store.close()
    return fromCache
  },
  async 'a client that shares its cache, then its store'(store, path) {
    const client = new CachedClient(origin.url, { cache: cacheInterceptor({ store, ...OPTIONS }) })
    const response = await client.fetch(path)
    assert.equal((await response.arrayBuffer()).byteLength, bodyOf(path).byteLength)
    await client.close()
    await store.close()
    return response.fromCache
  },
  async 'a dispatcher, its cache and its store'(store, path) {
    const cache = cacheInterceptor({ store, ...OPTIONS })
    const agent = new Agent().compose(cache)
    const response = await undiciFetch(origin.url + path, { dispatcher: agent })
    assert.equal((await response.text()).length, bodyOf(path).byteLength)
    await agent.close()
    await cache.close()
    await store.close()
    return cacheInfo(response)?.fromCache === true
  },
  async 'a dispatcher and its store alone'(store, path) {
    const cache = cacheInterceptor({ store, ...OPTIONS })
    const agent = new Agent().compose(cache)
    const response = await request(origin.url + path, { dispatcher: agent })
    for await (const _ of response.body);
    await agent.close()
    await store.close()
    return cacheInfo(response)?.fromCache === true
  }
}

for (const [name, open] of Object.entries(PERSISTENT_STORES)) {
  describe(`over ${name}`, { skip: needsRedis(name) && missingRedis }, () => {
    for (const megabytes of [1, 5, 20]) {
      test(`${ROUNDS} of ${ROUNDS} bodies of ${megabytes} MB, read and closed at once, are found by the next run`, async () => {
        const runs = Object.entries(RUNS)
        const found: string[] = []
        for (let round = 0; round < ROUNDS; round++) {
          const place = await placeOf()
          const [way, run] = runs[round % runs.length] as (typeof runs)[number]
          const path = `/${name.replaceAll(' ', '-')}-${round}/${megabytes * MB}/${round % 2 === 0 ? 'length' : 'chunked'}`
          assert.equal(await run(open(place), path), false, way)
          if (await run(open(place), path)) found.push(way)
        }
        assert.deepEqual(
          found,
          runs.map(([way]) => way)
        )
      })
    }

    test('what is pending is stored once settled() has resolved, although nothing is closed', async () => {
      const place = await placeOf()
      const [store, other] = [open(place), open(place)]
      await using cache = cacheInterceptor({ store, ...OPTIONS })
      const agent = new Agent().compose(cache)
      const paths = [1, 2, 3].map(number => `/settled-${name.replaceAll(' ', '-')}-${number}/${2 * MB}/chunked`)
      await Promise.all(paths.map(async path => (await request(origin.url + path, { dispatcher: agent })).body.text()))
      await cache.settled()
      const client = new CachedClient(origin.url, { cache: { store: other, ...OPTIONS } })
      for (const path of paths) {
        const { body, fromCache } = await client.get(path)
        await body.dump()
        assert.equal(fromCache, true)
      }
      await Promise.all([client.close(), agent.close()])
      await Promise.all([store.close(), other.close()])
    })
  })
}
