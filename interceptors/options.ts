import { isRegExp } from 'node:util/types'
import { optionError } from '../lib/errors.ts'
import { warnOfFault } from '../lib/fault-warning.ts'
import {
  amount,
  callback,
  delay,
  flag,
  listOf,
  oneOf,
  originOf,
  positive,
  refuseUnknown
} from '../lib/option-checks.ts'
import type { Policy } from '../lib/rfc9111/types.ts'
import { givesLeases } from '../stores/leases.ts'
import { MemoryStore } from '../stores/memory.ts'
import type { CacheStore } from '../stores/store.ts'
import { suggestedTimeoutMs } from '../stores/suggested-timeout.ts'
import { partitionBy, type RequestToPartition } from './request/partition.ts'
import type { StoreOperation } from './store-access/store-calls.ts'

/** The options of cacheInterceptor(). Every number carries its unit in its name; a bad value is a TypeError with code
 * ERR_CACHE_OPTION that names the option. */
export interface CacheOptions {
  /** Where responses are kept; a MemoryStore of the interceptor's own by default. Whoever makes a store closes it. */
  store?: CacheStore
  /** 'shared' (default) where several users' requests pass, 'private' where all are one user's. RFC 9111 §1 */
  type?: 'shared' | 'private'
  /** Methods looked up and stored: GET and HEAD, or one of them. */
  methods?: readonly ('GET' | 'HEAD')[]
  /** Only these statuses are stored, and each may be by default freshness. Default: the rule of RFC 9111 §3. */
  statusCodes?: readonly number[]
  /** Only requests to these origins are cached: 'https://host[:port]', or an expression tested against that. Default: all. */
  origins?: readonly (string | RegExp)[]
  /** Stores in spite of no-store in the request or the response (against RFC 9111 §5.2.1.5 and §5.2.2.5). What a server
   * marked so is often meant for one user, or for one moment: use it on upstreams that you know. Default: false. */
  alwaysCache?: boolean
  /** Lifetime of responses that do not state theirs, in place of the heuristic of RFC 9111 §4.2.2, for heuristically
   * cacheable statuses and those in `statusCodes`. Seconds, >= 0; Infinity is possible. Default: none. */
  defaultFreshnessSeconds?: number
  /** Upper bound of a heuristic lifetime. RFC 9111 §4.2.2. Seconds, >= 0; 86,400 (24 hours) by default. */
  maxHeuristicSeconds?: number
  /** How long an entry that can be validated is kept once stale. Seconds, >= 0; 604,800 (7 days) by default. */
  retainSeconds?: number
  /** As if each response had said stale-while-revalidate. RFC 5861 §3. Seconds, >= 0. Default: what responses say. */
  staleWhileRevalidateSeconds?: number
  /** As if each response had said stale-if-error. RFC 5861 §4. Seconds, >= 0. Default: what responses say. */
  staleIfErrorSeconds?: number
  /** When the origin cannot be reached: 'error' (default) passes the error on unless stale-if-error allows a stale answer;
   * 'stale' serves what RFC 9111 §4.2.4 permits, and 504 where it forbids it. */
  whenDisconnected?: 'error' | 'stale'
  /** Lets a shared cache store responses with Set-Cookie that say neither public nor s-maxage. Default: false. */
  storeSetCookie?: boolean
  /** Whether a response by HTTP/2 without Content-Length is stored where its end cannot be told from a reset, as below an
   * interceptor that hands its header section on later. Default: true. */
  storeUnverifiedHttp2?: boolean
  /** Whose responses may answer whom. 'authorization': the response to one credential never answers another, the default
   * of a private cache; 'authorization+cookie'; false: everybody's, the default of a shared cache, which RFC 9111 §3.5
   * guards; or a function of the request's fields (lower-case names) that names the partition. */
  partition?: 'authorization' | 'authorization+cookie' | false | RequestToPartition
  /** Targeted fields in place of Cache-Control, most specific first, such as ['CDN-Cache-Control']. RFC 9213. Default: none. */
  targetList?: readonly string[]
  /** The origin of requests that name none, for a composed Client or Pool. */
  origin?: string | URL
  /** How long a store may hold up a request before its first byte, with all that it is asked for one after the other; then
   * how long each further piece of a body may take, and each write. Milliseconds, > 0; by default what the store suggests, at
   * most 2,000, or else 250. */
  storeTimeoutMs?: number
  /** How long a request waits for another's response to be stored, where it cannot read along with it, having come too late
   * or having to validate it. Milliseconds, >= 0; 1,000 by default. */
  coalesceTimeoutMs?: number
  /** Among whom those who ask for the same thing at once wait for one request: 'process' (default), or 'fleet', all
   * processes that share a store with leases, such as RedisStore. */
  coalesce?: 'process' | 'fleet'
  /** How long other processes wait for one that has died while it was fetching for them. Milliseconds, > 0; 2,000 by
   * default. */
  leaseMs?: number
  /** How long `close()` and `settled()` wait for what is being stored. Milliseconds, >= 0; 5,000 by default. */
  closeTimeoutMs?: number
  /** How much of a response waits for a slow store before its origin is paused; and how far one of several who read it may
   * fall behind before it goes on without that one, who reads on from the store. Bytes; 1 MiB by default. */
  maxBufferedBytes?: number
  /** Told of each fault of a store or serializer; requests go on. Default: the first of each operation and error code is a
   * warning of the process, with the code UNDICI_HTTP_CACHE_STORE, at most 20 in all. */
  onStoreError?: (error: unknown, operation: StoreOperation) => void
  /** The name in the Cache-Status field (RFC 9211), a token or any string; false sends none. Default: 'undici-http-cache'. */
  cacheStatus?: string | false
  /** The cache's clock: milliseconds since the epoch. It decides what is fresh, and for how long what is stored is kept; what
   * processes share is swept in real time. Default: () => Date.now(),
   * which sees a replaced Date. */
  now?: () => number
}

/** The options, checked and complete. */
export interface Settings {
  readonly policy: Policy
  readonly store: CacheStore
  /** Whether the store was made here, and is to be closed here. */
  readonly ownsStore: boolean
  readonly origins: readonly (string | RegExp)[] | undefined
  readonly origin: string | undefined
  readonly partitionOf: RequestToPartition | undefined
  readonly storeUnverifiedHttp2: boolean
  readonly storeTimeoutMs: number
  readonly coalesceTimeoutMs: number
  readonly coalesce: 'process' | 'fleet'
  readonly leaseMs: number
  readonly closeTimeoutMs: number
  readonly maxBufferedBytes: number
  readonly onStoreError: (error: unknown, operation: StoreOperation) => void
  readonly cacheStatus: string | undefined
  readonly now: () => number
}

/** As httpx-cache caches by default: GET only, five statuses, and what says nothing stays fresh for good. */
export const httpxCacheDefaults = {
  methods: ['GET'],
  statusCodes: [200, 203, 300, 301, 308],
  defaultFreshnessSeconds: Infinity
} as const satisfies CacheOptions

export const DEFAULT_CACHE_STATUS = 'undici-http-cache'

const NAMES: { readonly [name in keyof CacheOptions]-?: true } = {
  store: true,
  type: true,
  methods: true,
  statusCodes: true,
  origins: true,
  alwaysCache: true,
  defaultFreshnessSeconds: true,
  maxHeuristicSeconds: true,
  retainSeconds: true,
  staleWhileRevalidateSeconds: true,
  staleIfErrorSeconds: true,
  whenDisconnected: true,
  storeSetCookie: true,
  storeUnverifiedHttp2: true,
  partition: true,
  targetList: true,
  origin: true,
  storeTimeoutMs: true,
  coalesceTimeoutMs: true,
  coalesce: true,
  leaseMs: true,
  closeTimeoutMs: true,
  maxBufferedBytes: true,
  onStoreError: true,
  cacheStatus: true,
  now: true
}

const STORE_METHODS = ['get', 'put', 'update', 'delete', 'deleteByTag', 'clear', 'close'] as const

/** Checks the options by name and fills in the defaults. */
export function readOptions(options: CacheOptions): Settings {
  refuseUnknown('the cache', options, Object.keys(NAMES))
  const store = options.store === undefined ? new MemoryStore() : checkedStore(options.store)
  const type = oneOf('type', options.type, ['shared', 'private'], 'shared')
  return {
    policy: {
      shared: type === 'shared',
      privateByCookie: type === 'private' && options.partition === undefined,
      methods: new Set(listOf('methods', options.methods, isCacheableMethod, "'GET' and 'HEAD'") ?? ['GET', 'HEAD']),
      statusCodes: optionalSet(listOf('statusCodes', options.statusCodes, isFinalStatus, 'statuses from 200 to 599')),
      alwaysCache: flag('alwaysCache', options.alwaysCache),
      defaultFreshnessSeconds: amount('defaultFreshnessSeconds', options.defaultFreshnessSeconds, undefined),
      maxHeuristicSeconds: amount('maxHeuristicSeconds', options.maxHeuristicSeconds, 86_400),
      retainSeconds: amount('retainSeconds', options.retainSeconds, 604_800),
      staleWhileRevalidateSeconds: amount(
        'staleWhileRevalidateSeconds',
        options.staleWhileRevalidateSeconds,
        undefined
      ),
      staleIfErrorSeconds: amount('staleIfErrorSeconds', options.staleIfErrorSeconds, undefined),
      whenDisconnected: oneOf('whenDisconnected', options.whenDisconnected, ['error', 'stale'], 'error'),
      storeSetCookie: flag('storeSetCookie', options.storeSetCookie),
      targetList: (listOf('targetList', options.targetList, isToken, 'field names') ?? []).map(name =>
        name.toLowerCase()
      )
    },
    store,
    ownsStore: options.store === undefined,
    origins: checkedOrigins(options.origins),
    origin: options.origin === undefined ? undefined : originOf('origin', options.origin),
    partitionOf: partitionBy(
      options.partition === undefined ? (type === 'private' ? 'authorization' : false) : options.partition
    ),
    storeUnverifiedHttp2:
      options.storeUnverifiedHttp2 === undefined || flag('storeUnverifiedHttp2', options.storeUnverifiedHttp2),
    storeTimeoutMs: positive('storeTimeoutMs', options.storeTimeoutMs, suggestedTimeoutMs(store)),
    coalesceTimeoutMs: delay('coalesceTimeoutMs', options.coalesceTimeoutMs, 1000),
    coalesce: checkedCoalesce(options.coalesce, store),
    leaseMs: positive('leaseMs', options.leaseMs, 2000),
    closeTimeoutMs: delay('closeTimeoutMs', options.closeTimeoutMs, 5000),
    maxBufferedBytes: positive('maxBufferedBytes', options.maxBufferedBytes, 1_048_576),
    onStoreError: callback('onStoreError', options.onStoreError) ?? warnOfFault,
    cacheStatus: checkedCacheStatus(options.cacheStatus),
    now: callback('now', options.now) ?? (() => Date.now())
  }
}

function optionalSet<T>(members: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return members === undefined ? undefined : new Set(members)
}

function isCacheableMethod(member: unknown): boolean {
  return member === 'GET' || member === 'HEAD'
}

function isFinalStatus(member: unknown): boolean {
  return Number.isInteger(member) && Number(member) >= 200 && Number(member) <= 599
}

function isToken(member: unknown): boolean {
  return typeof member === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(member)
}

function checkedStore(store: CacheStore): CacheStore {
  const missing =
    typeof store !== 'object' || store === null
      ? STORE_METHODS
      : STORE_METHODS.filter(method => typeof store[method] !== 'function')
  if (missing.length > 0) throw optionError('store', `a CacheStore with ${missing.join(', ')}`, store)
  return store
}

function checkedCoalesce(value: CacheOptions['coalesce'], store: CacheStore): Settings['coalesce'] {
  const coalesce = oneOf('coalesce', value, ['process', 'fleet'], 'process')
  if (coalesce === 'process' || givesLeases(store)) return coalesce
  throw optionError('coalesce', "'process' with a store that gives no leases", value)
}

function checkedOrigins(origins: CacheOptions['origins']): Settings['origins'] {
  const members = listOf('origins', origins, isOriginMatcher, 'origins and regular expressions')
  return members?.map(member => (typeof member === 'string' ? originOf('origins', member) : member))
}

function isOriginMatcher(member: unknown): boolean {
  return typeof member === 'string' || isRegExp(member)
}

function checkedCacheStatus(value: CacheOptions['cacheStatus']): string | undefined {
  if (value === undefined) return DEFAULT_CACHE_STATUS
  if (value === false) return undefined
  if (typeof value !== 'string' || !/^[ -~]+$/.test(value)) {
    throw optionError('cacheStatus', 'a name of printable ASCII characters, or false', value)
  }
  return value
}
