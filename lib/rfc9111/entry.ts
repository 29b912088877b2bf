import { judge } from './judgement.ts'
import { originTag } from './origin.ts'
import { staleIfErrorSeconds, staleWhileRevalidateSeconds } from './staleness.ts'
import { refusalToStore } from './storability.ts'
import { storedLines, updatedLines } from './stored-fields.ts'
import type { Entry, EntryId, FieldLines, Policy, Request, Response } from './types.ts'
import { hasValidator } from './validators.ts'
import { selectingFieldNames, variantKey } from './vary.ts'

const NO_LINES: FieldLines = []

/** What is stored of a response, before its body is known. */
export function makeEntry(id: EntryId, request: Request, response: Response, policy: Policy): Entry {
  const names = selectingNames(response, policy)
  const vary = names === '*' ? ['*'] : names
  const { directives } = judge(response, policy)
  return withExpiry(
    {
      id,
      key: request.key,
      variantKey: variantKey(request, vary),
      vary,
      method: request.method === 'HEAD' ? 'HEAD' : 'GET',
      statusCode: response.statusCode,
      statusText: response.statusText,
      lines: storedLines(response.lines, directives, policy, response.responseTimeMs),
      trailers: NO_LINES,
      requestTimeMs: response.requestTimeMs,
      responseTimeMs: response.responseTimeMs,
      completeLength: undefined,
      segments: [],
      tags: [originTag(request.targetUri)],
      // Named here though set below: what gets a property beyond those it is spread from has a shape of its own to V8, and
      // every look at it is slow.
      expiresAtMs: 0
    },
    policy
  )
}

/** The stored response with the metadata that a 304, or a 200 to HEAD, brings. It goes on being selected by all the fields
 * that it was selected by, and by those that the response adds: where there are such, it has another variant key, that of
 * the request. §4.3.4, §4.3.5 */
export function freshen(entry: Entry, request: Request, response: Response, policy: Policy): Entry {
  const { directives } = judge(response, policy)
  const { requestTimeMs, responseTimeMs } = response
  const update = storedLines(response.lines, directives, policy, responseTimeMs)
  // Once more for the stored lines: what the update names in no-cache or private, they must not keep. §5.2.2.4
  const lines = storedLines(updatedLines(entry.lines, update), directives, policy, responseTimeMs)
  const freshened = { ...entry, lines, requestTimeMs, responseTimeMs }
  const names = selectingNames(freshened, policy)
  const union = names === '*' ? [] : [...new Set([...entry.vary, ...names])]
  if (union.length > entry.vary.length) {
    freshened.vary = union.sort()
    freshened.variantKey = variantKey(request, freshened.vary)
  }
  return withExpiry(freshened, policy)
}

/** Whether what a 304, a 200 to HEAD or a part made of a stored response may stay stored. */
export function isKept(freshened: Entry, request: Request, policy: Policy): boolean {
  return refusalToStore(request, freshened, policy) === undefined
}

/** The same, and where it is. */
export function isKeptInPlace(freshened: Entry, stored: Entry, request: Request, policy: Policy): boolean {
  return freshened.variantKey === stored.variantKey && isKept(freshened, request, policy)
}

/** §4.1; and Cookie, where what is private to one user is told apart by it. */
function selectingNames(response: Response, policy: Policy): readonly string[] | '*' {
  const { fields, directives } = judge(response, policy)
  const names = selectingFieldNames(fields)
  if (names === '*' || !policy.privateByCookie || !directives.private || names.includes('cookie')) return names
  return [...names, 'cookie'].sort()
}

/** Kept as long as it may be of use: through its lifetime and the stale windows, longer where it can be validated. */
function withExpiry(entry: Entry, policy: Policy): Entry {
  const judgement = judge(entry, policy)
  const outlives = hasValidator(judgement.fields) || policy.whenDisconnected === 'stale'
  const windowSeconds = Math.max(
    staleWhileRevalidateSeconds(judgement, policy),
    staleIfErrorSeconds(judgement, policy),
    outlives ? policy.retainSeconds : 0
  )
  return { ...entry, expiresAtMs: entry.responseTimeMs + judgement.lifetime.ms + windowSeconds * 1000 }
}
