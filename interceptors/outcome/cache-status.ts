import { type CacheStatus, formatCacheName, formatCacheStatus } from '../../lib/rfc9111/cache-status.ts'
import type { OutcomeName } from '../../lib/rfc9111/reasons.ts'
import { type CacheInfo, isBypass, type Outcome } from './outcome.ts'
import { REASONS, type Reason } from './reasons.ts'

/** Formats the member of Cache-Status that this cache adds; undefined: it adds none. RFC 9211 */
export type StatusOf = (outcome: Outcome) => string | undefined

/** `cacheName` is how the cache calls itself; undefined: it adds no member. */
export function statusField(cacheName: string | undefined): StatusOf {
  if (cacheName === undefined) return () => undefined
  const name = formatCacheName(cacheName)
  return outcome => formatCacheStatus(name, cacheStatusOf(outcome))
}

/** Says an outcome in the words of RFC 9211. */
function cacheStatusOf(outcome: Outcome): CacheStatus {
  const { forward, forwardStatus, collapsed, stored, freshForSeconds, reason } = outcome
  const hit = outcome.fromCache && forward === undefined
  // A plain hit is explained by `hit` and `collapsed`.
  const saysMore = outcome.outcome !== 'hit' && reason !== forward
  return {
    hit,
    forward: hit ? undefined : forward,
    forwardStatus: hit ? undefined : forwardStatus,
    ttlSeconds: freshForSeconds,
    stored: !hit && stored,
    collapsed,
    detail: saysMore ? reason : undefined
  }
}

/** Reads an outcome back from a Cache-Status field: a fetch Response has kept nothing else of it. */
export function infoOf(status: CacheStatus, ageSeconds: number | undefined): CacheInfo {
  const { hit, forward, forwardStatus, ttlSeconds, detail, collapsed } = status
  // Only a plain hit has no detail.
  const outcome = hit ? (detail === undefined ? 'hit' : 'stale') : outcomeOfForward(status)
  return {
    fromCache: hit || outcome === 'revalidated',
    outcome,
    ageSeconds,
    freshForSeconds: ttlSeconds,
    stored: hit || status.stored || (forwardStatus === 304 && outcome === 'revalidated'),
    // A word that another version of this package has written may not be in the table: it is passed on.
    reason: (detail ?? (collapsed ? 'collapsed' : (forward ?? 'fresh'))) as Reason
  }
}

function outcomeOfForward({ forward, forwardStatus, detail }: CacheStatus): OutcomeName {
  if (forward === undefined || standsFor(detail, 'unsatisfiable')) return 'unsatisfiable'
  if (forwardStatus === 304 && standsFor(detail, 'revalidated')) return 'revalidated'
  return isBypass(forward) ? 'bypass' : 'miss'
}

/** Whether the word is a reason for that outcome alone. */
function standsFor(word: string | undefined, outcome: OutcomeName): boolean {
  if (word === undefined || !Object.hasOwn(REASONS, word)) return false
  return REASONS[word as Reason].outcomes.every(each => each === outcome)
}
