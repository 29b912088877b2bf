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
import { MemoryStore } from '../stores/memory.ts'
import { givesLeases } from '../stores/shared/leases.ts'
import { suggestedTimeoutMs } from '../stores/shared/suggested-timeout.ts'
import type { CacheStore } from '../stores/store.ts'
import type { CacheOptions } from './cache-options.ts'
import { partitionBy, type RequestToPartition } from './request/partition.ts'
import type { StoreOperation } from './store-access/store-calls.ts'

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
