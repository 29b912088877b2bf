import { type Answer, answerFrom } from './answer.ts'
import type { Completion } from './completion.ts'
import { staleIfError } from './decide-failure.ts'
import { freshen, isKept, isKeptInPlace, makeEntry } from './entry.ts'
import { fieldsOf } from './fields.ts'
import { agreesWithHead } from './head.ts'
import { describesItsTarget, invalidatedKeys } from './invalidation.ts'
import { judge } from './judgement.ts'
import { isSafe } from './methods.ts'
import {
  asksForOneRange,
  isOfSameVersion,
  isWorthCopying,
  type Part,
  partOf,
  type Union,
  unionOf,
  withRange
} from './parts.ts'
import { confirmsClient } from './preconditions.ts'
import type { InnerReason, RuleReason } from './reasons.ts'
import { refusalToStore } from './storability.ts'
import type { CacheKey, Entry, EntryId, Policy, Request, Response, Section } from './types.ts'
import { confirmedBy, type Revalidation } from './validation.ts'
import { entityTag, isStrong } from './validators.ts'

/** A request and what came back for it. */
export interface Exchange {
  readonly request: Request
  readonly response: Response
  /** What was sent with the request and could still answer it. */
  readonly revalidation: Revalidation
  /** All that is stored and the request can select; nothing by default. */
  readonly stored?: readonly Entry[]
  /** The same with what cannot be used, as its body is gone; `stored` by default. */
  readonly found?: readonly Entry[] | undefined
  /** What the request was sent for, if for the rest of a stored part. */
  readonly completion?: Completion | undefined
  /** Names the entry that may come of it. */
  readonly entryId: EntryId
}

/** What to do with a response: `kind` is what the client sees, the others what the store sees. */
export type ResponseDecision = {
  readonly updates: readonly Entry[]
  /** Stored responses that this one has taken the place of, or that may not stay. */
  readonly removes: readonly Entry[]
  readonly deletes: readonly CacheKey[]
  readonly section: Section
} & (
  | { readonly kind: 'forward'; readonly reason: RuleReason }
  | { readonly kind: 'store'; readonly reason: InnerReason; readonly entry: Entry; readonly joins?: Join }
  | ({ readonly kind: 'complete'; readonly answer: Answer; readonly completion: Completion } & Completed)
  | { readonly kind: 'freshen'; readonly reason: RuleReason; readonly answer: Answer }
  | { readonly kind: 'serve-stale'; readonly reason: RuleReason; readonly answer: Answer }
  | { readonly kind: 'refetch'; readonly reason: InnerReason }
)

/** The entry to store; or why what is stored stays as it is, but for its fields. */
type Completed =
  | { readonly entry: Entry; readonly reason: InnerReason }
  | { readonly entry?: undefined; readonly reason: RuleReason }

/** What a new entry takes over from the body of a stored one, in the coordinates of that body. */
export interface Join extends Pick<Union, 'before' | 'after'> {
  readonly with: Entry
}

/** Nothing stored, nothing asked. */
export const NO_REVALIDATION: Revalidation = { candidates: [], conditions: [] }

const NOTHING = { updates: [], removes: [], deletes: [] } as const

/** "Error" in the sense of stale-if-error. RFC 5861 §4 */
const ERROR_STATUSES = new Set([500, 502, 503, 504])

/** Statuses that leave what is stored as it was: of a condition or a range, of this request alone, or of the moment; 5xx
 * are the others. */
const SPEAKING_OF_THE_REQUEST = new Set([206, 304, 407, 408, 412, 416, 425, 429])

/** §3, §4.3.3 and §4.4. */
export function decideResponse(exchange: Exchange, policy: Policy): ResponseDecision {
  const decision = decide(exchange, policy)
  const { found: stored = exchange.stored ?? [] } = exchange
  if (stored.length === 0 || (decision.kind !== 'forward' && decision.kind !== 'store')) return decision
  const replaced = replacedBy(exchange, stored, decision)
  return replaced.length === 0 ? decision : { ...decision, removes: replaced }
}

/** The stored responses that are not current any more. §4.3.3: a full response says that "none of the stored responses
 * nominated in the conditional request are suitable"; that it may not be stored itself does not make them so. What is of the
 * version that is about to be stored stays until it is. */
function replacedBy(
  { request, response }: Exchange,
  stored: readonly Entry[],
  decision: ResponseDecision
): readonly Entry[] {
  const { statusCode } = response
  if (!isSafe(request.method) || statusCode >= 500 || SPEAKING_OF_THE_REQUEST.has(statusCode)) return []
  if (request.method === 'HEAD') {
    // That HEAD is not allowed says nothing of GET.
    if (statusCode === 405) return stored.filter(({ method }) => method === 'HEAD')
    if (statusCode === 200) {
      const isKept = (entry: Entry) => entry.method === 'GET' && agreesWithHead(entry, response)
      return stored.filter(entry => decision.removes.includes(entry) || !isKept(entry))
    }
  }
  return decision.kind === 'store' ? stored.filter(entry => !isOfThatVersion(entry, response)) : stored
}

function isOfThatVersion(entry: Entry, response: Response): boolean {
  const tag = entityTag(fieldsOf(entry.lines))
  if (tag === undefined || !isStrong(tag) || entry.statusCode !== response.statusCode) return false
  return tag === entityTag(fieldsOf(response.lines))
}

/** From top to bottom. */
function decide(exchange: Exchange, policy: Policy): ResponseDecision {
  const { request, response, revalidation } = exchange
  if (!isSafe(request.method)) return afterUnsafeMethod(exchange, policy)
  if (exchange.completion !== undefined) return afterCompletion(exchange, exchange.completion, policy)
  if (response.statusCode === 304) return afterNotModified(exchange, policy)
  if (ERROR_STATUSES.has(response.statusCode)) {
    const stale = staleIfError(request, revalidation, policy, response.responseTimeMs)
    if (stale !== undefined) return { ...NOTHING, ...stale }
  }
  const candidate = revalidation.candidates[0]
  if (request.method === 'HEAD' && response.statusCode === 200 && candidate?.method === 'GET') {
    return afterHead(exchange, candidate, policy)
  }
  const part = response.statusCode === 206 && asksForOneRange(request) ? partOf(response) : undefined
  return part === undefined ? storeOrForward(exchange, policy) : afterPart(exchange, part, policy)
}

/** §3.3, §3.4 */
function afterPart({ request, stored = [], entryId }: Exchange, part: Part, policy: Policy): ResponseDecision {
  const { response, range, completeLength } = part
  const refusal = lacksFieldsOfWhole(request, response) ? UNUSABLE : refusalToStore(request, response, policy)
  if (refusal !== undefined) return { kind: 'forward', ...NOTHING, ...refusal }
  const entry = withRange(makeEntry(entryId, request, response, policy), range, completeLength)
  const alone = { kind: 'store', entry, ...NOTHING, reason: 'part', section: '§3.3' } as const
  const held = stored.find(each => each.variantKey === entry.variantKey && isOfSameVersion(each, part))
  const freshened = held === undefined ? undefined : freshen(held, request, response, policy)
  if (held === undefined || freshened === undefined || !isKeptInPlace(freshened, held, request, policy)) return alone
  const union = unionOf(held, range)
  if (union === 'new one') return alone
  if (union === 'stored one') {
    return { kind: 'forward', ...NOTHING, updates: [freshened], reason: 'larger-part', section: '§3.4' }
  }
  return {
    kind: 'store',
    entry: withRange({ ...freshened, id: entryId }, union.range, completeLength),
    joins: { with: held, before: union.before, after: union.after },
    ...NOTHING,
    reason: 'combined',
    section: '§3.4'
  }
}

const UNUSABLE = { reason: 'unusable-part', section: '§3.3' } as const

/** A 206 to If-Range may leave out what the client knows already. RFC 9110 §15.3.7 */
function lacksFieldsOfWhole(request: Request, response: Response): boolean {
  return request.fields['if-range'] !== undefined && fieldsOf(response.lines)['content-type'] === undefined
}

/** What was missing of a stored part: the same version, all of it, and nothing else; or a whole that has taken its place.
 * §3.4 */
function afterCompletion(exchange: Exchange, completion: Completion, policy: Policy): ResponseDecision {
  const { request, response, entryId } = exchange
  if (response.statusCode === 200) return storeOrForward(exchange, policy)
  const { entry: part, held, missing } = completion
  const rest = response.statusCode === 206 ? partOf(response) : undefined
  const again = { kind: 'refetch', ...NOTHING, reason: 'not-completed', section: '§3.4' } as const
  if (rest?.range.start !== missing.start || rest.range.end !== missing.end) return again
  const freshened = freshen(part, request, rest.response, policy)
  if (!isOfSameVersion(part, rest) || !isKeptInPlace(freshened, part, request, policy)) return again
  const range = { start: held.start, end: missing.end }
  const entry = withRange({ ...freshened, id: entryId }, range, rest.completeLength)
  const answer = answerFrom(entry, request, policy, response.responseTimeMs, 'validated')
  const complete = { kind: 'complete', answer, completion, removes: [], deletes: [], section: '§3.4' } as const
  // What goes to the end is copied once, whatever its size; of ranges, there may be a thousand.
  return missing.end === rest.completeLength || isWorthCopying(held.end - held.start, missing.end - missing.start)
    ? { ...complete, entry, updates: [], reason: 'completed' }
    : { ...complete, updates: [freshened], reason: 'larger-part' }
}

function storeOrForward({ request, response, entryId }: Exchange, policy: Policy): ResponseDecision {
  if (!policy.methods.has(request.method)) return { kind: 'forward', ...NOTHING, reason: 'method', section: '§3' }
  const refusal = refusalToStore(request, response, policy)
  if (refusal !== undefined) return { kind: 'forward', ...NOTHING, ...refusal }
  const entry = makeEntry(entryId, request, response, policy)
  return { kind: 'store', entry, ...NOTHING, reason: 'storable', section: '§3' }
}

/** §4.4; and a response to POST may answer later GETs. RFC 9110 §9.3.3 */
function afterUnsafeMethod({ request, response, entryId }: Exchange, policy: Policy): ResponseDecision {
  const deletes = invalidatedKeys(request, response)
  const forward = { kind: 'forward', ...NOTHING, deletes, reason: 'unsafe-method', section: '§4.4' } as const
  if (request.method !== 'POST' || !policy.methods.has('GET') || !describesItsTarget(request, response)) return forward
  if (judge(response, policy).lifetime.source !== 'explicit') return forward
  if (refusalToStore(request, response, policy) !== undefined) return forward
  const entry = makeEntry(entryId, request, response, policy)
  return { kind: 'store', entry, ...NOTHING, deletes, reason: 'content-location', section: 'RFC 9110 §9.3.3' }
}

/** §4.3.3, §4.3.4 */
function afterNotModified({ request, response, revalidation }: Exchange, policy: Policy): ResponseDecision {
  const freshened = confirmedBy(response, request, revalidation).map(stored =>
    freshen(stored, request, response, policy)
  )
  const entry = freshened[0]
  if (entry === undefined) {
    return revalidation.conditions.length === 0 || confirmsClient(response, request.fields)
      ? { kind: 'forward', ...NOTHING, reason: 'not-modified', section: '§4.3.3' }
      : { kind: 'refetch', ...NOTHING, reason: 'unidentified-304', section: '§4.3.4' }
  }
  const answer = answerFrom(entry, request, policy, response.responseTimeMs, 'validated')
  const updates = freshened.filter(stored => isKept(stored, request, policy))
  const removes = freshened.filter(stored => !updates.includes(stored))
  return { kind: 'freshen', answer, updates, removes, deletes: [], reason: 'validated', section: '§4.3.4' }
}

/** §4.3.5 */
function afterHead(exchange: Exchange, stored: Entry, policy: Policy): ResponseDecision {
  const { request, response } = exchange
  if (agreesWithHead(stored, response)) {
    const freshened = freshen(stored, request, response, policy)
    const grounds = { reason: 'head', section: '§4.3.5' } as const
    return isKept(freshened, request, policy)
      ? { kind: 'forward', ...NOTHING, updates: [freshened], ...grounds }
      : { kind: 'forward', ...NOTHING, removes: [stored], ...grounds }
  }
  // What HEAD tells has taken the stored response's place, or leaves nothing there to reuse.
  return { ...storeOrForward(exchange, policy), removes: [stored] }
}
