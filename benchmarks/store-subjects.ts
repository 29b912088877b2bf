import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { Agent, cacheStores, type Dispatcher, interceptors } from 'undici'
import type { Entry } from '../lib/rfc9111/types.ts'
import type { CacheStore } from '../stores/store.ts'
import { builtPackage, builtSubpath } from './built-package.ts'
import { dispatchOnce, REQUEST_HEADERS, responseHeaders } from './exchange.ts'

/** One store. `hits` and `stores` do one operation with a body of that size; undefined: there is no such thing. */
export interface StoreSubject {
  readonly name: string
  /** Before anything is measured at that size. */
  prepare(bytes: number): Promise<void>
  readonly hits: ((bytes: number) => Promise<unknown>) | undefined
  readonly stores: ((bytes: number) => Promise<unknown>) | undefined
  close(): Promise<void>
}

/** Different URLs that are hit in turn. */
const URLS = 200
/** Different keys that are stored in turn. */
const KEYS = 2000

/** Every store in the order in which they are listed; the first is the floor. */
export async function makeSubjects(origin: string): Promise<readonly StoreSubject[]> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-stores-'))
  const { MemoryStore } = await builtPackage()
  const { FileStore } = await builtSubpath<typeof import('../stores/file.ts')>('stores/file')
  const { LmdbStore } = await builtSubpath<typeof import('../stores/lmdb.ts')>('stores/lmdb')
  const removal = { ...nothing('remove'), close: () => rm(directory, { recursive: true, force: true }) }
  return [
    await filesAsTheyAre(join(directory, 'plain')),
    await ours('MemoryStore', new MemoryStore({ maxSizeBytes: 512 * 1_048_576 }), origin),
    await ours('FileStore', new FileStore({ directory: join(directory, 'file') }), origin),
    await ours('LmdbStore', new LmdbStore({ directory: join(directory, 'lmdb') }), origin),
    undicis('undici MemoryCacheStore', new cacheStores.MemoryCacheStore({ maxSize: 512 * 1_048_576 }), origin),
    ...sqlite(join(directory, 'sqlite.db'), origin),
    removal
  ]
}

function nothing(name: string): StoreSubject {
  return { name, prepare: async () => {}, hits: undefined, stores: undefined, close: async () => {} }
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

async function ours(name: string, store: CacheStore, origin: string): Promise<StoreSubject> {
  const { cacheInterceptor } = await builtPackage()
  const dispatcher = new Agent().compose(cacheInterceptor({ store, storeTimeoutMs: 60_000, onStoreError: fail }))
  let turn = 0
  return {
    name,
    ...hitting(dispatcher, origin),
    async stores(bytes) {
      const entry = entryFor(origin, bytes, turn++ % KEYS)
      const writer = await store.put(entry)
      if (writer === undefined) throw new Error(`${name} declined`)
      await writer.write(new Uint8Array(bytes).fill(120))
      const segments = [{ start: 0, end: bytes, bodyId: entry.id }]
      if (!(await writer.commit({ ...entry, completeLength: bytes, segments })))
        throw new Error(`${name} stored nothing`)
    },
    async close() {
      await dispatcher.close()
      await store.close()
    }
  }
}

function undicis(name: string, store: InstanceType<typeof cacheStores.MemoryCacheStore>, origin: string): StoreSubject {
  const dispatcher = new Agent().compose(interceptors.cache({ store }))
  let turn = 0
  return {
    name,
    ...hitting(dispatcher, origin),
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

function sqlite(location: string, origin: string): readonly StoreSubject[] {
  try {
    const store = new cacheStores.SqliteCacheStore({ location, maxEntrySize: 1_048_576 })
    return [undicis('undici SqliteCacheStore', store as never, origin)]
  } catch {
    console.log('undici SqliteCacheStore: this Node has no node:sqlite')
    return []
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
    variantKey: 'GET\n',
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
