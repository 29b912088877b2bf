// The stores under torture, by name, and what is true of each.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryStore } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { RedisStore } from 'undici-http-cache/stores/redis'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import type { CacheStore } from '../../stores/store.ts'
import { AsyncStore } from '../support/async-store.ts'
import { missingRedis, RedisServer } from '../support/redis/server.ts'
import { type Faults, faultyStore } from './faults.ts'

const MEBIBYTE = 1_048_576
/** Small enough for something to be evicted, and for something to be too large. */
const LIMITS = { maxSizeBytes: 16 * MEBIBYTE, maxEntrySizeBytes: 2 * MEBIBYTE }
const ROOM = { ...LIMITS, maxSizeBytes: 256 * MEBIBYTE }

/** How long the cache waits for a store that works: on a busy machine that takes a while. */
const PATIENT_MS = 15_000
const FAULTY_MS = 60

export interface UnderTorture {
  /** One for each cache; several may be one and the same. */
  readonly stores: readonly CacheStore[]
  readonly storeTimeoutMs: number
  /** Whether a deletion by one is seen by the others at once. */
  readonly deletesForAll: boolean
  readonly faults: Faults | undefined
  /** Another instance on the same data, which declines nothing for want of room; left out where there can be none. */
  readonly another?: () => CacheStore
  /** Closes the stores; what they should not have left behind, in words. */
  close(): Promise<string | undefined>
}

export const STORE_NAMES = ['memory', 'async', 'file', 'lmdb', 'object', 'redis', 'tiered', 'faulty'] as const
export type StoreName = (typeof STORE_NAMES)[number]

/** Why a store cannot be had here; undefined where it can. */
export function whyNot(name: StoreName): string | undefined {
  return name === 'redis' && missingRedis !== false ? missingRedis : undefined
}

export async function openStores(name: StoreName, count: number, seed: string): Promise<UnderTorture> {
  switch (name) {
    case 'memory':
      return shared(new MemoryStore(LIMITS), count)
    case 'async':
      return shared(new AsyncStore(LIMITS), count)
    case 'faulty': {
      const faults = faultyStore({ seed, probability: 0.05, timeoutMs: FAULTY_MS })
      const { store } = faults
      return {
        stores: Array.from({ length: count }, () => store),
        storeTimeoutMs: FAULTY_MS,
        deletesForAll: false,
        faults,
        close: async () => {
          faults.heal()
          await store.close()
          return undefined
        }
      }
    }
    case 'file':
      return inDirectory(
        count,
        (directory, limits = LIMITS) => new FileStore({ directory: join(directory, 'cache'), ...limits })
      )
    case 'lmdb':
      // Beyond its bound by a quarter, what is being read goes as well; what a slow machine replaces in a minute is less.
      return inDirectory(count, directory => {
        return new LmdbStore({ directory: join(directory, 'cache'), ...ROOM })
      })
    case 'object':
      // Among several, a response that is being taken back may be found.
      return oneInDirectory(count, directory => {
        const driver = fsDriver({ directory: join(directory, 'cache') })
        return new ObjectStore({ driver, maxEntrySizeBytes: LIMITS.maxEntrySizeBytes })
      })
    case 'tiered':
      // Among several, the upper tiers are believed for a while.
      return oneInDirectory(count, (directory, limits = LIMITS) => {
        const small = { maxSizeBytes: 2 * MEBIBYTE, maxEntrySizeBytes: MEBIBYTE / 4 }
        const lower = new FileStore({ directory: join(directory, 'cache'), ...limits })
        return new TieredStore([new MemoryStore(small), lower])
      })
    case 'redis': {
      const server = await RedisServer.start()
      const another = () =>
        new RedisStore({ url: server.url, options: { connectTimeout: PATIENT_MS, commandTimeout: PATIENT_MS } })
      const stores = Array.from({ length: count }, another)
      const close = async () => {
        for (const store of stores) await store.close()
        await server[Symbol.asyncDispose]()
        return undefined
      }
      return { stores, storeTimeoutMs: PATIENT_MS, deletesForAll: true, faults: undefined, another, close }
    }
    default:
      return name satisfies never
  }
}

function shared(store: CacheStore, count: number): UnderTorture {
  return {
    stores: Array.from({ length: count }, () => store),
    storeTimeoutMs: PATIENT_MS,
    deletesForAll: true,
    faults: undefined,
    close: async () => {
      await store.close()
      return undefined
    }
  }
}

/** `limits`: the small ones where left out. */
type Make = (directory: string, limits?: typeof LIMITS) => CacheStore

async function oneInDirectory(count: number, make: Make): Promise<UnderTorture> {
  const opened = await inDirectory(1, make)
  return { ...opened, stores: Array.from({ length: count }, () => opened.stores[0] as CacheStore) }
}

async function inDirectory(count: number, make: Make): Promise<UnderTorture> {
  const directory = await mkdtemp(join(tmpdir(), 'torture-'))
  const stores = Array.from({ length: count }, () => make(directory))
  return {
    stores,
    storeTimeoutMs: PATIENT_MS,
    deletesForAll: true,
    faults: undefined,
    another: () => make(directory, ROOM),
    close: async () => {
      for (const store of stores) await store.close()
      const files = await readdir(directory, { recursive: true })
      await rm(directory, { recursive: true, force: true })
      const left = files.filter(file => file.endsWith('.tmp'))
      return left.length === 0 ? undefined : `temporary files are left: ${left.join(', ')}`
    }
  }
}
