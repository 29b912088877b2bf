import { dateValueMs } from './age.ts'
import { type Answer, answerFrom } from './answer.ts'
import { type Completion, completionOf, suffices } from './completion.ts'
import { type RequestDirectives, requestDirectives } from './directives.ts'
import { ageMs, type Judgement, judge } from './judgement.ts'
import { isSafe } from './methods.ts'
import { forWhole, hasOriginConditions, isNotModified } from './preconditions.ts'
import type { RuleReason } from './reasons.ts'
import { isPartial } from './segments.ts'
import { acceptsStale, staleWhileRevalidateSeconds } from './staleness.ts'
import type { Entry, Policy, Request, Section } from './types.ts'
import { type Revalidation, revalidationOf } from './validation.ts'

/** Why a request goes to the origin, in the words of RFC 9211 §2.2. */
export type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial'

interface Grounds {
  readonly reason: RuleReason
  readonly section: Section
}

/** What to do with a request, whatever is stored. */
export type UnstoredDecision = Grounds &
  (
    | { readonly kind: 'bypass'; readonly forward: ForwardReason }
    | { readonly kind: 'write-through'; readonly forward: 'method' }
    | { readonly kind: 'unsatisfiable' }
  )

/** What to do with a request, given what is stored for it. */
export type StoredDecision = Grounds &
  (
    | { readonly kind: 'hit'; readonly answer: Answer; readonly stale: boolean }
    | { readonly kind: 'stale-while-revalidate'; readonly answer: Answer; readonly revalidation: Revalidation }
    | { readonly kind: 'revalidate'; readonly forward: ForwardReason; readonly revalidation: Revalidation }
    | { readonly kind: 'complete'; readonly forward: 'partial'; readonly completion: Completion }
    | { readonly kind: 'miss'; readonly forward: ForwardReason }
    | { readonly kind: 'unsatisfiable' }
  )

export type RequestDecision = UnstoredDecision | StoredDecision

/** What a store holds for the request, as the engine needs it. */
export interface Candidates {
  readonly stored: readonly { readonly entry: Entry }[]
  /** Whether other requests' variants are stored under the same key. */
  readonly otherVariants: boolean
}

/** What is decided without looking into the store; undefined where what is stored matters. */
export function decideUnstored(request: Request, policy: Policy): UnstoredDecision | undefined {
  if (!isSafe(request.method)) {
    return { kind: 'write-through', forward: 'method', reason: 'unsafe-method', section: '§4.4' }
  }
  if (!policy.methods.has(request.method)) {
    return { kind: 'bypass', forward: 'method', reason: 'method', section: '§3' }
  }
  const grounds = groundsToBypass(request, policy)
  if (grounds === undefined) return undefined
  return requestDirectives(request.fields).onlyIfCached
    ? ONLY_IF_CACHED
    : { kind: 'bypass', forward: 'bypass', ...grounds }
}

function groundsToBypass({ fields }: Request, policy: Policy): Grounds | undefined {
  if (hasOriginConditions(fields)) return { reason: 'precondition', section: '§4.3.2' }
  if (fields['cache-control'] !== undefined && !policy.alwaysCache && requestDirectives(fields).noStore) {
    return { reason: 'request-no-store', section: '§5.2.1.5' }
  }
  return undefined
}

/** §4, from top to bottom: what to do with a request for which `candidates` are stored. */
export function decideRequest(request: Request, candidates: Candidates, policy: Policy, nowMs: number): StoredDecision {
  const directives = requestDirectives(request.fields)
  const usable = usableEntries(request, candidates)
  const entry = usable[0]
  if (entry === undefined) return missOrCompletion(request, candidates, directives, policy, nowMs)

  const judgement = judge(entry, policy)
  const age = ageMs(entry, judgement, nowMs)
  const staleForMs = age - judgement.lifetime.ms
  const demand = demandOf(directives, judgement, age)
  const isDatable = !isFromTheFuture(entry, nowMs)

  if (demand === undefined && staleForMs < 0 && isDatable && !judgement.directives.noCache) {
    const answer = answerFrom(entry, request, policy, nowMs)
    return { kind: 'hit', answer, stale: false, reason: 'fresh', section: '§4.2' }
  }
  if (demand === undefined && staleForMs >= 0 && isDatable) {
    const permitted = permitStale(request, entry, judgement, directives, policy, nowMs, staleForMs)
    if (permitted !== undefined) return permitted
  }
  if (directives.onlyIfCached) return ONLY_IF_CACHED

  const revalidation = revalidationOf(request, usable)
  if (demand !== undefined) return { kind: 'revalidate', forward: 'request', revalidation, ...demand }
  const grounds = staleForMs < 0 && isDatable ? NO_CACHE : STALE
  return { kind: 'revalidate', forward: 'stale', revalidation, ...grounds }
}

const ONLY_IF_CACHED = { kind: 'unsatisfiable', reason: 'only-if-cached', section: '§5.2.1.7' } as const
const STALE: Grounds = { reason: 'stale', section: '§4.2' }
const NO_CACHE: Grounds = { reason: 'no-cache', section: '§5.2.2.4' }

/** By so much the clocks of processes that share a store may differ. */
const CLOCK_TOLERANCE_MS = 1000

/** Whether it arrived, by the clock, later than now: the clock was set back, and how old the response is cannot be told. It
 * counts as stale, by an unknown time. §4.2.3 */
function isFromTheFuture({ responseTimeMs }: Entry, nowMs: number): boolean {
  return responseTimeMs - nowMs > CLOCK_TOLERANCE_MS
}

/** Those that can answer the method and have what is wanted, the most recent first, "as determined by the Date header field". §4 */
function usableEntries(request: Request, { stored }: Candidates): readonly Entry[] {
  const usable: Entry[] = []
  for (const { entry } of stored) {
    if (entry.method !== 'GET' && request.method !== 'HEAD') continue
    if (!isPartial(entry) || suffices(request, entry, isNotModified(request, entry))) usable.push(entry)
  }
  if (usable.length > 1) {
    usable.sort((a, b) => dateValueMs(b) - dateValueMs(a) || b.responseTimeMs - a.responseTimeMs)
  }
  return usable
}

/** Nothing stored is enough by itself. */
function missOrCompletion(
  request: Request,
  candidates: Candidates,
  directives: RequestDirectives,
  policy: Policy,
  nowMs: number
): StoredDecision {
  if (directives.onlyIfCached) return ONLY_IF_CACHED
  const parts = candidates.stored.map(({ entry }) => entry).filter(isPartial)
  if (parts.length === 0) return miss(candidates)
  const grounds = { forward: 'partial', reason: 'partial' } as const
  for (const part of parts) {
    const judgement = judge(part, policy)
    const age = ageMs(part, judgement, nowMs)
    if (age >= judgement.lifetime.ms || judgement.directives.noCache || isFromTheFuture(part, nowMs)) continue
    const completion = demandOf(directives, judgement, age) === undefined ? completionOf(request, part) : undefined
    if (completion !== undefined) return { kind: 'complete', completion, ...grounds, section: '§3.4' }
  }
  return { kind: 'miss', ...grounds, section: '§3.3' }
}

function miss({ stored, otherVariants }: Candidates): StoredDecision {
  if (stored.length > 0) return { kind: 'miss', forward: 'miss', reason: 'head-only', section: '§4' }
  return otherVariants
    ? { kind: 'miss', forward: 'vary-miss', reason: 'vary-miss', section: '§4.1' }
    : { kind: 'miss', forward: 'uri-miss', reason: 'uri-miss', section: '§2' }
}

/** What the request asks for beyond freshness, and the entry does not meet. What max-stale permits is staleness, not an
 * age beyond max-age. §5.2.1 */
function demandOf(directives: RequestDirectives, judgement: Judgement, age: number): Grounds | undefined {
  if (directives.noCache) return { reason: 'request-no-cache', section: '§5.2.1.4' }
  const { maxAge, minFresh } = directives
  if (maxAge !== undefined && exceeds(age, maxAge) && !isImmutableReload(maxAge, judgement, age)) {
    return { reason: 'request-max-age', section: '§5.2.1.1' }
  }
  if (minFresh !== undefined && judgement.lifetime.ms - age < minFresh * 1000) {
    return { reason: 'request-min-fresh', section: '§5.2.1.3' }
  }
  return undefined
}

/** Stricter than §5.2.1.1: an age of 0 does not meet `max-age=0`, by which fetch and browsers ask for a validation. */
function exceeds(age: number, maxAge: number): boolean {
  return maxAge === 0 || age > maxAge * 1000
}

/** RFC 8246 §2: a reload does not validate what is immutable as long as it is fresh. */
function isImmutableReload(maxAge: number, { directives, lifetime }: Judgement, age: number): boolean {
  return maxAge === 0 && directives.immutable && age < lifetime.ms
}

/** §4.2.4 */
function permitStale(
  request: Request,
  entry: Entry,
  judgement: Judgement,
  directives: RequestDirectives,
  policy: Policy,
  nowMs: number,
  staleForMs: number
): StoredDecision | undefined {
  if (acceptsStale(directives, staleForMs, judgement, policy)) {
    const answer = answerFrom(entry, request, policy, nowMs)
    return { kind: 'hit', answer, stale: true, reason: 'max-stale', section: '§5.2.1.2' }
  }
  // §5.2.1.1, §5.2.1.2: a request with max-age wishes for nothing stale, one with max-stale for nothing staler than that.
  const { maxAge, maxStale } = directives
  if (maxStale === undefined ? maxAge !== undefined : staleForMs > maxStale * 1000) return undefined
  if (staleForMs >= staleWhileRevalidateSeconds(judgement, policy) * 1000) return undefined
  const answer = answerFrom(entry, request, policy, nowMs)
  const grounds: Grounds = { reason: 'stale-while-revalidate', section: 'RFC 5861 §3' }
  if (directives.onlyIfCached) return { kind: 'hit', answer, stale: true, ...grounds }
  return {
    kind: 'stale-while-revalidate',
    answer,
    revalidation: revalidationOf(forWhole(request), [entry]),
    ...grounds
  }
}
