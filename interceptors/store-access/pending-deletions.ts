import type { CacheKey } from '../../lib/rfc9111/types.ts'
import { isPromise } from '../../stores/shared/maybe-promise.ts'
import type { MaybePromise } from '../../stores/store.ts'

const MAX_OWED = 10_000

/** Keys whose deletion is under way, or has failed: not to be read before one has succeeded. Bounded: beyond 10,000 the
 * oldest are forgotten. */
export class OwedDeletions {
  readonly #owed = new Map<CacheKey, Promise<boolean> | 'failed'>()

  has(key: CacheKey): boolean {
    return this.#owed.size > 0 && this.#owed.has(key)
  }

  hasFailed(key: CacheKey): boolean {
    return this.#owed.size > 0 && this.#owed.get(key) === 'failed'
  }

  /** The deletion under way; undefined where the last one has failed. */
  underWay(key: CacheKey): Promise<boolean> | undefined {
    const owed = this.#owed.size > 0 ? this.#owed.get(key) : undefined
    return owed === 'failed' ? undefined : owed
  }

  /** Takes note of a deletion, which tells whether it has succeeded; of several, the last one counts. */
  note(key: CacheKey, deletion: MaybePromise<boolean>): void {
    this.#owed.delete(key)
    if (deletion === true) return
    this.#owed.set(key, isPromise(deletion) ? deletion : 'failed')
    if (isPromise(deletion)) {
      void deletion.then(succeeded => {
        if (this.#owed.get(key) === deletion) this.note(key, succeeded)
      })
    }
    if (this.#owed.size <= MAX_OWED) return
    for (const oldest of this.#owed.keys()) {
      this.#owed.delete(oldest)
      return
    }
  }
}
