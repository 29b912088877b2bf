import type { Answer } from '../../lib/rfc9111/answer.ts'
import type { ForwardReason } from '../../lib/rfc9111/decide-request.ts'
import { ageMs, judge } from '../../lib/rfc9111/judgement.ts'
import type { OutcomeName } from '../../lib/rfc9111/reasons.ts'
import type { Entry, Policy } from '../../lib/rfc9111/types.ts'
import type { Reason } from './reasons.ts'

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

/** What the cache did for a request, with what Cache-Status says beyond that. */
export interface Outcome extends CacheInfo {
  readonly forward: ForwardReason | undefined
  readonly forwardStatus: number | undefined
  readonly collapsed: boolean
}

/** The property of an undici context that holds the outcome; the same in every copy of this package. */
export const OUTCOME: unique symbol = Symbol.for('undici-http-cache.outcome') as never

/** Holds the outcome, which is known only once there is a response, for a context and all copies of it. */
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

/** Why a request went to the origin. */
export interface Forwarding {
  readonly forward: ForwardReason
  readonly reason: Reason
}

/** The stored response was served as it is. `collapsed`: after waiting for another request's response. */
export function hitOutcome(answer: Answer, reason: Reason, stale: boolean, collapsed: boolean): Outcome {
  const { ageSeconds, freshForSeconds } = answer
  return outcomeOf({
    fromCache: true,
    outcome: stale ? 'stale' : 'hit',
    ageSeconds,
    freshForSeconds,
    stored: true,
    reason,
    collapsed
  })
}

/** The origin's response was forwarded and is not stored; `reason` says why not. */
export function forwardedOutcome(forwarding: Forwarding, reason: Reason): Outcome {
  const { forward } = forwarding
  if (isBypass(forward)) return outcomeOf({ outcome: 'bypass', reason: forwarding.reason, forward })
  return outcomeOf({ outcome: 'miss', reason, forward })
}

/** The origin's response was forwarded and is being stored. */
export function storedOutcome({ forward, reason }: Forwarding, entry: Entry, policy: Policy): Outcome {
  const judgement = judge(entry, policy)
  const age = ageMs(entry, judgement, entry.responseTimeMs)
  return outcomeOf({
    outcome: isBypass(forward) ? 'bypass' : 'miss',
    ageSeconds: Math.floor(age / 1000),
    freshForSeconds: Math.floor((judgement.lifetime.ms - age) / 1000),
    stored: true,
    reason,
    forward
  })
}

/** A stored part was served, with the rest from the origin. `refusal`: why the whole is not being stored. */
export function completedOutcome(forwarding: Forwarding, answer: Answer, refusal: Reason | undefined): Outcome {
  const { forward } = forwarding
  const { ageSeconds, freshForSeconds } = answer
  const reason = refusal ?? forwarding.reason
  const stored = refusal === undefined
  return outcomeOf({ outcome: 'miss', ageSeconds, freshForSeconds, stored, reason, forward, forwardStatus: 206 })
}

/** The stored response was served after the origin confirmed it. `stored`: whether it is still stored. */
export function validatedOutcome(
  { forward }: Forwarding,
  { ageSeconds, freshForSeconds }: Answer,
  stored: boolean
): Outcome {
  const forwardStatus = 304
  return outcomeOf({
    fromCache: true,
    outcome: 'revalidated',
    ageSeconds,
    freshForSeconds: stored ? freshForSeconds : undefined,
    stored,
    reason: 'validated',
    forward,
    forwardStatus
  })
}

/** The stored response was served because the origin failed. */
export function staleOutcome({ ageSeconds, freshForSeconds }: Answer, reason: Reason): Outcome {
  return outcomeOf({ fromCache: true, outcome: 'stale', ageSeconds, freshForSeconds, stored: true, reason })
}

/** The request was answered with 504: no stored response may be used, and the origin may not be asked, or could not be
 * reached. */
export function unsatisfiableOutcome(reason: Reason): Outcome {
  return outcomeOf({ outcome: 'unsatisfiable', reason })
}

/** Whether the request was forwarded without a lookup. */
export function isBypass(forward: ForwardReason): boolean {
  return forward === 'bypass' || forward === 'method'
}

/** Fills in every property, so that all outcomes have one shape. */
function outcomeOf({
  fromCache = false,
  outcome,
  ageSeconds,
  freshForSeconds,
  stored = false,
  reason,
  forward,
  forwardStatus,
  collapsed = false
}: Partial<Outcome> & Pick<Outcome, 'outcome' | 'reason'>): Outcome {
  return { fromCache, outcome, ageSeconds, freshForSeconds, stored, reason, forward, forwardStatus, collapsed }
}
