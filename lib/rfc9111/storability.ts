import { requestDirectives } from './directives.ts'
import { isToken } from './fields.ts'
import { isHeuristicallyCacheable } from './freshness.ts'
import { type Judgement, judge } from './judgement.ts'
import type { RuleReason } from './reasons.ts'
import { staleIfErrorSeconds, staleWhileRevalidateSeconds } from './staleness.ts'
import type { FieldLine, Policy, Request, Response, Section } from './types.ts'
import { hasValidator } from './validators.ts'
import { selectingFieldNames } from './vary.ts'

/** Why a response is not stored, and the rule. */
export interface Refusal {
  readonly reason: RuleReason
  readonly section: Section
}

/** Statuses whose caching rules the engine follows; of the final ones, 304 and 416 alone are not stored, and 206 only as a
 * part of a 200. §3 */
const UNDERSTOOD = new Set([
  200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504
])

const MALFORMED = /[\0\r\n\u0100-\uffff]/

/** Why the response to a request may not be stored, or is not worth it; undefined where it is. §3 */
export function refusalToStore(request: Request, response: Response, policy: Policy): Refusal | undefined {
  const { statusCode } = response
  const judgement = judge(response, policy)
  const { directives, fields } = judgement
  if (statusCode < 200 || statusCode > 599 || statusCode === 304) return refuse('status', '§3')
  // What can be used of it has become a part of a 200.
  if (statusCode === 206) return refuse('unusable-part', '§3.3')
  if (!response.lines.every(isWellFormed)) return refuse('malformed-field', 'RFC 9110 §5.5')
  // Stricter than §3: a 416 is not stored. It speaks of a range, and would answer requests for the whole.
  if (statusCode === 416) return refuse('status', '§3')
  if (policy.statusCodes?.has(statusCode) === false) return refuse('status-not-listed', '§3')
  if (directives.mustUnderstand && !UNDERSTOOD.has(statusCode)) return refuse('must-understand', '§5.2.2.3')
  if (!policy.alwaysCache) {
    if (requestDirectives(request.fields).noStore) return refuse('request-no-store', '§5.2.1.5')
    // §5.2.2.3: must-understand tells a cache that understands the status to ignore no-store.
    if (directives.noStore && !directives.mustUnderstand) return refuse('no-store', '§5.2.2.5')
  }
  if (selectingFieldNames(fields) === '*') return refuse('vary-star', '§4.1')
  if (!isReusable(statusCode, judgement, policy)) return refuse('no-freshness', '§3')
  return policy.shared ? refusalOfSharedCache(request, judgement, policy) : undefined
}

function refuse(reason: RuleReason, section: Section): Refusal {
  return { reason, section }
}

/** A name that is a token, and a value of bytes that can be sent again. What an origin sends has passed undici's parser;
 * an interceptor or a mock below may say anything. RFC 9110 §5.1, §5.5 */
function isWellFormed([name, value]: FieldLine): boolean {
  return isToken(name) && !MALFORMED.test(value)
}

/** §3's last condition, and whether an entry could ever answer: fresh now, or stale by permission, or validated. */
function isReusable(statusCode: number, judgement: Judgement, policy: Policy): boolean {
  const { directives, lifetime, fields } = judgement
  const mayBeStored =
    lifetime.source === 'explicit' ||
    directives.public ||
    (directives.private && !policy.shared) ||
    isHeuristicallyCacheable(statusCode) ||
    lifetime.source === 'default'
  if (!mayBeStored) return false
  if (hasValidator(fields)) return true
  // Unqualified no-cache asks for a validation, and nothing here could be validated (§5.2.2.4); where 504 is wanted in
  // place of the origin's failure, that is worth knowing all the same.
  if (directives.noCache) return policy.whenDisconnected === 'stale'
  return (
    lifetime.ms > 0 || staleWhileRevalidateSeconds(judgement, policy) > 0 || staleIfErrorSeconds(judgement, policy) > 0
  )
}

function refusalOfSharedCache(request: Request, judgement: Judgement, policy: Policy): Refusal | undefined {
  const { directives, lifetime, fields } = judgement
  if (directives.private) return refuse('private', '§5.2.2.7')
  const spoken = directives.public || directives.sMaxage !== undefined
  if (request.fields['authorization'] !== undefined && !spoken && !directives.mustRevalidate) {
    return refuse('authorization', '§3.5')
  }
  // Stricter than §7.3: a shared cache stores a response with Set-Cookie only if it says `public` or `s-maxage`, or with the
  // option `storeSetCookie`. The RFC leaves it to the origin, and users get hurt by it.
  if (fields['set-cookie'] !== undefined && !spoken && !policy.storeSetCookie) return refuse('set-cookie', '§7.3')
  // Stricter than §3: a shared cache stores the response to a request with Cookie only if it states its lifetime, or says
  // `public`. What answers a cookie is often one user's.
  if (request.fields['cookie'] !== undefined && lifetime.source !== 'explicit' && !directives.public) {
    return refuse('cookie', '§7.3')
  }
  return undefined
}
