import { finished } from 'node:stream/promises'
import { Agent, type cacheStores, type Dispatcher, interceptors } from 'undici'
import type { Entry } from '../lib/rfc9111/types.ts'
import type { CacheStore } from '../stores/store.ts'
import { builtPackage } from './built-package.ts'
import { dispatchOnce, REQUEST_HEADERS, responseHeaders } from './exchange.ts'

export const KINDS = ['hits', 'lookups', 'stores'] as const
export type Kind = (typeof KINDS)[number]

/** One store. Each kind of operation is done once, with a body of that size; undefined: there is no such thing. */
export interface StoreSubject {
  readonly name: string
  /** Before anything is measured at that size. */
  prepare(bytes: number): Promise<void>
  readonly hits: ((bytes: number) => Promise<unknown>) | undefined
  readonly lookups: ((bytes: number) => Promise<unknown>) | undefined
  readonly stores: ((bytes: number) => Promise<unknown>) | undefined
  close(): Promise<void>
}

/** Different URLs that are hit in turn. */
export const URLS = 200
/** Different keys that are stored in turn. */
const KEYS = 2000
/** That of a response without Vary. */
const VARIANT = 'GET\n'

/** One that does nothing of it all. */
export function nothing(name: string): StoreSubject {
  return {
    name,
    prepare: async () => {},
    hits: undefined,
    lookups: undefined,
    stores: undefined,
    close: async () => {}
  }
}

export async function ours(name: string, store: CacheStore, origin: string): Promise<StoreSubject> {
  const { cacheInterceptor } = await builtPackage()
  const dispatcher = new Agent().compose(cacheInterceptor({ store, storeTimeoutMs: 60_000, onStoreError: fail }))
  let turn = 0
  let lookup = 0
  return {
    name,
    ...hitting(dispatcher, origin),
    async lookups(bytes) {
      const { stored } = await store.get(`${origin}/${bytes}/${lookup++ % URLS}`, () => VARIANT)
      if ((await stored[0]?.open()) === undefined) throw new Error(`${name} finds nothing`)
    },
    async stores(bytes) {
      const entry = entryFor(origin, bytes, turn++ % KEYS)
      const writer = await store.put(entry)
      if (writer === undefined) throw new Error(`${name} declined`)
      await writer.write(new Uint8Array(bytes).fill(120))
      const segments = [{ start: 0, end: bytes }]
      if (!(await writer.commit({ ...entry, completeLength: bytes, segments })))
        throw new Error(`${name} stored nothing`)
    },
    async close() {
      await dispatcher.close()
      await store.close()
    }
  }
}

type UndiciStore = InstanceType<typeof cacheStores.MemoryCacheStore>

export function undicis(name: string, store: UndiciStore, origin: string): StoreSubject {
  const dispatcher = new Agent().compose(interceptors.cache({ store }))
  let turn = 0
  return {
    name,
    ...hitting(dispatcher, origin),
    lookups: undefined,
    async stores(bytes) {
      const nowMs = Date.now()
      const path = `/stored/${bytes}/${turn++ % KEYS}`
      const stream = store.createWriteStream(
        { origin, method: 'GET', path, headers: REQUEST_HEADERS },
        {
          statusCode: 200,
          statusMessage: 'OK',
          headers: responseHeaders(bytes),
          cacheControlDirectives: { public: true, 'max-age': 86_400 },
          cachedAt: nowMs,
          staleAt: nowMs + 86_400_000,
          deleteAt: nowMs + 864_000_000
        }
      )
      if (stream === undefined) throw new Error(`${name} declined`)
      stream.end(Buffer.alloc(bytes, 'x'))
      await finished(stream)
    },
    close: () => dispatcher.close()
  }
}

/** Hits through a dispatcher, each of which is known to be one: the origin is there for the misses before. */
function hitting(dispatcher: Dispatcher, origin: string): Pick<StoreSubject, 'prepare' | 'hits'> {
  let turn = 0
  const path = (bytes: number, i: number) => `/${bytes}/${i}`
  return {
    async prepare(bytes) {
      for (let i = 0; i < URLS; i++) await dispatchOnce(dispatcher, origin, path(bytes, i), bytes)
    },
    hits: bytes => dispatchOnce(dispatcher, origin, path(bytes, turn++ % URLS), bytes)
  }
}

let entries = 0

function entryFor(origin: string, bytes: number, i: number): Entry {
  const nowMs = Date.now()
  return {
    id: `entry-${entries++}`,
    key: `${origin}/stored/${bytes}/${i}`,
    variantKey: VARIANT,
    vary: [],
    method: 'GET',
    statusCode: 200,
    statusText: 'OK',
    lines: Object.entries(responseHeaders(bytes)),
    trailers: [],
    requestTimeMs: nowMs,
    responseTimeMs: nowMs,
    completeLength: undefined,
    segments: [],
    tags: [`origin:${origin}`],
    expiresAtMs: nowMs + 864_000_000
  }
}

function fail(error: unknown): void {
  throw error
}
