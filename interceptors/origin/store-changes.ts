import type { ResponseDecision } from '../../lib/rfc9111/decide-response.ts'
import type { CacheKey, Entry } from '../../lib/rfc9111/types.ts'
import { isPromise, mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { MaybePromise } from '../../stores/store.ts'
import { type ForwardPlan, storedOf } from '../request/forward-plan.ts'
import type { Change } from '../single-flight/flight-registry.ts'
import type { OriginServices } from './origin-services.ts'

/** What one response deletes, removes and updates in the store. Changes come before the client sees the response: a client
 * that asks again right after it must not get what has been replaced. */
export class StoreChanges {
  readonly #services: Pick<OriginServices, 'guard' | 'flights'>
  readonly #plan: ForwardPlan
  /** The response to a POST, which no position guards: its own deletion comes after the request began. */
  #change: Change | undefined
  #unwatch: (() => void) | undefined
  #isOvertaken = false
  /** What is removed once it is known whether the response is stored. */
  #replaced: readonly Entry[] | undefined

  constructor(services: Pick<OriginServices, 'guard' | 'flights'>, plan: ForwardPlan) {
    this.#services = services
    this.#plan = plan
  }

  /** Whether something else has deleted what is stored for the key since `watch()`. */
  get isOvertaken(): boolean {
    return this.#isOvertaken
  }

  /** Watches for deletions of the key that are not this response's own. `onOvertaken` is called in a later turn. */
  watch(key: CacheKey, onOvertaken: () => void): void {
    this.#change = {
      key,
      overtaken: () => {
        this.#isOvertaken = true
        // Not at once: that may resume this connection, which undici does not permit while it parses another's data.
        void Promise.resolve().then(onOvertaken)
      }
    }
    this.#unwatch = this.#services.flights.watch(this.#change)
  }

  delete(key: CacheKey): MaybePromise<boolean> {
    this.#services.flights.overtake(key, this.#change)
    return this.#services.guard.delete(key)
  }

  /** Makes the changes of a decision. `isSeen`: a client waits for the response. Resolves to whether the entry that is to
   * answer is stored. */
  apply(decision: ResponseDecision, isSeen: boolean): MaybePromise<boolean> {
    const { deletes, updates } = decision
    let { removes } = decision
    if (decision.kind === 'store' && !(isSeen && this.#services.guard.removesOne)) {
      // Nobody sees the new response yet, or it would be deleted with the old one: that is served until it is known whether
      // the new one is stored.
      this.#replaced = removes
      removes = []
    }
    if (deletes.length === 0 && updates.length === 0 && removes.length === 0) return false
    const pending: unknown[] = [...deletes.map(key => this.delete(key)), ...removes.map(entry => this.#remove(entry))]
    let isStored: MaybePromise<boolean> = false
    for (const entry of updates) {
      const updated = this.#update(entry)
      if ('answer' in decision && decision.answer.entry === entry) isStored = updated
      else pending.push(updated)
    }
    const promises = pending.filter(isPromise)
    return promises.length === 0 ? isStored : Promise.all(promises).then(() => isStored)
  }

  /** Makes the changes that had to wait until it was known whether the response is stored. May be called again. */
  finish(): void {
    const replaced = this.#replaced
    this.#replaced = undefined
    if (replaced !== undefined) for (const entry of replaced) void this.#remove(entry)
    this.#unwatch?.()
  }

  /** False: it is not stored any more. */
  #update(entry: Entry): MaybePromise<boolean> {
    const { guard } = this.#services
    const held = storedOf(this.#plan, entry)?.entry
    if (held === undefined || held.variantKey === entry.variantKey) return guard.update(entry, this.#plan.asOf)
    return mapMaybe(guard.update(entry, this.#plan.asOf, held.variantKey), moved => {
      // Under its old variant key it would answer requests that it is not for.
      return moved ? true : mapMaybe(guard.remove(held), () => false)
    })
  }

  /** Removes the response under its name in the store, though the entry may have moved since. */
  #remove(entry: Entry): MaybePromise<boolean> {
    return this.#services.guard.remove(storedOf(this.#plan, entry)?.entry ?? entry)
  }
}
