import { dateValueMs } from './age.ts'
import { combinedValue, FieldsInProgress, fieldsOf, firstValue } from './fields.ts'
import { parseHttpDate } from './http-date.ts'
import type { Entry, Fields, Request, Response } from './types.ts'
import { entityTag, listedTags, matchesWeakly } from './validators.ts'

const FOR_LESS = new Set(['if-none-match', 'if-modified-since', 'range', 'if-range'])

/** Whether the client itself asks for a 304 where it already has the response. RFC 9110 §13.1 */
export function hasOwnConditions(fields: Fields): boolean {
  return fields['if-none-match'] !== undefined || fields['if-modified-since'] !== undefined
}

/** Whether a 304 names an entity tag that the client has: then it is for the client, whatever else was asked. §4.3.3 */
export function confirmsClient(response: Response, fields: Fields): boolean {
  const tag = entityTag(fieldsOf(response.lines))
  const noneMatch = combinedValue(fields, 'if-none-match')
  return tag !== undefined && noneMatch !== undefined && listedTags(noneMatch).some(own => matchesWeakly(own, tag))
}

/** The request without the conditions that the client set for itself, and not for a part. */
export function forWhole(request: Request): Request {
  if (!hasOwnConditions(request.fields) && request.fields['range'] === undefined) return request
  const fields = new FieldsInProgress()
  for (const name of Object.keys(request.fields)) {
    const value = request.fields[name]
    if (FOR_LESS.has(name) || value === undefined) continue
    fields[name] = typeof value === 'string' ? value : [...value]
  }
  return { ...request, fields }
}

/** Conditions that only the origin can answer: "If-Match and If-Unmodified-Since conditional header fields are not
 * applicable to a cache". §4.3.2 */
export function hasOriginConditions(fields: Fields): boolean {
  return fields['if-match'] !== undefined || fields['if-unmodified-since'] !== undefined
}

/** Whether a stored response answers the client's condition with 304. If-None-Match silences If-Modified-Since. §4.3.2 */
export function isNotModified(request: Request, entry: Entry): boolean {
  if (entry.statusCode !== 200) return false
  const noneMatch = combinedValue(request.fields, 'if-none-match')
  if (noneMatch !== undefined) {
    const tags = listedTags(noneMatch)
    if (tags.includes('*')) return true
    const stored = entityTag(fieldsOf(entry.lines))
    return stored !== undefined && tags.some(tag => matchesWeakly(tag, stored))
  }
  const modifiedSince = firstValue(request.fields, 'if-modified-since')
  if (modifiedSince === undefined) return false
  const since = parseHttpDate(modifiedSince, entry.responseTimeMs)
  return since !== undefined && lastModifiedMs(entry) <= since
}

/** §4.3.2: Last-Modified; where it is missing, Date; where that is missing, the time of arrival. */
function lastModifiedMs(entry: Entry): number {
  const value = firstValue(fieldsOf(entry.lines), 'last-modified')
  return (value === undefined ? undefined : parseHttpDate(value, entry.responseTimeMs)) ?? dateValueMs(entry)
}
