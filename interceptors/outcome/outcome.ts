import type { CacheStatus } from '../../lib/rfc9111/cache-status.ts'
import type { ForwardReason } from '../../lib/rfc9111/decide-request.ts'

/** What the cache did for a request. */
export interface CacheInfo {
  /** The body came from the store, a revalidated one included. */
  readonly fromCache: boolean
  readonly outcome: 'hit' | 'stale' | 'revalidated' | 'miss' | 'bypass' | 'unsatisfiable'
  /** The response's age, whole seconds; undefined where the cache did not have to know. RFC 9111 §4.2.3 */
  readonly ageSeconds: number | undefined
  /** Whole seconds until it goes stale, negative once it is, Infinity for never; undefined where it is not stored. */
  readonly freshForSeconds: number | undefined
  /** The response is stored, or will be once it is complete. */
  readonly stored: boolean
  /** Why: a short hyphenated word, such as 'fresh', 'uri-miss', 'no-store'. */
  readonly reason: string
}

/** All that Cache-Status and CacheInfo are made from. */
export interface Outcome extends CacheInfo {
  readonly forward: ForwardReason | undefined
  readonly forwardStatus: number | undefined
  readonly collapsed: boolean
}

/** Where an undici context keeps its Outcome; the same in every copy of this package. */
export const OUTCOME: unique symbol = Symbol.for('undici-http-cache.outcome') as never

/** A place for the outcome that survives copies of the context: it is known only once the response is. */
export interface OutcomeHolder {
  outcome: Outcome | undefined
}

/** What undici hands to the user as `context`. */
export interface CacheContext {
  /** Whether the body came from the store. */
  fromCache: boolean
  [OUTCOME]: OutcomeHolder
  [name: string]: unknown
}

/** In the words of RFC 9211. */
export function cacheStatusOf(outcome: Outcome): CacheStatus {
  const { forward, forwardStatus, collapsed, stored, freshForSeconds, reason } = outcome
  const hit = outcome.outcome === 'hit' || outcome.outcome === 'stale'
  const saysMore = reason !== 'fresh' && reason !== forward && reason !== 'collapsed'
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

/** The way back from a Cache-Status field: what fetch's Response has kept of the outcome. */
export function infoOf(status: CacheStatus, ageSeconds: number | undefined): CacheInfo {
  const { hit, forward, forwardStatus, ttlSeconds, detail, collapsed } = status
  // Only what is fresh is a hit without more words.
  const outcome = hit ? (detail === undefined ? 'hit' : 'stale') : outcomeOfForward(status)
  return {
    fromCache: hit || outcome === 'revalidated',
    outcome,
    ageSeconds,
    freshForSeconds: ttlSeconds,
    stored: hit || status.stored || (forwardStatus === 304 && outcome === 'revalidated'),
    reason: detail ?? (collapsed ? 'collapsed' : (forward ?? 'fresh'))
  }
}

function outcomeOfForward({ forward, forwardStatus, detail }: CacheStatus): CacheInfo['outcome'] {
  if (detail === 'only-if-cached' || forward === undefined) return 'unsatisfiable'
  if (detail === 'validated' && forwardStatus === 304) return 'revalidated'
  return forward === 'bypass' || forward === 'method' ? 'bypass' : 'miss'
}
