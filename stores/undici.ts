import { optionError } from '../lib/errors.ts'
import { warnOfFault } from '../lib/fault-warning.ts'
import { callback, positiveInteger } from '../lib/option-checks.ts'
import { suggestedTimeoutMs } from './shared/suggested-timeout.ts'
import type { CacheStore, MaybePromise } from './store.ts'
import type { UndiciCacheStore } from './undici/contract.ts'
import { UndiciBackedStore } from './undici/from-undici.ts'
import { StoreForUndici } from './undici/to-undici.ts'

export type { UndiciCacheStore } from './undici/contract.ts'

export interface FromUndiciStoreOptions {
  /** Larger bodies are not stored: a body is held in memory until it is complete. The undici store has a bound of its own.
   * Bytes; 4 MiB by default. */
  readonly maxEntrySizeBytes?: number
  /** Empties the undici store, where there is a way: its contract has none. */
  readonly clear?: () => MaybePromise<void>
}

export interface ToUndiciStoreOptions {
  /** How long the store may take to answer before undici is told that it holds nothing. Milliseconds; by default what the
   * store suggests, at most 2,000, or else 250. */
  readonly timeoutMs?: number
  /** Told of each fault of the store; requests go on. Default: a warning of the process, as with cacheInterceptor(). */
  readonly onStoreError?: (error: unknown) => void
}

const MEBIBYTE = 1_048_576

/** A CacheStore that keeps everything in a store made for undici's own cache: MemoryCacheStore, SqliteCacheStore (Node
 * 22 and later), undici-cache-redis or any other with `get`, `createWriteStream` and `delete`.
 *
 * ```ts
 * const store = fromUndiciStore(new cacheStores.SqliteCacheStore({ location: 'cache.db' }))
 * const agent = new Agent().compose(cacheInterceptor({ store }))
 * ```
 *
 * Entries come back in full, trailers and repeated field lines included: what undici's contract has no place for is kept
 * in a field of its own, under methods that no request has, so that undici's own cache on the same store never finds it.
 * A deletion by URI reaches both. The values of selecting fields are kept as digests.
 *
 * What the contract cannot do, `capabilities` says:
 * - `tags` is false: `deleteByTag` throws a CacheError with ERR_CACHE_UNSUPPORTED.
 * - `clear` is false without the option: `clear` throws the same.
 * - `ranges` is false: a range is cut out of a body that the store holds whole, and undefined for one that it streams.
 * - `shared` is false: what another process has stored in the same place is found, but its deletions do not hinder what
 *   this one is storing meanwhile. Those made through the same adapter do.
 * - There is no `entries`.
 *
 * `update` reads the body and writes it once more, and answers false where it cannot.
 *
 * `commit` and `update` look whether the store gives back what was written, and answer false where it does not: it was
 * too large, or evicted at once. Where it gives back what it held before, as a store does that only adds, all of that URI
 * is deleted and the response written once more; of undici-cache-redis, whose `deleteKeys` is used, only its variant.
 * A key whose responses have Vary takes up one place more than it has variants. `close` closes the undici store as well,
 * where that can be closed.
 *
 * Throws a TypeError with ERR_CACHE_OPTION for what is no such store, and for a bad option. */
export function fromUndiciStore(undiciStore: UndiciCacheStore, options: FromUndiciStoreOptions = {}): CacheStore {
  requireMethods(undiciStore, 'undiciStore', ['get', 'createWriteStream', 'delete'])
  const { maxEntrySizeBytes = 4 * MEBIBYTE, clear } = options
  positiveInteger('maxEntrySizeBytes', maxEntrySizeBytes, 'bytes')
  callback('clear', clear)
  return new UndiciBackedStore(undiciStore, { maxEntrySizeBytes, clear })
}

/** A store for undici's own cache that keeps everything in a CacheStore:
 *
 * ```ts
 * const agent = new Agent().compose(interceptors.cache({ store: toUndiciStore(new MemoryStore()) }))
 * ```
 *
 * undici's interceptor judges what is stored, and for how long it is fresh: its verdicts are kept as they are, with each
 * response. This package's own interceptor on the same store does not serve these responses, nor does undici's serve
 * those of this package's; a purge of a URL removes both.
 *
 * What undici stores in answer to a request is refused where the URL was deleted after the request began. A fault of the
 * store is a miss; a URL whose deletion failed is not read again before it has succeeded. Bodies are handed out as
 * copies. Trailers are lost, for undici passes none on. Closing the store is left to who made it.
 *
 * Throws a TypeError with ERR_CACHE_OPTION for what is no CacheStore, and for a bad option. */
export function toUndiciStore(store: CacheStore, options: ToUndiciStoreOptions = {}): UndiciCacheStore {
  requireMethods(store, 'store', ['get', 'put', 'delete'])
  const { timeoutMs = suggestedTimeoutMs(store), onStoreError = warn } = options
  if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) throw optionError('timeoutMs', 'a positive number', timeoutMs)
  callback('onStoreError', onStoreError)
  return new StoreForUndici(store, { timeoutMs, onStoreError })
}

function warn(error: unknown): void {
  warnOfFault(error, "serve undici's cache")
}

function requireMethods(value: unknown, name: string, methods: readonly string[]): void {
  const missing = methods.filter(method => typeof Object(value)[method] !== 'function')
  if (missing.length > 0) throw optionError(name, `an object with the methods ${methods.join(', ')}`, value)
}
