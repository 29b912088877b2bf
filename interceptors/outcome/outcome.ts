import type { CacheStatus } from '../../lib/rfc9111/cache-status.ts'
import type { ForwardReason } from '../../lib/rfc9111/decide-request.ts'
import type { OutcomeName } from '../../lib/rfc9111/reasons.ts'
import { REASONS, type Reason } from './reasons.ts'

/** What the cache did for a request. */
export interface CacheInfo {
  /** The body came from the store, a revalidated one included. */
  readonly fromCache: boolean
  readonly outcome: OutcomeName
  /** The response's age, whole seconds; undefined where the cache did not have to know. RFC 9111 §4.2.3 */
  readonly ageSeconds: number | undefined
  /** Whole seconds until it goes stale, negative once it is, Infinity for never; undefined where it is not stored. */
  readonly freshForSeconds: number | undefined
  /** The response is stored, or will be once it is complete. */
  readonly stored: boolean
  /** Why, such as 'fresh', 'uri-miss' or 'no-store': a key of REASONS. */
  readonly reason: Reason
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
  const hit = outcome.fromCache && forward === undefined
  // That it is fresh, or collapsed, is said already.
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
    // Another version of this cache may have written a word that is not in the table: it is passed on.
    reason: (detail ?? (collapsed ? 'collapsed' : (forward ?? 'fresh'))) as Reason
  }
}

function outcomeOfForward({ forward, forwardStatus, detail }: CacheStatus): CacheInfo['outcome'] {
  if (forward === undefined || standsFor(detail, 'unsatisfiable')) return 'unsatisfiable'
  if (forwardStatus === 304 && standsFor(detail, 'revalidated')) return 'revalidated'
  return forward === 'bypass' || forward === 'method' ? 'bypass' : 'miss'
}

/** Whether nothing but that outcome is explained by that word. */
function standsFor(word: string | undefined, outcome: OutcomeName): boolean {
  if (word === undefined || !Object.hasOwn(REASONS, word)) return false
  return REASONS[word as Reason].outcomes.every(each => each === outcome)
}
