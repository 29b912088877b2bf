// Stores that outlive a process, each opened anew on the same data.
import { join } from 'node:path'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { RedisStore } from 'undici-http-cache/stores/redis'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import { type CacheStore, MemoryStore } from '../../lib/index.ts'

/** Where a store keeps its data. */
export interface Place {
  /** An empty directory. */
  readonly directory: string
  /** undefined where there is no server. */
  readonly redisUrl: string | undefined
}

const PATIENT = { connectTimeout: 20_000, commandTimeout: 20_000 }

export const PERSISTENT_STORES: Record<string, (place: Place) => CacheStore> = {
  FileStore: ({ directory }) => new FileStore({ directory: join(directory, 'cache') }),
  LmdbStore: ({ directory }) => new LmdbStore({ directory: join(directory, 'cache') }),
  'ObjectStore in a folder': ({ directory }) =>
    new ObjectStore({ driver: fsDriver({ directory: join(directory, 'cache') }) }),
  RedisStore: ({ redisUrl = '' }) => new RedisStore({ url: redisUrl, options: PATIENT }),
  'memory over files': ({ directory }) =>
    new TieredStore([new MemoryStore(), new FileStore({ directory: join(directory, 'cache') })]),
  'LMDB over Redis': ({ directory, redisUrl = '' }) =>
    new TieredStore([
      new LmdbStore({ directory: join(directory, 'cache') }),
      new RedisStore({ url: redisUrl, options: PATIENT })
    ])
}

export function needsRedis(name: string): boolean {
  return name.includes('Redis')
}
