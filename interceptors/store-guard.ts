import { CacheError } from '../lib/errors.ts'
import type { CacheKey, Entry, VariantKey } from '../lib/rfc9111/types.ts'
import type {
  Body,
  BodyWriter,
  CacheStore,
  Lookup,
  MaybePromise,
  Position,
  PutOptions,
  Stored
} from '../stores/store.ts'
import { release } from './body-player.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { isPromise, mapMaybe } from './maybe-promise.ts'
import type { Settings, StoreOperation } from './options.ts'
import { checkedBody, checkedLookup, notInContract } from './store-answers.ts'

const NOTHING: Lookup = { stored: [], otherVariants: false, asOf: () => UNKNOWN }

/** The position that a store could not tell: nothing is stored as of it. */
const UNKNOWN: Position = Symbol('unknown position')
const MAX_OWED_DELETIONS = 10_000

/** A store that cannot harm a request: whatever it throws, rejects or answers, and however long it takes, the caller gets
 * what an empty store would have said, no later than the deadline. Faults are reported, once each. */
export class StoreGuard {
  readonly #store: CacheStore
  readonly #settings: Pick<Settings, 'storeTimeoutMs' | 'onStoreError'>
  readonly #breaker = new CircuitBreaker()
  /** Keys whose deletion failed: not read again before it has succeeded. */
  readonly #owed = new Set<CacheKey>()

  constructor(store: CacheStore, settings: Pick<Settings, 'storeTimeoutMs' | 'onStoreError'>) {
    this.#store = store
    this.#settings = settings
  }

  /** Bytes of body; larger responses are not offered. */
  get maxEntrySizeBytes(): number {
    return this.#store.maxEntrySizeBytes ?? Infinity
  }

  get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): MaybePromise<Lookup> {
    if (!this.#breaker.allows()) return NOTHING
    if (this.#owed.size > 0 && this.#owed.has(key)) return this.#getAfterDeleting(key, variantOf)
    return this.#attempt('get', NOTHING, () =>
      mapMaybe(this.#store.get(key, variantOf), lookup => checkedLookup(lookup, key, variantOf))
    )
  }

  /** What a tier further away holds. */
  deeper(
    lookup: Lookup,
    key: CacheKey,
    variantOf: (fieldNames: readonly string[]) => VariantKey
  ): MaybePromise<Lookup> {
    return this.#attempt('get', NOTHING, () =>
      mapMaybe(lookup.deeper?.() ?? NOTHING, found => checkedLookup(found, key, variantOf))
    )
  }

  /** Where the store's order of events stands now that a request is about to begin. */
  asOf(lookup: Lookup): MaybePromise<Position> {
    return this.#attempt('get', UNKNOWN, () => lookup.asOf())
  }

  /** The whole body, of the length that the entry states; undefined where it cannot be had. */
  open(stored: Stored): MaybePromise<Body | undefined> {
    const open = () => mapMaybe(stored.open(), body => checkedBody(body, stored.entry))
    return this.#attempt<Body | undefined>('open', undefined, open, body => {
      if (body !== undefined && Symbol.asyncIterator in body) release(body[Symbol.asyncIterator]())
    })
  }

  /** Begins with a body that comes in pieces; throws what the store does. */
  iterate(body: AsyncIterable<Uint8Array>): AsyncIterator<Uint8Array> {
    try {
      return body[Symbol.asyncIterator]()
    } catch (error) {
      this.report(error, 'read')
      throw error
    }
  }

  /** The next step of a body that comes in pieces; rejects where it fails, is none or takes too long. */
  async read(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    try {
      const next = await this.#withDeadline('read', Promise.resolve(iterator.next()))
      if (typeof next !== 'object' || next === null) throw notInContract('read')
      return next
    } catch (error) {
      this.report(error, 'read')
      throw error
    }
  }

  put(entry: Entry, asOf: Position): MaybePromise<BodyWriter | undefined> {
    if (asOf === UNKNOWN || !this.#breaker.allows()) return undefined
    const options: PutOptions = asOf === undefined ? {} : { asOf }
    return this.#attempt('put', undefined, () => this.#store.put(entry, options), abortLate)
  }

  /** False: the writer failed, and the entry with it. */
  write(writer: BodyWriter, chunk: Uint8Array): MaybePromise<boolean> {
    return this.#attempt('write', false, () => mapMaybe(writer.write(chunk), () => true))
  }

  commit(writer: BodyWriter, entry: Entry): MaybePromise<boolean> {
    return this.#attempt('commit', false, () => mapMaybe(writer.commit(entry), stored => stored === true))
  }

  abort(writer: BodyWriter): MaybePromise<void> {
    return this.#attempt('abort', undefined, () => writer.abort())
  }

  update(entry: Entry, asOf: Position): MaybePromise<boolean> {
    if (asOf === UNKNOWN || !this.#breaker.allows()) return false
    return this.#attempt('update', false, () => this.#store.update(entry, asOf === undefined ? {} : { asOf }))
  }

  /** Always tried. Where it fails, this process at least does not read the key again before it has succeeded. */
  delete(key: CacheKey): MaybePromise<boolean> {
    const done = this.#attempt('delete', false, () => mapMaybe(this.#store.delete(key), () => true))
    return mapMaybe(done, succeeded => {
      if (succeeded) this.#owed.delete(key)
      else this.#owe(key)
      return succeeded
    })
  }

  /** For a caller who is told of the failure, and waits as long as it takes. */
  async purge(key: CacheKey): Promise<void> {
    try {
      await this.#store.delete(key)
      this.#owed.delete(key)
    } catch (error) {
      this.#owe(key)
      throw error
    }
  }

  /** Reports a fault that is nobody's but the store's. */
  report(error: unknown, operation: StoreOperation): void {
    try {
      this.#settings.onStoreError(error, operation)
    } catch {
      // A listener's fault is no reason for a request to fail; nor is there anybody left to tell.
    }
  }

  #owe(key: CacheKey): void {
    this.#owed.add(key)
    if (this.#owed.size <= MAX_OWED_DELETIONS) return
    for (const oldest of this.#owed) {
      this.#owed.delete(oldest)
      return
    }
  }

  #getAfterDeleting(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): MaybePromise<Lookup> {
    return mapMaybe(this.delete(key), succeeded => (succeeded ? this.get(key, variantOf) : NOTHING))
  }

  /** Runs one call of the store. `late` gets a result that came after the deadline. */
  #attempt<T>(
    operation: StoreOperation,
    fallback: T,
    call: () => MaybePromise<T>,
    late?: (result: T) => void
  ): MaybePromise<T> {
    try {
      const result = call()
      if (!isPromise(result)) {
        this.#breaker.succeeded()
        return result
      }
      return this.#settle(operation, fallback, result, late)
    } catch (error) {
      return this.#failed(operation, fallback, error)
    }
  }

  async #settle<T>(
    operation: StoreOperation,
    fallback: T,
    promise: Promise<T>,
    late: ((result: T) => void) | undefined
  ): Promise<T> {
    try {
      const result = await this.#withDeadline(operation, promise, late)
      this.#breaker.succeeded()
      return result
    } catch (error) {
      return this.#failed(operation, fallback, error)
    }
  }

  #failed<T>(operation: StoreOperation, fallback: T, error: unknown): T {
    this.#breaker.failed()
    this.report(error, operation)
    return fallback
  }

  #withDeadline<T>(operation: StoreOperation, promise: Promise<T>, late?: (result: T) => void): Promise<T> {
    const { storeTimeoutMs } = this.#settings
    return new Promise((resolve, reject) => {
      let expired = false
      const timer = setTimeout(() => {
        expired = true
        reject(new CacheError('ERR_CACHE_TIMEOUT', `the store took more than ${storeTimeoutMs} ms to ${operation}`))
      }, storeTimeoutMs)
      promise.then(
        result => {
          clearTimeout(timer)
          if (expired) late?.(result)
          else resolve(result)
        },
        error => {
          clearTimeout(timer)
          reject(error)
        }
      )
    })
  }
}

function abortLate(writer: BodyWriter | undefined): void {
  try {
    const aborted = writer?.abort()
    if (aborted !== undefined && isPromise(aborted)) aborted.catch(() => {})
  } catch {
    // The deadline has been reported already.
  }
}
