import type { ByteRange, CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { givesLeases } from '../../stores/shared/leases.ts'
import { isPromise, mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type {
  Body,
  BodyWriter,
  CacheStore,
  Lease,
  LeaseAnswer,
  LeaseMark,
  Lookup,
  Position,
  PutOptions,
  Stored
} from '../../stores/store.ts'
import { checkedLease, checkedLookup, checkedWriter } from './contract-checks.ts'
import { type Guarded, mapGuarded } from './guarded.ts'
import { GuardedBodies } from './guarded-bodies.ts'
import { GuardedDeletions } from './guarded-deletions.ts'
import { FALSE, type Fallback, NONE, type StoreCallSettings, StoreCalls, type StoreOperation } from './store-calls.ts'
import type { StoreDeadline } from './store-deadline.ts'

/** Why a store does not take a response: it declined; it, or a call before, has failed; or it is not waited for any longer. */
export type StoreRefusal = 'store-refused' | 'store-failed' | 'store-given-up'

/** Computes the variant key of a request from the names of the fields that select. */
type VariantOf = (fieldNames: readonly string[]) => VariantKey

/** Positions that a store could not tell: nothing is stored as of them. */
const UNKNOWN: Fallback<Position> = { failed: Symbol('unknown: failed'), givenUp: Symbol('unknown: given up') }
const NOTHING: Fallback<Lookup> = { failed: nothingAsOf(UNKNOWN.failed), givenUp: nothingAsOf(UNKNOWN.givenUp) }
const NO_WRITER: Fallback<StoreRefusal> = { failed: 'store-failed', givenUp: 'store-given-up' }

/** The store, made harmless. Whatever it throws, rejects with or answers, and however long it takes: callers get what an
 * empty store would have answered, no later than the deadline. */
export class StoreGuard {
  readonly #store: CacheStore
  readonly #calls: StoreCalls
  readonly #bodies: GuardedBodies
  readonly #deletions: GuardedDeletions

  constructor(store: CacheStore, settings: StoreCallSettings) {
    this.#store = store
    this.#calls = new StoreCalls(settings)
    this.#bodies = new GuardedBodies(store, this.#calls)
    this.#deletions = new GuardedDeletions(store, this.#calls, (...wanted) => this.find(...wanted))
  }

  /** The time that a new request gives the store. */
  newDeadline(): StoreDeadline {
    return this.#calls.newDeadline()
  }

  get givesLeases(): boolean {
    return givesLeases(this.#store)
  }

  /** Bytes of body; larger responses are not offered to the store. */
  get maxEntrySizeBytes(): number {
    return this.#store.maxEntrySizeBytes ?? Infinity
  }

  // Lookups

  get(key: CacheKey, variantOf: VariantOf, deadline?: StoreDeadline): Guarded<Lookup> {
    if (this.#deletions.isPending(key)) return this.#getAfterDeleting(key, variantOf, deadline)
    if (!this.#calls.breakers.get.allows()) return NOTHING.givenUp
    const get = () =>
      mapMaybe(this.#store.get(key, variantOf), lookup => this.#readable(checkedLookup(lookup, key, variantOf)))
    return this.#calls.run<Lookup>('get', NOTHING, get, undefined, deadline)
  }

  /** Asks a tier further away. Where that one fails, the nearer ones are asked all the same. */
  deeper(lookup: Lookup, key: CacheKey, variantOf: VariantOf, deadline?: StoreDeadline): Guarded<Lookup> {
    if (!this.#calls.breakers.deeper.allows()) return NOTHING.givenUp
    const ask = () =>
      mapMaybe(lookup.deeper?.() ?? NOTHING.failed, found => this.#readable(checkedLookup(found, key, variantOf)))
    return this.#calls.run<Lookup>('deeper', NOTHING, ask, undefined, deadline)
  }

  /** Finds the first of what is stored, in the nearest tier that has one, that `isWanted`, which must not throw. */
  find(key: CacheKey, variantOf: VariantOf, isWanted: (entry: Entry) => boolean): Guarded<Stored | undefined> {
    const findIn = (lookup: Lookup): Guarded<Stored | undefined> => {
      const wanted = lookup.stored.find(({ entry }) => isWanted(entry))
      if (wanted !== undefined || lookup.deeper === undefined) return wanted
      return mapGuarded(this.deeper(lookup, key, variantOf), findIn)
    }
    return mapGuarded(this.get(key, variantOf), findIn)
  }

  /** Whether what a request brings that was sent as of that position may be stored. */
  isKnown(asOf: Position): boolean {
    return asOf !== UNKNOWN.failed && asOf !== UNKNOWN.givenUp
  }

  /** Tells where the store's order of events stands, for a request that is about to be sent. */
  asOf(lookup: Lookup, deadline?: StoreDeadline): Guarded<Position> {
    if (!this.#calls.breakers.asOf.allows()) return UNKNOWN.givenUp
    return this.#calls.run('asOf', UNKNOWN, () => lookup.asOf(), undefined, deadline)
  }

  // Bodies

  open(stored: Stored, range?: ByteRange, deadline?: StoreDeadline): Guarded<Body | undefined> {
    return this.#bodies.open(stored, range, deadline)
  }

  iterate(body: AsyncIterable<Uint8Array>): AsyncIterator<Uint8Array> {
    return this.#bodies.iterate(body)
  }

  read(iterator: AsyncIterator<Uint8Array>, deadline?: StoreDeadline): Promise<IteratorResult<Uint8Array>> {
    return this.#bodies.read(iterator, deadline)
  }

  // Leases

  /** undefined: none can be had, and nobody is to wait for one. */
  lease(name: string, ttlMs: number): Guarded<LeaseAnswer | undefined> {
    if (!this.#calls.breakers.lease.allows()) return undefined
    const ask = () => mapMaybe(this.#store.lease?.(name, ttlMs), checkedLease)
    return this.#calls.run<LeaseAnswer | undefined>('lease', NONE, ask, late => {
      if (typeof late === 'object') void this.release(late)
    })
  }

  /** False: the lease is lost, or may be. */
  renew(lease: Lease, ttlMs: number): Guarded<boolean> {
    return this.#calls.run('lease', FALSE, () => mapMaybe(lease.renew(ttlMs), isHeld => isHeld === true))
  }

  release(lease: Lease, mark?: LeaseMark, markMs?: number): Guarded<void> {
    return this.#calls.run<void>('lease', NONE, () => lease.release(mark, markMs))
  }

  // Writes

  /** Begins to store a response; the answer may be why it is not stored. */
  put(entry: Entry, asOf: Position): Guarded<BodyWriter | StoreRefusal> {
    if (asOf === UNKNOWN.failed) return 'store-failed'
    if (asOf === UNKNOWN.givenUp) return 'store-given-up'
    if (
      !this.#calls.breakers.put.allows() ||
      !this.#calls.breakers.write.allows() ||
      !this.#calls.breakers.commit.allows()
    ) {
      return 'store-given-up'
    }
    const options: PutOptions = asOf === undefined ? {} : { asOf }
    const ask = () => mapMaybe(this.#store.put(entry, options), writerOrRefusal)
    return this.#calls.run<BodyWriter | StoreRefusal>('put', NO_WRITER, ask, abortLate)
  }

  /** False: the writer failed, and the entry with it. */
  write(writer: BodyWriter, chunk: Uint8Array): Guarded<boolean> {
    return this.#calls.run('write', FALSE, () => mapMaybe(writer.write(chunk), () => true))
  }

  commit(writer: BodyWriter, entry: Entry): Guarded<boolean> {
    return this.#calls.run('commit', FALSE, () => mapMaybe(writer.commit(entry), stored => stored === true))
  }

  abort(writer: BodyWriter): Guarded<void> {
    return this.#calls.run<void>('abort', NONE, () => writer.abort())
  }

  /** `from`: the variant key that the entry is stored under until now, where it moves. */
  update(entry: Entry, asOf: Position, from?: VariantKey): Guarded<boolean> {
    if (!this.isKnown(asOf) || !this.#calls.breakers.update.allows()) return false
    return this.#calls.run('update', FALSE, () =>
      this.#store.update(entry, asOf === undefined && from === undefined ? {} : { asOf, from })
    )
  }

  // Deletions

  delete(key: CacheKey): Guarded<boolean> {
    return this.#deletions.delete(key)
  }

  remove(entry: Entry): Guarded<boolean> {
    return this.#deletions.remove(entry)
  }

  get removesOne(): boolean {
    return this.#deletions.removesOne
  }

  purge(key: CacheKey): Promise<void> {
    return this.#deletions.purge(key)
  }

  purgeTag(tag: string): Promise<void> {
    return this.#deletions.purgeTag(tag)
  }

  purgeAll(): Promise<void> {
    return this.#deletions.purgeAll()
  }

  // Faults

  report(error: unknown, operation: StoreOperation): void {
    this.#calls.report(error, operation)
  }

  settled(): Promise<void> {
    return this.#calls.settled()
  }

  lateOnesSettled(): Promise<void> {
    return this.#calls.lateOnesSettled()
  }

  #readable(lookup: Lookup): Lookup {
    return this.#deletions.readable(lookup) ?? NOTHING.failed
  }

  #getAfterDeleting(key: CacheKey, variantOf: VariantOf, deadline: StoreDeadline | undefined): Guarded<Lookup> {
    // The time runs from here: what the deletion leaves of it is the lookup's.
    deadline?.remainingMs()
    const deletion = this.#deletions.finish(key)
    if (deletion === undefined) return NOTHING.givenUp
    return mapGuarded(deletion, succeeded => {
      if (succeeded) return this.get(key, variantOf, deadline)
      return (deadline?.remainingMs() ?? Infinity) > 0 ? NOTHING.failed : NOTHING.givenUp
    })
  }
}

function nothingAsOf(position: Position): Lookup {
  return { stored: [], otherVariants: false, asOf: () => position }
}

function writerOrRefusal(writer: BodyWriter | undefined): BodyWriter | StoreRefusal {
  return checkedWriter(writer) ?? 'store-refused'
}

function abortLate(writer: BodyWriter | StoreRefusal): void {
  if (typeof writer === 'string') return
  try {
    const aborted: unknown = writer.abort()
    if (isPromise(aborted)) Promise.resolve(aborted).catch(() => {})
  } catch {
    // The deadline has been reported already.
  }
}
