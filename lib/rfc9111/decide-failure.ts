import { type Answer, answerFrom } from './answer.ts'
import { requestDirectives } from './directives.ts'
import { ageMs, judge } from './judgement.ts'
import type { RuleReason } from './reasons.ts'
import { forbidsStale, staleIfErrorSeconds } from './staleness.ts'
import type { Policy, Request, Section } from './types.ts'
import type { Revalidation } from './validation.ts'

/** What to do when no response came. */
export type FailureDecision = { readonly reason: RuleReason; readonly section: Section } & (
  | { readonly kind: 'error' }
  | { readonly kind: 'serve-stale'; readonly answer: Answer }
  | { readonly kind: 'gateway-timeout' }
)

/** What the client gets when the origin could not be reached at `nowMs`. §4.2.4, RFC 5861 §4 */
export function decideFailure(
  request: Request,
  revalidation: Revalidation,
  policy: Policy,
  nowMs: number
): FailureDecision {
  const stale = staleIfError(request, revalidation, policy, nowMs)
  if (stale !== undefined) return stale
  const entry = revalidation.candidates[0]
  if (policy.whenDisconnected === 'error' || entry === undefined) {
    return { kind: 'error', reason: 'disconnected', section: '§4.2.4' }
  }
  const grounds = { reason: 'disconnected', section: '§4.2.4' } as const
  if (forbidsStale(judge(entry, policy), policy) || demandsValidation(request)) {
    return { kind: 'gateway-timeout', ...grounds, section: '§5.2.2.2' }
  }
  return { kind: 'serve-stale', answer: answerFrom(entry, request, policy, nowMs), ...grounds }
}

/** RFC 5861 §4: not for a request that asked for validation in so many words, and did not say what in case of an error. */
export function staleIfError(request: Request, { candidates }: Revalidation, policy: Policy, nowMs: number) {
  const entry = candidates[0]
  const directives = requestDirectives(request.fields)
  if (entry === undefined) return undefined
  if (directives.noCache || (directives.maxAge !== undefined && directives.staleIfError === undefined)) return undefined
  const judgement = judge(entry, policy)
  const staleForMs = ageMs(entry, judgement, nowMs) - judgement.lifetime.ms
  const window = staleIfErrorSeconds(judgement, policy, directives)
  if (window === 0 || staleForMs > window * 1000) return undefined
  const answer = answerFrom(entry, request, policy, nowMs)
  return { kind: 'serve-stale', answer, reason: 'stale-if-error', section: 'RFC 5861 §4' } as const
}

function demandsValidation(request: Request): boolean {
  const { noCache, maxAge } = requestDirectives(request.fields)
  return noCache || maxAge !== undefined
}
