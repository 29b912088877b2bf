import { Redis } from 'ioredis'
import { missingRedis, RedisServer } from '../test/support/redis/server.ts'
import { builtPackage, builtSubpath } from './built-package.ts'
import { ours, type StoreSubject, URLS, undicis } from './store-subject.ts'

/** The stores on a redis-server of their own, undici-cache-redis, and the floor: a bare HMGET with the same client. */
export async function redisSubjects(origin: string): Promise<readonly StoreSubject[]> {
  if (missingRedis !== false) {
    console.log(`RedisStore: ${missingRedis}`)
    return []
  }
  const server = await RedisServer.start()
  const client = new Redis(server.url)
  const { MemoryStore } = await builtPackage()
  const { RedisStore } = await builtSubpath<typeof import('../stores/redis.ts')>('stores/redis')
  const { TieredStore } = await builtSubpath<typeof import('../stores/tiered.ts')>('stores/tiered')
  const { RedisCacheStore } = await import('undici-cache-redis')
  const theirs = new RedisCacheStore({ clientOpts: { port: server.port, keyPrefix: 'theirs:' } })
  const tiers = new TieredStore([
    new MemoryStore({ maxSizeBytes: 512 * 1_048_576 }),
    new RedisStore({ url: server.url, namespace: 'tiers' })
  ])
  const undiciCacheRedis = undicis('undici-cache-redis', theirs as never, origin)
  return [
    bareHmget(client),
    await ours('RedisStore', new RedisStore({ client }), origin),
    await ours('TieredStore of memory, Redis', tiers, origin),
    {
      ...undiciCacheRedis,
      // It stores in the background, and fails where its client is gone.
      stores: undefined,
      async close() {
        await undiciCacheRedis.close()
        await theirs.close()
        client.disconnect()
        await server[Symbol.asyncDispose]()
      }
    }
  ]
}

function bareHmget(client: Redis): StoreSubject {
  let turn = 0
  return {
    name: 'HMGET',
    async prepare(bytes) {
      const value = Buffer.alloc(bytes + 600, 'x')
      for (let i = 0; i < URLS; i++) await client.hset(`plain:${bytes}:${i}`, { lists: '1', body: value })
    },
    hits: undefined,
    lookups: bytes => client.hmgetBuffer(`plain:${bytes}:${turn++ % URLS}`, 'lists', 'body'),
    stores: undefined,
    close: async () => {}
  }
}
