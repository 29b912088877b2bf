import { formatCacheName, formatCacheStatus } from '../../lib/rfc9111/cache-status.ts'
import { cacheStatusOf, type Outcome } from './outcome.ts'

/** Formats the member of Cache-Status that this cache adds; undefined: it adds none. RFC 9211 */
export type StatusOf = (outcome: Outcome) => string | undefined

/** `cacheName` is how the cache calls itself; undefined: it adds no member. */
export function statusField(cacheName: string | undefined): StatusOf {
  if (cacheName === undefined) return () => undefined
  const name = formatCacheName(cacheName)
  return outcome => formatCacheStatus(name, cacheStatusOf(outcome))
}
