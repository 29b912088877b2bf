import { correctedInitialAgeMs, currentAgeMs } from './age.ts'
import type { ResponseDirectives } from './directives.ts'
import { fieldsOf } from './fields.ts'
import { type FreshnessLifetime, freshnessLifetime } from './freshness.ts'
import { effectiveDirectives } from './targeted.ts'
import type { Fields, Policy, Response } from './types.ts'

/** What a response means under a policy: all that does not change with time. */
export interface Judgement {
  readonly policy: Policy
  readonly fields: Fields
  readonly directives: ResponseDirectives
  readonly lifetime: FreshnessLifetime
  readonly correctedInitialAgeMs: number
}

const judgements = new WeakMap<Response, Judgement>()

/** Computed once for a response and the policy it was last judged by. */
export function judge(response: Response, policy: Policy): Judgement {
  const known = judgements.get(response)
  if (known !== undefined && known.policy === policy) return known
  const fields = fieldsOf(response.lines)
  const directives = effectiveDirectives(fields, policy)
  const judgement = {
    policy,
    fields,
    directives,
    lifetime: freshnessLifetime(response, directives, policy),
    correctedInitialAgeMs: correctedInitialAgeMs(response)
  }
  judgements.set(response, judgement)
  return judgement
}

/** §4.2.3, in milliseconds. */
export function ageMs(response: Response, judgement: Judgement, nowMs: number): number {
  return currentAgeMs(judgement.correctedInitialAgeMs, response.responseTimeMs, nowMs)
}
