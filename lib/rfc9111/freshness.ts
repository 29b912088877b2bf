import { dateValueMs } from './age.ts'
import type { ResponseDirectives } from './directives.ts'
import { fieldsOf, firstValue } from './fields.ts'
import { parseHttpDate } from './http-date.ts'
import type { Policy, Response } from './types.ts'

/** Where a lifetime comes from: the origin's word, a heuristic, the policy's default, or nowhere. */
export type FreshnessSource = 'explicit' | 'heuristic' | 'default' | 'none'

export interface FreshnessLifetime {
  /** Milliseconds, >= 0; Infinity is possible by default only. */
  readonly ms: number
  readonly source: FreshnessSource
}

/** Statuses "defined as heuristically cacheable". RFC 9110 §15.1 */
const HEURISTICALLY_CACHEABLE = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501])

/** The share of the time since Last-Modified that counts as fresh. §4.2.2 */
const HEURISTIC_FRACTION = 0.1

/** §4.2.1 and, for a response that does not say, §4.2.2. */
export function freshnessLifetime(
  response: Response,
  directives: ResponseDirectives,
  policy: Policy
): FreshnessLifetime {
  const explicit = explicitLifetimeMs(response, directives, policy.shared)
  if (explicit !== undefined) return { ms: explicit, source: 'explicit' }
  if (directives.damaged) return { ms: 0, source: 'none' }
  if (!allowsHeuristic(response.statusCode, directives, policy)) return { ms: 0, source: 'none' }
  if (policy.defaultFreshnessSeconds !== undefined) {
    return { ms: policy.defaultFreshnessSeconds * 1000, source: 'default' }
  }
  return heuristicLifetime(response, policy)
}

/** §4.2.1, the first that applies: s-maxage, max-age, Expires; undefined where none is given. Milliseconds. */
export function explicitLifetimeMs(
  response: Response,
  directives: ResponseDirectives,
  shared: boolean
): number | undefined {
  if (shared && directives.sMaxage !== undefined) return directives.sMaxage * 1000
  if (directives.maxAge !== undefined) return directives.maxAge * 1000
  // What is damaged may have been a lifetime, which Expires does not replace.
  if (directives.targeted || directives.damaged) return undefined
  const expires = firstValue(fieldsOf(response.lines), 'expires')
  if (expires === undefined) return undefined
  // §5.3: an invalid date, "0" above all, is a time in the past.
  const expiresMs = parseHttpDate(expires, response.responseTimeMs)
  return expiresMs === undefined ? 0 : Math.max(0, expiresMs - dateValueMs(response))
}

/** §4.2.2: for statuses defined so, for what is marked public, and for what the policy lists. */
function allowsHeuristic(statusCode: number, directives: ResponseDirectives, policy: Policy): boolean {
  return isHeuristicallyCacheable(statusCode) || directives.public || policy.statusCodes?.has(statusCode) === true
}

export function isHeuristicallyCacheable(statusCode: number): boolean {
  return HEURISTICALLY_CACHEABLE.has(statusCode)
}

function heuristicLifetime(response: Response, policy: Policy): FreshnessLifetime {
  const lastModified = firstValue(fieldsOf(response.lines), 'last-modified')
  if (lastModified === undefined) return { ms: 0, source: 'none' }
  const lastModifiedMs = parseHttpDate(lastModified, response.responseTimeMs)
  if (lastModifiedMs === undefined) return { ms: 0, source: 'none' }
  const sinceModified = Math.max(0, dateValueMs(response) - lastModifiedMs)
  return { ms: Math.min(sinceModified * HEURISTIC_FRACTION, policy.maxHeuristicSeconds * 1000), source: 'heuristic' }
}
