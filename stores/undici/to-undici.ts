import type { Writable } from 'node:stream'
import { clearTimeout, setTimeout } from 'node:timers'
import { CacheError } from '../../lib/errors.ts'
import type { CacheKey } from '../../lib/rfc9111/types.ts'
import { isPromise, mapMaybe } from '../shared/maybe-promise.ts'
import type { BodyWriter, CacheStore, Lookup, MaybePromise, Position, Stored } from '../store.ts'
import { BodyStream, bodyFor, type Report } from './body-stream.ts'
import type { UndiciCacheStore, UndiciKey, UndiciResult, UndiciValue } from './contract.ts'
import { cacheKeyOf, entryOf, resultOf, variantOf } from './response.ts'

export interface ToUndiciSettings {
  readonly timeoutMs: number
  readonly onStoreError: Report
}

/** The position that a store could not tell: nothing is stored as of it. */
const UNKNOWN: Position = Symbol('unknown position')

/** Fields with which a request asks for more than what is stored. */
const ASKING_FOR_MORE = ['cache-control', 'pragma', 'if-none-match', 'if-modified-since']

/** A store of undici's on a CacheStore. Whatever the latter does, undici is told of a miss at the worst. */
export class StoreForUndici implements UndiciCacheStore {
  readonly #store: CacheStore
  readonly #settings: ToUndiciSettings
  /** Where the store stood when a request began. undici uses one key object from its lookup to its write. */
  readonly #positions = new WeakMap<UndiciKey, MaybePromise<Position>>()
  /** Keys whose deletion failed: they are not read before it has succeeded. */
  readonly #pendingDeletions = new Set<CacheKey>()

  constructor(store: CacheStore, settings: ToUndiciSettings) {
    this.#store = store
    this.#settings = settings
  }

  get(key: UndiciKey): MaybePromise<UndiciResult | undefined> {
    return this.#attempt(undefined, () =>
      mapMaybe(this.#lookup(key), lookup => (lookup === undefined ? undefined : this.#newest(key, lookup)))
    )
  }

  createWriteStream(key: UndiciKey, value: UndiciValue): Writable | undefined {
    const entry = entryOf(key, value, Date.now())
    const { maxEntrySizeBytes = Infinity } = this.#store
    const writer = this.#attempt<BodyWriter | undefined>(undefined, () =>
      mapMaybe(this.#positions.get(key), asOf => {
        if (asOf === UNKNOWN) return undefined
        return this.#store.put(entry, asOf === undefined ? {} : { asOf })
      })
    )
    if (writer === undefined) return undefined
    return new BodyStream(writer, entry, maxEntrySizeBytes, this.#settings.onStoreError)
  }

  /** Removes what is stored for the URI, of every method and variant. */
  delete(key: UndiciKey): MaybePromise<void> {
    const cacheKey = cacheKeyOf(key)
    const deleted = this.#attempt(false, () => mapMaybe(this.#store.delete(cacheKey), () => true))
    return mapMaybe(deleted, succeeded => {
      if (succeeded) this.#pendingDeletions.delete(cacheKey)
      else this.#pendingDeletions.add(cacheKey)
      // undici deletes what it is about to replace: its own deletion must not stand in the way.
      if (succeeded && this.#positions.has(key)) return this.#rememberAnew(key)
    })
  }

  #lookup(key: UndiciKey): MaybePromise<Lookup | undefined> {
    const cacheKey = cacheKeyOf(key)
    if (!this.#pendingDeletions.has(cacheKey)) return this.#find(key)
    return mapMaybe(this.delete(key), () => (this.#pendingDeletions.has(cacheKey) ? undefined : this.#find(key)))
  }

  #find(key: UndiciKey): MaybePromise<Lookup> {
    return this.#store.get(cacheKeyOf(key), variantOf(key.method, key.headers))
  }

  /** The newest of what was found; of what a tier further away has, where that cannot be reused. */
  #newest(key: UndiciKey, lookup: Lookup): MaybePromise<UndiciResult | undefined> {
    const found = newestOf(lookup, key)
    if (found === undefined || !isReusable(found.result, key)) {
      if (lookup.deeper !== undefined) return mapMaybe(lookup.deeper(), deeper => this.#newest(key, deeper))
      this.#remember(key, lookup)
    }
    return found === undefined ? undefined : this.#withBody(found.stored, found.result)
  }

  #rememberAnew(key: UndiciKey): MaybePromise<void> {
    return this.#attempt(undefined, () => mapMaybe(this.#find(key), lookup => this.#remember(key, lookup)))
  }

  #remember(key: UndiciKey, lookup: Lookup): void {
    this.#positions.set(
      key,
      this.#attempt(UNKNOWN, () => lookup.asOf())
    )
  }

  #withBody(stored: Stored, result: Omit<UndiciResult, 'body'>): MaybePromise<UndiciResult | undefined> {
    return mapMaybe(stored.open(), opened => {
      const body = opened === undefined ? undefined : bodyFor(opened, stored.entry)
      return body === undefined ? undefined : { ...result, body }
    })
  }

  /** Runs a call of the store; what goes wrong, or takes too long, is reported. */
  #attempt<T>(fallback: T, call: () => MaybePromise<T>): MaybePromise<T> {
    const { onStoreError } = this.#settings
    try {
      const called = call()
      if (!isPromise(called)) return called
      return this.#withDeadline(called).catch(error => {
        onStoreError(error)
        return fallback
      })
    } catch (error) {
      onStoreError(error)
      return fallback
    }
  }

  #withDeadline<T>(promise: Promise<T>): Promise<T> {
    const { timeoutMs } = this.#settings
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new CacheError('ERR_CACHE_TIMEOUT', `the store took more than ${timeoutMs} ms`))
      }, timeoutMs)
      promise.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }
}

/** The newest response that undici stored and has not told to delete by now. */
function newestOf({ stored }: Lookup, key: UndiciKey) {
  let newest: { readonly stored: Stored; readonly result: Omit<UndiciResult, 'body'> } | undefined
  for (const each of stored) {
    const result = resultOf(each.entry, key)
    if (result === undefined || result.deleteAt <= Date.now()) continue
    const { responseTimeMs = -Infinity } = newest?.stored.entry ?? {}
    if (each.entry.responseTimeMs >= responseTimeMs) newest = { stored: each, result }
  }
  return newest
}

/** Whether undici is going to serve it without asking the origin. */
function isReusable(
  { staleAt, cacheControlDirectives }: Omit<UndiciResult, 'body'>,
  { headers = {} }: UndiciKey
): boolean {
  if (Date.now() >= staleAt || cacheControlDirectives['no-cache'] !== undefined) return false
  return ASKING_FOR_MORE.every(name => headers[name] === undefined)
}
