import type { CacheKey } from '../../lib/rfc9111/types.ts'
import { isPromise } from '../../stores/shared/maybe-promise.ts'
import type { Guarded, GuardedPromise } from './guarded.ts'

const MAX_PENDING = 10_000

/** The keys whose deletion is under way, or has failed: they are not read before one has succeeded. Beyond 10,000 the oldest
 * are forgotten. */
export class PendingDeletions {
  readonly #pending = new Map<CacheKey, GuardedPromise<boolean> | 'failed'>()

  has(key: CacheKey): boolean {
    return this.#pending.size > 0 && this.#pending.has(key)
  }

  hasFailed(key: CacheKey): boolean {
    return this.#pending.size > 0 && this.#pending.get(key) === 'failed'
  }

  /** Returns the deletion under way; undefined: there is none, or the last one has failed. */
  underWay(key: CacheKey): GuardedPromise<boolean> | undefined {
    const pending = this.#pending.size > 0 ? this.#pending.get(key) : undefined
    return pending === 'failed' ? undefined : pending
  }

  /** Notes a deletion, which answers whether it has succeeded; of several for one key, the last one counts. */
  note(key: CacheKey, deletion: Guarded<boolean>): void {
    this.#pending.delete(key)
    if (deletion === true) return
    this.#pending.set(key, isPromise(deletion) ? deletion : 'failed')
    if (isPromise(deletion)) {
      void deletion.then(succeeded => {
        if (this.#pending.get(key) === deletion) this.note(key, succeeded)
      })
    }
    if (this.#pending.size <= MAX_PENDING) return
    for (const oldest of this.#pending.keys()) {
      this.#pending.delete(oldest)
      return
    }
  }
}
