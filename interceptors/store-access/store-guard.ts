import { isUint8Array } from 'node:util/types'
import { nextTurn } from '../../lib/event-loop.ts'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { ByteRange, CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { sliceBlocks } from '../../stores/body-range.ts'
import { givesLeases } from '../../stores/leases.ts'
import { isPromise, mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type {
  Body,
  BodyWriter,
  CacheStore,
  Lease,
  LeaseAnswer,
  LeaseMark,
  Lookup,
  MaybePromise,
  Position,
  PutOptions,
  Stored
} from '../../stores/store.ts'
import type { Settings, StoreOperation } from '../options.ts'
import { DamagedBody, release } from './body-checks.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { checkedBody, checkedLease, checkedLookup, checkedWriter } from './contract-checks.ts'
import { OwedDeletions } from './pending-deletions.ts'
import { OwedPurges } from './pending-purges.ts'
import { PendingWrites } from './pending-writes.ts'
import { isLate, StoreDeadline, tooLate, withDeadline } from './store-deadline.ts'
import type { StoreRefusal } from './store-refusal.ts'

/** Empty pieces of a body that are read in a turn of the event loop. */
const EMPTY_IN_A_TURN = 16

/** What is answered in place of a store that has failed, and of one that is not waited for any longer. */
interface Instead<T> {
  readonly failed: T
  readonly givenUp: T
}

/** Positions that a store could not tell: nothing is stored as of them. */
const UNKNOWN: Instead<Position> = { failed: Symbol('unknown: failed'), givenUp: Symbol('unknown: given up') }
const NOTHING: Instead<Lookup> = { failed: nothingAsOf(UNKNOWN.failed), givenUp: nothingAsOf(UNKNOWN.givenUp) }
const NO_WRITER: Instead<StoreRefusal> = { failed: 'store-failed', givenUp: 'store-given-up' }
const NONE: Instead<undefined> = { failed: undefined, givenUp: undefined }
const FALSE: Instead<boolean> = { failed: false, givenUp: false }

/** What is called of a store; asOf and deeper, which go with it, are reported as 'get'. */
type Call = StoreOperation | 'asOf' | 'deeper'
type GatedCall = Exclude<Call, 'abort' | 'clear' | 'close'>

/** Calls that change what is stored. One that is late may do so all the same. */
const CHANGES: ReadonlySet<Call> = new Set(['commit', 'abort', 'update', 'delete', 'lease'])

/** A store that cannot harm a request: whatever it throws, rejects or answers, and however long it takes, the caller gets
 * what an empty store would have said, no later than the deadline. Faults are reported, once each. */
export class StoreGuard {
  readonly #store: CacheStore
  readonly #settings: Pick<Settings, 'storeTimeoutMs' | 'onStoreError'>
  /** One for each, since a store whose lookups work may hang at bodies. */
  readonly #breakers: { readonly [call in Call]?: CircuitBreaker } & Record<GatedCall, CircuitBreaker> = {
    get: new CircuitBreaker(),
    asOf: new CircuitBreaker(),
    deeper: new CircuitBreaker(),
    open: new CircuitBreaker(),
    read: new CircuitBreaker(),
    put: new CircuitBreaker(),
    write: new CircuitBreaker(),
    commit: new CircuitBreaker(),
    update: new CircuitBreaker(),
    lease: new CircuitBreaker(),
    delete: new CircuitBreaker()
  }
  readonly #owed = new OwedDeletions()
  readonly #owedPurges: OwedPurges
  readonly #changes = new PendingWrites()
  /** Those that are taking longer than anybody has waited for them. */
  readonly #lateChanges = new PendingWrites()

  constructor(store: CacheStore, settings: Pick<Settings, 'storeTimeoutMs' | 'onStoreError'>) {
    this.#store = store
    this.#settings = settings
    this.#owedPurges = new OwedPurges(store, (error, operation) => this.report(error, operation))
  }

  /** The time that a new request gives the store. */
  newDeadline(): StoreDeadline {
    return new StoreDeadline(this.#settings.storeTimeoutMs)
  }

  get givesLeases(): boolean {
    return givesLeases(this.#store)
  }

  /** Bytes of body; larger responses are not offered. */
  get maxEntrySizeBytes(): number {
    return this.#store.maxEntrySizeBytes ?? Infinity
  }

  get(
    key: CacheKey,
    variantOf: (fieldNames: readonly string[]) => VariantKey,
    deadline?: StoreDeadline
  ): MaybePromise<Lookup> {
    if (this.#owed.has(key)) return this.#getAfterDeleting(key, variantOf, deadline)
    if (!this.#breakers.get.allows()) return NOTHING.givenUp
    const get = () =>
      mapMaybe(this.#store.get(key, variantOf), lookup => this.#readable(checkedLookup(lookup, key, variantOf)))
    return this.#attempt<Lookup>('get', NOTHING, get, undefined, deadline)
  }

  /** What a tier further away holds. Where that one fails, the nearer ones are asked all the same. */
  deeper(
    lookup: Lookup,
    key: CacheKey,
    variantOf: (fieldNames: readonly string[]) => VariantKey,
    deadline?: StoreDeadline
  ): MaybePromise<Lookup> {
    if (!this.#breakers.deeper.allows()) return NOTHING.givenUp
    const ask = () =>
      mapMaybe(lookup.deeper?.() ?? NOTHING.failed, found => this.#readable(checkedLookup(found, key, variantOf)))
    return this.#attempt<Lookup>('deeper', NOTHING, ask, undefined, deadline)
  }

  /** The first of what is stored, in the nearest tier that has one, that `isWanted`. */
  find(
    key: CacheKey,
    variantOf: (fieldNames: readonly string[]) => VariantKey,
    isWanted: (entry: Entry) => boolean
  ): MaybePromise<Stored | undefined> {
    const findIn = (lookup: Lookup): MaybePromise<Stored | undefined> => {
      const wanted = lookup.stored.find(({ entry }) => isWanted(entry))
      if (wanted !== undefined || lookup.deeper === undefined) return wanted
      return mapMaybe(this.deeper(lookup, key, variantOf), findIn)
    }
    return mapMaybe(this.get(key, variantOf), findIn)
  }

  /** undefined: none can be had, and nobody is to wait for one. */
  lease(name: string, ttlMs: number): MaybePromise<LeaseAnswer | undefined> {
    if (!this.#breakers.lease.allows()) return undefined
    const ask = () => mapMaybe(this.#store.lease?.(name, ttlMs), checkedLease)
    return this.#attempt<LeaseAnswer | undefined>('lease', NONE, ask, late => {
      if (typeof late === 'object') void this.release(late)
    })
  }

  /** False: the lease is lost, or may be. */
  renew(lease: Lease, ttlMs: number): MaybePromise<boolean> {
    return this.#attempt('lease', FALSE, () => mapMaybe(lease.renew(ttlMs), isHeld => isHeld === true))
  }

  release(lease: Lease, mark?: LeaseMark, markMs?: number): MaybePromise<void> {
    return this.#attempt<void>('lease', NONE, () => lease.release(mark, markMs))
  }

  /** Whether what is brought as of that position may be stored. */
  isKnown(asOf: Position): boolean {
    return asOf !== UNKNOWN.failed && asOf !== UNKNOWN.givenUp
  }

  /** Where the store's order of events stands now that a request is about to begin. */
  asOf(lookup: Lookup, deadline?: StoreDeadline): MaybePromise<Position> {
    if (!this.#breakers.asOf.allows()) return UNKNOWN.givenUp
    return this.#attempt('asOf', UNKNOWN, () => lookup.asOf(), undefined, deadline)
  }

  /** So much of the stored body, all of it by default, and of that length; undefined where it cannot be had. Bytes of the
   * caller's own where the store can give them: where `stored` has `take`. */
  open(stored: Stored, range?: ByteRange, deadline?: StoreDeadline): MaybePromise<Body | undefined> {
    const { open: opening, read: reading } = this.#breakers
    if (!opening.allows() || !reading.allows()) return undefined
    if (range !== undefined && !this.#store.capabilities.ranges) return this.#openToCut(stored, range, deadline)
    return this.#open(stored, range, deadline)
  }

  /** For a store that opens nothing but whole bodies: those that are at hand are cut here. */
  #openToCut(stored: Stored, range: ByteRange, deadline: StoreDeadline | undefined): MaybePromise<Body | undefined> {
    return mapMaybe(this.#open(stored, undefined, deadline), body => {
      if (body === undefined || !(Symbol.asyncIterator in body)) return body && sliceBlocks([body].flat(), range)
      release(body[Symbol.asyncIterator]())
      return undefined
    })
  }

  #open(
    stored: Stored,
    range: ByteRange | undefined,
    deadline: StoreDeadline | undefined
  ): MaybePromise<Body | undefined> {
    const byteLength = range === undefined ? storedBytes(stored.entry) : range.end - range.start
    const open = () =>
      mapMaybe(stored.take === undefined ? stored.open(range) : stored.take(range), body =>
        checkedBody(body, byteLength)
      )
    return this.#attempt<Body | undefined>('open', NONE, open, releaseLate, deadline)
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

  /** The next step of a body that comes in pieces, empty ones apart; rejects where it fails, is none or takes too long. */
  async read(
    iterator: AsyncIterator<Uint8Array>,
    deadline: StoreDeadline = this.newDeadline()
  ): Promise<IteratorResult<Uint8Array>> {
    const { storeTimeoutMs } = this.#settings
    const longest = deadline.remainingMs()
    try {
      let remaining = longest
      for (let emptyCount = 0; ; emptyCount++) {
        // Those that are there at once would keep everything else waiting.
        if (emptyCount % EMPTY_IN_A_TURN === EMPTY_IN_A_TURN - 1) await nextTurn()
        const read = Promise.resolve(iterator.next())
        const next = await withDeadline(read, storeTimeoutMs, 'read', undefined, remaining)
        if (typeof next !== 'object' || next === null) throw new DamagedBody('goes on with nothing')
        deadline.noteAnswer()
        if (next.done === true || !isEmpty(next.value)) {
          this.#breakers.read.succeeded()
          return next
        }
        remaining = deadline.remainingMs()
        if (remaining === 0) throw tooLate(storeTimeoutMs, 'read')
      }
    } catch (error) {
      this.#failed('read', NONE, error, longest)
      throw error
    }
  }

  /** A word: why there is no writer. */
  put(entry: Entry, asOf: Position): MaybePromise<BodyWriter | StoreRefusal> {
    const { put, write, commit } = this.#breakers
    if (asOf === UNKNOWN.failed) return 'store-failed'
    if (asOf === UNKNOWN.givenUp) return 'store-given-up'
    if (!put.allows() || !write.allows() || !commit.allows()) return 'store-given-up'
    const options: PutOptions = asOf === undefined ? {} : { asOf }
    const ask = () => mapMaybe(this.#store.put(entry, options), writerOrRefusal)
    return this.#attempt<BodyWriter | StoreRefusal>('put', NO_WRITER, ask, abortLate)
  }

  /** False: the writer failed, and the entry with it. */
  write(writer: BodyWriter, chunk: Uint8Array): MaybePromise<boolean> {
    return this.#attempt('write', FALSE, () => mapMaybe(writer.write(chunk), () => true))
  }

  commit(writer: BodyWriter, entry: Entry): MaybePromise<boolean> {
    return this.#attempt('commit', FALSE, () => mapMaybe(writer.commit(entry), stored => stored === true))
  }

  abort(writer: BodyWriter): MaybePromise<void> {
    return this.#attempt<void>('abort', NONE, () => writer.abort())
  }

  /** `from`: the variant key that it is stored under until now, where it moves. */
  update(entry: Entry, asOf: Position, from?: VariantKey): MaybePromise<boolean> {
    if (!this.isKnown(asOf) || !this.#breakers.update.allows()) return false
    return this.#attempt('update', FALSE, () =>
      this.#store.update(entry, asOf === undefined && from === undefined ? {} : { asOf, from })
    )
  }

  /** Always tried. Until it has succeeded, this process at least does not read the key. */
  delete(key: CacheKey): MaybePromise<boolean> {
    const deletion = this.#attempt('delete', FALSE, () => mapMaybe(this.#store.delete(key), () => true))
    this.#owed.note(key, deletion)
    // Nobody waits for a store that is known to hang.
    return isPromise(deletion) && this.#breakers.delete.isOpen ? false : deletion
  }

  /** Removes one response, if it is still stored. Always tried, as a deletion is: until it has succeeded, the key is not
   * read, and where it fails, the key is deleted before that. */
  remove(entry: Entry): MaybePromise<boolean> {
    const { key } = entry
    if (!this.removesOne) return this.#deleteWith(entry)
    if (this.#owed.hasFailed(key)) return this.delete(key)
    const before = this.#owed.underWay(key)
    const removal = this.#attempt('delete', FALSE, () => mapMaybe(this.#store.remove?.(entry), () => true))
    if (before === undefined && removal === true) return true
    this.#owed.note(key, before === undefined ? removal : bothSucceed(before, removal))
    return isPromise(removal) && this.#breakers.delete.isOpen ? false : removal
  }

  /** Whether the store can remove one response: else its key is deleted, and with it what is on its way. */
  get removesOne(): boolean {
    return this.#store.remove !== undefined
  }

  /** Deletes the key of a response, if that is still stored: another may have come in its place. */
  #deleteWith({ id, key, vary, variantKey }: Entry): MaybePromise<boolean> {
    const variantOf = (names: readonly string[]) => (names.join() === vary.join() ? variantKey : '')
    const held = this.find(key, variantOf, entry => entry.id === id)
    return mapMaybe(held, stored => (stored === undefined ? true : this.delete(key)))
  }

  /** For a caller who is told of the failure, and waits as long as it takes. */
  async purge(key: CacheKey): Promise<void> {
    try {
      await this.#store.delete(key)
      this.#owed.note(key, true)
    } catch (error) {
      this.#owed.note(key, false)
      throw error
    }
  }

  /** The same for what carries a tag; undefined: everything. */
  purgeTagged(tag: string | undefined): Promise<void> {
    return this.#owedPurges.purge(tag)
  }

  /** Settles once the store has done what it was told to until now, or has failed: late answers are waited for as well. */
  settled(): Promise<void> {
    return this.#changes.settled()
  }

  /** The same for those alone that have been given up, which it may do all the same. */
  lateOnesSettled(): Promise<void> {
    return this.#lateChanges.settled()
  }

  /** Reports a fault that is nobody's but the store's. */
  report(error: unknown, operation: StoreOperation): void {
    try {
      const told: unknown = this.#settings.onStoreError(error, operation)
      if (isPromise(told)) void Promise.resolve(told).catch(() => {})
    } catch {
      // A listener's fault is no reason for a request to fail; nor is there anybody left to tell.
    }
  }

  /** What a purge was to remove, and has not, is as good as not there. */
  #readable(lookup: Lookup): Lookup {
    return this.#owedPurges.readable(lookup) ?? NOTHING.failed
  }

  #getAfterDeleting(
    key: CacheKey,
    variantOf: (fieldNames: readonly string[]) => VariantKey,
    deadline: StoreDeadline | undefined
  ): MaybePromise<Lookup> {
    // The time runs from here: what is left when it is deleted is the lookup's.
    deadline?.remainingMs()
    const underWay = this.#owed.underWay(key)
    if (underWay !== undefined && this.#breakers.delete.isOpen) return NOTHING.givenUp
    return mapMaybe(underWay ?? this.delete(key), succeeded => {
      if (succeeded) return this.get(key, variantOf, deadline)
      return (deadline?.remainingMs() ?? Infinity) > 0 ? NOTHING.failed : NOTHING.givenUp
    })
  }

  /** Runs one call of the store. `late` gets a result that came after the deadline; without `deadline`, the call has one of
   * its own. */
  #attempt<T>(
    operation: Call,
    instead: Instead<T>,
    call: () => MaybePromise<T>,
    late?: (result: T) => void,
    deadline?: StoreDeadline
  ): MaybePromise<T> {
    try {
      const result = call()
      if (!isPromise(result)) {
        this.#breakers[operation]?.succeeded()
        return result
      }
      return this.#settle(operation, instead, result, late, deadline)
    } catch (error) {
      return this.#failed(operation, instead, error)
    }
  }

  async #settle<T>(
    operation: Call,
    instead: Instead<T>,
    promise: Promise<T>,
    late: ((result: T) => void) | undefined,
    deadline: StoreDeadline | undefined
  ): Promise<T> {
    const { storeTimeoutMs } = this.#settings
    if (CHANGES.has(operation)) this.#changes.add(promise)
    const remaining = deadline?.remainingMs() ?? storeTimeoutMs
    try {
      const result = await withDeadline(promise, storeTimeoutMs, nameOf(operation), late, remaining)
      deadline?.noteAnswer()
      this.#breakers[operation]?.succeeded()
      return result
    } catch (error) {
      if (isLate(error) && CHANGES.has(operation)) this.#lateChanges.add(promise)
      return this.#failed(operation, instead, error, remaining)
    }
  }

  /** `remaining` is the time that the calls before it have left this one: where there was none, it is no fault of this one;
   * where there was little, none to leave the store alone for. */
  #failed<T>(operation: Call, instead: Instead<T>, error: unknown, remaining = Infinity): T {
    const hadItsTime = !isLate(error) || remaining >= this.#settings.storeTimeoutMs / 2
    if (hadItsTime) this.#breakers[operation]?.failed()
    if (!isLate(error) || remaining > 0) this.report(error, nameOf(operation))
    return isLate(error) ? instead.givenUp : instead.failed
  }
}

async function bothSucceed(a: Promise<boolean>, b: MaybePromise<boolean>): Promise<boolean> {
  const [isDone, isAlsoDone] = await Promise.all([a, b])
  return isDone && isAlsoDone
}

function nothingAsOf(position: Position): Lookup {
  return { stored: [], otherVariants: false, asOf: () => position }
}

function nameOf(operation: Call): StoreOperation {
  return operation === 'asOf' || operation === 'deeper' ? 'get' : operation
}

function isEmpty(piece: unknown): boolean {
  return isUint8Array(piece) && piece.byteLength === 0
}

function releaseLate(body: Body | undefined): void {
  if (body !== undefined && Symbol.asyncIterator in body) release(body[Symbol.asyncIterator]())
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
