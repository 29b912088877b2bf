// Stores that outlive a process, each opened anew on the same data.
import { join } from 'node:path'
import { setTimeout } from 'node:timers'
import { type CacheStore, MemoryStore } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { RedisStore } from 'undici-http-cache/stores/redis'
import { TieredStore } from 'undici-http-cache/stores/tiered'

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

/** FileStore whose commits are late, by a timer that keeps no process alive. */
export const LATE_STORE = 'FileStore, late'

export function openStore(name: string, place: Place): CacheStore {
  const store = PERSISTENT_STORES[name === LATE_STORE ? 'FileStore' : name]?.(place)
  if (store === undefined) throw new Error(`there is no ${name}`)
  if (name === LATE_STORE) {
    const put = store.put.bind(store)
    store.put = async (entry, options) => {
      const writer = await put(entry, options)
      if (writer === undefined) return undefined
      return {
        write: chunk => writer.write(chunk),
        commit: async finished => {
          await new Promise(resolve => setTimeout(resolve, 1_000).unref())
          return writer.commit(finished)
        },
        abort: () => writer.abort()
      }
    }
  }
  return store
}
