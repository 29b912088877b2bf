import { optionError } from '../../lib/errors.ts'
import type { CacheStore } from '../store.ts'

const DEFAULT_MS = 250
/** No store has a request wait for longer, unless the option says so. */
const MAX_MS = 2000

/** How long a store is waited for where no option says it: as it suggests, at most 2,000; 250 where it suggests nothing.
 * Milliseconds. Throws a TypeError with ERR_CACHE_OPTION for a suggestion that is no number > 0. */
export function suggestedTimeoutMs({ suggestedTimeoutMs: suggested }: CacheStore): number {
  if (suggested === undefined) return DEFAULT_MS
  if (typeof suggested === 'number' && suggested > 0 && suggested < Infinity) return Math.min(suggested, MAX_MS)
  throw optionError('store.suggestedTimeoutMs', 'a number > 0, or undefined', suggested)
}

/** That of the slowest of several; undefined where none suggests anything. */
export function longestTimeoutMs(stores: readonly CacheStore[]): number | undefined {
  if (stores.every(store => store.suggestedTimeoutMs === undefined)) return undefined
  return Math.max(...stores.map(suggestedTimeoutMs))
}
