import type { Answer } from '../../lib/rfc9111/answer.ts'
import type { ForwardReason } from '../../lib/rfc9111/decide-request.ts'
import { ageMs, judge } from '../../lib/rfc9111/judgement.ts'
import type { Entry, Policy } from '../../lib/rfc9111/types.ts'
import type { Outcome } from './outcome.ts'
import type { Reason } from './reasons.ts'

/** Why a request went to the origin. */
export interface Forwarding {
  readonly forward: ForwardReason
  readonly reason: Reason
}

/** Served from the store as it is. `collapsed`: after waiting for another request's response. */
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

/** The origin's response, not stored, and why not. */
export function forwardedOutcome(forwarding: Forwarding, reason: Reason): Outcome {
  const { forward } = forwarding
  if (isBypass(forward)) return outcomeOf({ outcome: 'bypass', reason: forwarding.reason, forward })
  return outcomeOf({ outcome: 'miss', reason, forward })
}

/** The origin's response, on its way into the store. */
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

/** What was stored in part, with the rest that has come. `refusal`: why all of it is not going to be stored. */
export function completedOutcome(forwarding: Forwarding, answer: Answer, refusal: Reason | undefined): Outcome {
  const { forward } = forwarding
  const { ageSeconds, freshForSeconds } = answer
  const reason = refusal ?? forwarding.reason
  const stored = refusal === undefined
  return outcomeOf({ outcome: 'miss', ageSeconds, freshForSeconds, stored, reason, forward, forwardStatus: 206 })
}

/** Served from the store after the origin has confirmed it. `stored`: whether it is still stored after that. */
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

/** Served from the store because the origin failed. */
export function staleOutcome({ ageSeconds, freshForSeconds }: Answer, reason: Reason): Outcome {
  return outcomeOf({ fromCache: true, outcome: 'stale', ageSeconds, freshForSeconds, stored: true, reason })
}

/** Answered with 504: nothing stored may be used, and the origin may not be asked or cannot be reached. */
export function unsatisfiableOutcome(reason: Reason): Outcome {
  return outcomeOf({ outcome: 'unsatisfiable', reason })
}

function isBypass(forward: ForwardReason): boolean {
  return forward === 'bypass' || forward === 'method'
}

/** All properties, those left out undefined or false: outcomes have one shape. */
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
