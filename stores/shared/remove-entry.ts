import type { Entry } from '../../lib/rfc9111/types.ts'
import type { CacheStore, MaybePromise } from '../store.ts'

/** Removes one response from any store: from one that has no way to, with everything else that is stored for its key. */
export function removeEntry(store: CacheStore, entry: Entry): MaybePromise<void> {
  return store.remove === undefined ? store.delete(entry.key) : store.remove(entry)
}
