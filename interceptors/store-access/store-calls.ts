import { isPromise } from '../../stores/shared/maybe-promise.ts'
import type { MaybePromise } from '../../stores/store.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import type { Guarded, GuardedPromise } from './guarded.ts'
import { PendingWrites } from './pending-writes.ts'
import { isLate, StoreDeadline, withDeadline } from './store-deadline.ts'

/** Where a store's fault happened: a method of the contract, or reading a body. */
export type StoreOperation =
  | 'get'
  | 'open'
  | 'read'
  | 'put'
  | 'write'
  | 'commit'
  | 'abort'
  | 'update'
  | 'lease'
  | 'delete'
  | 'clear'
  | 'close'

/** The options of the cache that its store is called by. */
export interface StoreCallSettings {
  readonly storeTimeoutMs: number
  readonly onStoreError: (error: unknown, operation: StoreOperation) => void
}

/** What a caller gets in place of the answer of a store that has failed, and of one that is not waited for any longer. */
export interface Fallback<T> {
  readonly failed: T
  readonly givenUp: T
}

export const NONE: Fallback<undefined> = { failed: undefined, givenUp: undefined }
export const FALSE: Fallback<boolean> = { failed: false, givenUp: false }

/** What is called of a store; faults of asOf and deeper, which belong to a lookup, are reported as 'get'. */
export type StoreCall = StoreOperation | 'asOf' | 'deeper'
type GatedCall = Exclude<StoreCall, 'abort' | 'clear' | 'close'>

/** Calls that change what is stored. One that is late may do so all the same. */
const CHANGES: ReadonlySet<StoreCall> = new Set(['commit', 'abort', 'update', 'delete', 'lease'])

/** Calls a store so that it cannot harm a request: each call has a deadline, each method a circuit breaker, each fault is
 * reported once, and the caller gets a fallback. */
export class StoreCalls {
  readonly #settings: StoreCallSettings
  /** One for each method, since a store whose lookups work may hang at bodies. A method is not called unless its breaker
   * `allows()` it. */
  readonly breakers: { readonly [call in StoreCall]?: CircuitBreaker } & Record<GatedCall, CircuitBreaker> = {
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
  readonly #changes = new PendingWrites()
  /** Those that take longer than anybody has waited for them. */
  readonly #lateChanges = new PendingWrites()

  constructor(settings: StoreCallSettings) {
    this.#settings = settings
  }

  get timeoutMs(): number {
    return this.#settings.storeTimeoutMs
  }

  /** The time that a new request gives the store. */
  newDeadline(): StoreDeadline {
    return new StoreDeadline(this.#settings.storeTimeoutMs)
  }

  /** Runs one call. `onLate` gets a result that came after the deadline; without `deadline`, the call has one of its own. */
  run<T>(
    call: StoreCall,
    fallback: Fallback<T>,
    action: () => MaybePromise<T>,
    onLate?: (result: T) => void,
    deadline?: StoreDeadline
  ): Guarded<T> {
    try {
      const result = action()
      if (isPromise(result)) return this.#settle(call, fallback, result, onLate, deadline) as GuardedPromise<T>
      this.breakers[call]?.succeeded()
      return result
    } catch (error) {
      return this.failed(call, fallback, error)
    }
  }

  /** Notes and reports that a call has failed. `remainingMs` is the time that the calls before it had left to it: without any,
   * the fault is not its own; with little, it is not held against the method. */
  failed<T>(call: StoreCall, fallback: Fallback<T>, error: unknown, remainingMs = Infinity): T {
    const hadItsTime = !isLate(error) || remainingMs >= this.#settings.storeTimeoutMs / 2
    if (hadItsTime) this.breakers[call]?.failed()
    if (!isLate(error) || remainingMs > 0) this.report(error, nameOf(call))
    return isLate(error) ? fallback.givenUp : fallback.failed
  }

  /** Reports a fault of the store. Never throws. */
  report(error: unknown, operation: StoreOperation): void {
    try {
      const told: unknown = this.#settings.onStoreError(error, operation)
      if (isPromise(told)) void Promise.resolve(told).catch(() => {})
    } catch {
      // A fault of the listener must not fail a request, and there is nobody left to report it to.
    }
  }

  /** Settles once the store has made the changes that it was told to until now, or has failed: those that are late are waited
   * for as well. */
  settled(): Promise<void> {
    return this.#changes.settled()
  }

  /** The same for late ones alone. */
  lateOnesSettled(): Promise<void> {
    return this.#lateChanges.settled()
  }

  /** Never rejects. */
  async #settle<T>(
    call: StoreCall,
    fallback: Fallback<T>,
    promise: Promise<T>,
    onLate: ((result: T) => void) | undefined,
    deadline: StoreDeadline | undefined
  ): Promise<T> {
    const { storeTimeoutMs } = this.#settings
    if (CHANGES.has(call)) this.#changes.add(promise)
    const remainingMs = deadline?.remainingMs() ?? storeTimeoutMs
    try {
      const result = await withDeadline(promise, storeTimeoutMs, nameOf(call), onLate, remainingMs)
      deadline?.noteAnswer()
      this.breakers[call]?.succeeded()
      return result
    } catch (error) {
      if (isLate(error) && CHANGES.has(call)) this.#lateChanges.add(promise)
      return this.failed(call, fallback, error, remainingMs)
    }
  }
}

function nameOf(call: StoreCall): StoreOperation {
  return call === 'asOf' || call === 'deeper' ? 'get' : call
}
