import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { cacheStores } from 'undici'
import { builtPackage, builtSubpath } from './built-package.ts'
import { nothing, ours, type StoreSubject, URLS, undicis } from './store-subject.ts'

/** What a subject is made with. */
export interface Ground {
  readonly origin: string
  /** Where there is a redis-server, redis://. */
  readonly redisUrl: string | undefined
}

const MAX_BYTES = 512 * 1_048_576

/** Every store, the floors before those that stand on them. */
export const SUBJECTS: Readonly<Record<string, (ground: Ground) => Promise<StoreSubject>>> = {
  'fs.promises.readFile': () => inFolder(filesAsTheyAre),
  MemoryStore: async ({ origin }) => {
    const { MemoryStore } = await builtPackage()
    return ours('MemoryStore', new MemoryStore({ maxSizeBytes: MAX_BYTES }), origin)
  },
  FileStore: ({ origin }) =>
    inFolder(async directory => {
      const { FileStore } = await builtSubpath<typeof import('../stores/file.ts')>('stores/file')
      return ours('FileStore', new FileStore({ directory }), origin)
    }),
  LmdbStore: ({ origin }) =>
    inFolder(async directory => {
      const { LmdbStore } = await builtSubpath<typeof import('../stores/lmdb.ts')>('stores/lmdb')
      return ours('LmdbStore', new LmdbStore({ directory }), origin)
    }),
  'ObjectStore in files': ({ origin }) =>
    inFolder(async directory => {
      const { ObjectStore, fsDriver } = await builtSubpath<typeof import('../stores/object.ts')>('stores/object')
      return ours('ObjectStore in files', new ObjectStore({ driver: fsDriver({ directory }) }), origin)
    }),
  HMGET: async ({ redisUrl }) => bareHmget(new Redis(redisUrl ?? '')),
  RedisStore: async ({ origin, redisUrl = '' }) => {
    const { RedisStore } = await builtSubpath<typeof import('../stores/redis.ts')>('stores/redis')
    return ours('RedisStore', new RedisStore({ url: redisUrl }), origin)
  },
  'TieredStore of memory, Redis': async ({ origin, redisUrl = '' }) => {
    const { MemoryStore } = await builtPackage()
    const { RedisStore } = await builtSubpath<typeof import('../stores/redis.ts')>('stores/redis')
    const { TieredStore } = await builtSubpath<typeof import('../stores/tiered.ts')>('stores/tiered')
    const lower = new RedisStore({ url: redisUrl, namespace: 'tiers' })
    const tiers = new TieredStore([new MemoryStore({ maxSizeBytes: MAX_BYTES }), lower])
    return ours('TieredStore of memory, Redis', tiers, origin)
  },
  'undici-cache-redis': async ({ origin, redisUrl = '' }) => {
    const { RedisCacheStore } = await import('undici-cache-redis')
    const port = Number(new URL(redisUrl).port)
    const theirs = new RedisCacheStore({ clientOpts: { port, keyPrefix: 'theirs:' } })
    // It stores in the background, and does not say when it has.
    return { ...undicis('undici-cache-redis', theirs as never, origin), stores: undefined }
  },
  'undici MemoryCacheStore': async ({ origin }) =>
    undicis('undici MemoryCacheStore', new cacheStores.MemoryCacheStore({ maxSize: MAX_BYTES }), origin),
  'undici SqliteCacheStore': ({ origin }) =>
    inFolder(async directory => {
      await mkdir(directory)
      const location = join(directory, 'responses.db')
      const store = new cacheStores.SqliteCacheStore({ location, maxEntrySize: 1_048_576 })
      return undicis('undici SqliteCacheStore', store as never, origin)
    })
}

export const NEED_REDIS = ['HMGET', 'RedisStore', 'TieredStore of memory, Redis', 'undici-cache-redis']

/** Gives a subject a folder, and removes it in the end. */
async function inFolder(make: (directory: string) => Promise<StoreSubject>): Promise<StoreSubject> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-stores-'))
  const subject = await make(join(directory, 'store')).catch(async error => {
    await rm(directory, { recursive: true })
    throw error
  })
  return {
    ...subject,
    async close() {
      await subject.close()
      await rm(directory, { recursive: true })
    }
  }
}

/** What reading a file costs, at the least. */
async function filesAsTheyAre(directory: string): Promise<StoreSubject> {
  await mkdir(directory)
  let turn = 0
  const path = (bytes: number, i: number) => join(directory, `${bytes}-${i}`)
  return {
    ...nothing('fs.promises.readFile'),
    async prepare(bytes) {
      for (let i = 0; i < URLS; i++) await writeFile(path(bytes, i), Buffer.alloc(bytes, 'x'))
    },
    hits: bytes => readFile(path(bytes, turn++ % URLS))
  }
}

/** What a round trip costs, at the least. */
function bareHmget(client: Redis): StoreSubject {
  let turn = 0
  return {
    ...nothing('HMGET'),
    async prepare(bytes) {
      const value = Buffer.alloc(bytes + 600, 'x')
      for (let i = 0; i < URLS; i++) await client.hset(`plain:${bytes}:${i}`, { lists: '1', body: value })
    },
    lookups: bytes => client.hmgetBuffer(`plain:${bytes}:${turn++ % URLS}`, 'lists', 'body'),
    close: async () => client.disconnect()
  }
}
