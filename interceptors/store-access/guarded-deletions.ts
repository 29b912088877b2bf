import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { isPromise, mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { CacheStore, Lookup, Stored } from '../../stores/store.ts'
import { type Guarded, type GuardedPromise, mapGuarded } from './guarded.ts'
import { PendingDeletions } from './pending-deletions.ts'
import { PendingPurges } from './pending-purges.ts'
import { FALSE, type StoreCalls } from './store-calls.ts'

/** Finds the first of what is stored for a key that `isWanted`. */
type Find = (
  key: CacheKey,
  variantOf: (fieldNames: readonly string[]) => VariantKey,
  isWanted: (entry: Entry) => boolean
) => Guarded<Stored | undefined>

/** Deletes what is stored. Until a deletion has succeeded, this process does not read what it was to delete. */
export class GuardedDeletions {
  readonly #store: CacheStore
  readonly #calls: StoreCalls
  readonly #find: Find
  readonly #pending = new PendingDeletions()
  readonly #purges: PendingPurges

  constructor(store: CacheStore, calls: StoreCalls, find: Find) {
    this.#store = store
    this.#calls = calls
    this.#find = find
    this.#purges = new PendingPurges(store, (error, operation) => calls.report(error, operation))
  }

  /** Whether a deletion of that key is under way, or has failed. */
  isPending(key: CacheKey): boolean {
    return this.#pending.has(key)
  }

  /** Waits for the deletion that is pending, or tries it again. False: it has failed; undefined: it is not waited for. */
  finish(key: CacheKey): Guarded<boolean> | undefined {
    const underWay = this.#pending.underWay(key)
    if (underWay === undefined) return this.delete(key)
    return this.#calls.breakers.delete.isOpen ? undefined : underWay
  }

  /** Leaves out of a lookup what a purge has not been able to remove; undefined: nothing may be read of it. */
  readable(lookup: Lookup): Lookup | undefined {
    return this.#purges.readable(lookup)
  }

  /** Deletes a key. Tried even while the circuit breaker is open. */
  delete(key: CacheKey): Guarded<boolean> {
    const deletion = this.#calls.run('delete', FALSE, () => mapMaybe(this.#store.delete(key), () => true))
    this.#pending.note(key, deletion)
    // Nobody waits for a store that is known to hang.
    return isPromise(deletion) && this.#calls.breakers.delete.isOpen ? false : deletion
  }

  /** Removes one response, if it is still stored. Tried even while the circuit breaker is open. Where it fails, the key is
   * deleted before it is read again. */
  remove(entry: Entry): Guarded<boolean> {
    const { key } = entry
    if (!this.removesOne) return this.#deleteWith(entry)
    if (this.#pending.hasFailed(key)) return this.delete(key)
    const before = this.#pending.underWay(key)
    const removal = this.#calls.run('delete', FALSE, () => mapMaybe(this.#store.remove?.(entry), () => true))
    if (before === undefined && removal === true) return true
    this.#pending.note(key, before === undefined ? removal : bothSucceed(before, removal))
    return isPromise(removal) && this.#calls.breakers.delete.isOpen ? false : removal
  }

  /** Whether the store can remove one response: else its key is deleted, and with it what is being stored for that. */
  get removesOne(): boolean {
    return this.#store.remove !== undefined
  }

  /** Deletes a key for a caller who waits as long as it takes. Rejects with the store's error. */
  async purge(key: CacheKey): Promise<void> {
    try {
      await this.#store.delete(key)
      this.#pending.note(key, true)
    } catch (error) {
      this.#pending.note(key, false)
      throw error
    }
  }

  /** The same for what carries a tag. */
  purgeTag(tag: string): Promise<void> {
    return this.#purges.purge(tag)
  }

  /** The same for everything. */
  purgeAll(): Promise<void> {
    return this.#purges.purge(undefined)
  }

  /** Deletes the key of a response, if that is still stored: another may have come in its place. */
  #deleteWith({ id, key, vary, variantKey }: Entry): Guarded<boolean> {
    const variantOf = (names: readonly string[]) => (names.join() === vary.join() ? variantKey : '')
    const held = this.#find(key, variantOf, entry => entry.id === id)
    return mapGuarded(held, stored => (stored === undefined ? true : this.delete(key)))
  }
}

function bothSucceed(a: GuardedPromise<boolean>, b: Guarded<boolean>): Guarded<boolean> {
  return mapGuarded(a, isDone => mapGuarded(b, isAlsoDone => isDone && isAlsoDone))
}
