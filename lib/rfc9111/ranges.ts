import { dateValueMs } from './age.ts'
import { combinedValue, fieldsOf, firstValue, trimWhitespace } from './fields.ts'
import { parseHttpDate } from './http-date.ts'
import type { ByteRange, Entry, Request, Response } from './types.ts'
import { entityTag, isStrong, matchesStrongly } from './validators.ts'

/** What a request selects of a stored representation. */
export type Selection = 'whole' | 'unsatisfiable' | ByteRange

/** By more than this Last-Modified has to lie before Date to tell two versions of one second apart. RFC 9110 §8.8.2.2 */
const STRONG_AFTER_MS = 1000

/** What the request's Range selects of what is stored: the whole where there is none, where If-Range asks for another
 * version, and where it is malformed, of another unit or of several ranges, which may all be passed over.
 * RFC 9110 §14.2, §13.1.5 */
export function selection(request: Request, entry: Entry): Selection {
  const value = combinedValue(request.fields, 'range')
  const { completeLength } = entry
  if (value === undefined || request.method !== 'GET' || entry.statusCode !== 200) return 'whole'
  if (completeLength === undefined || !meetsIfRange(request, entry)) return 'whole'
  return selectedOf(value, completeLength)
}

/** One range of bytes. RFC 9110 §14.1.2 */
function selectedOf(value: string, length: number): Selection {
  const [, ranges] = /^bytes=(.*)$/i.exec(value) ?? []
  const [, first, last] = /^(\d*)-(\d*)$/.exec(trimWhitespace(ranges ?? '')) ?? []
  if (first === undefined || last === undefined) return 'whole'
  if (first === '') return last === '' ? 'whole' : suffix(Number(last), length)
  const start = Number(first)
  const end = last === '' ? length : Math.min(Number(last) + 1, length)
  if (last !== '' && Number(last) < start) return 'whole'
  return start < length ? { start, end } : 'unsatisfiable'
}

function suffix(bytes: number, length: number): Selection {
  if (bytes === 0) return 'unsatisfiable'
  return length === 0 ? 'whole' : { start: Math.max(0, length - bytes), end: length }
}

/** Whether the range is wanted of this version: the comparison is the strong one. RFC 9110 §13.1.5 */
function meetsIfRange({ fields }: Request, entry: Entry): boolean {
  const condition = combinedValue(fields, 'if-range')
  if (condition === undefined) return true
  const stored = fieldsOf(entry.lines)
  if (condition.includes('"')) {
    const tag = entityTag(stored)
    return tag !== undefined && matchesStrongly(condition, tag)
  }
  const modifiedMs = strongLastModifiedMs(entry)
  return modifiedMs !== undefined && parseHttpDate(condition, entry.responseTimeMs) === modifiedMs
}

/** What tells this version from all others, to be sent in If-Range; undefined where nothing does. RFC 9110 §13.1.5 */
export function strongValidator(response: Response): string | undefined {
  const stored = fieldsOf(response.lines)
  const tag = entityTag(stored)
  if (tag !== undefined) return isStrong(tag) ? tag : undefined
  return strongLastModifiedMs(response) === undefined ? undefined : firstValue(stored, 'last-modified')
}

function strongLastModifiedMs(response: Response): number | undefined {
  const lastModified = firstValue(fieldsOf(response.lines), 'last-modified')
  const modifiedMs = lastModified === undefined ? undefined : parseHttpDate(lastModified, response.responseTimeMs)
  return modifiedMs !== undefined && dateValueMs(response) - modifiedMs >= STRONG_AFTER_MS ? modifiedMs : undefined
}
