import { combinedValue, fieldsOf } from './fields.ts'
import { strongValidator } from './ranges.ts'
import { inStoredBody, storedBytes } from './segments.ts'
import type { ByteRange, Entry, FieldLine, Request, Response } from './types.ts'

/** What came with a 206, and the 200 that it is a part of. */
export interface Part {
  /** With the status and the fields of the whole. */
  readonly response: Response
  /** Which of its bytes came. */
  readonly range: ByteRange
  readonly completeLength: number
}

/** What a stored part and one that comes are together. */
export interface Union {
  readonly range: ByteRange
  /** Bytes of the stored body that come before, and after, those that come. */
  readonly before: ByteRange | undefined
  readonly after: ByteRange | undefined
}

/** A stored part is joined with what comes if it has no more bytes than this, or than so many times those that come: a
 * player that asks for a thousand small ranges would have it copied a thousand times. */
const MAX_COPIED_BYTES = 4_194_304
const MAX_COPIED_PER_BYTE = 4

/** A download that breaks off is kept as a part if at least so many bytes of it have come. */
export const MIN_KEPT_BYTES = 65_536

/** What tells of the content of one message, and would be wrong of another part. RFC 9110 §8.6, RFC 9530 §2 */
export const OF_CONTENT: ReadonlySet<string> = new Set([
  'content-length',
  'content-range',
  'content-digest',
  'content-md5'
])

/** Whether the request is a GET for one range of bytes. RFC 9110 §14.1.2 */
export function asksForOneRange({ method, fields }: Request): boolean {
  return method === 'GET' && /^bytes=[ \t]*(?:\d+-\d*|-\d+)[ \t]*$/i.test(combinedValue(fields, 'range') ?? '')
}

/** The part that a 206 brings; undefined where its fields contradict each other, where nothing tells its version from
 * others, and of several ranges. RFC 9110 §14.4, §15.3.7 */
export function partOf(response: Response): Part | undefined {
  const fields = fieldsOf(response.lines)
  const [, first, last, length] =
    /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(combinedValue(fields, 'content-range') ?? '') ?? []
  const [start, end, completeLength] = [Number(first), Number(last) + 1, Number(length)]
  // NaN where there is none.
  if (!(start < end && end <= completeLength)) return undefined
  const contentLength = combinedValue(fields, 'content-length')
  if (contentLength !== undefined && contentLength !== `${end - start}`) return undefined
  if (strongValidator(response) === undefined) return undefined
  const lines: FieldLine[] = response.lines.filter(([name]) => !OF_CONTENT.has(name.toLowerCase()))
  lines.push(['Content-Length', `${completeLength}`])
  return {
    response: { ...response, statusCode: 200, statusText: 'OK', lines },
    range: { start, end },
    completeLength
  }
}

/** Whether what is stored and what comes are of one version: only then may they be combined. §3.4 */
export function isOfSameVersion(
  held: Entry,
  { response, completeLength }: { readonly response: Response; readonly completeLength: number | undefined }
): boolean {
  if (held.statusCode !== 200 || held.method !== 'GET' || held.completeLength !== completeLength) return false
  const [stored, came] = [fieldsOf(held.lines), fieldsOf(response.lines)]
  const coding = combinedValue(came, 'content-encoding')
  if (coding !== undefined && coding !== combinedValue(stored, 'content-encoding')) return false
  return isOfOneVersion(held, response)
}

/** Whether a strong validator says that both are of one version. RFC 9110 §8.8.1 */
export function isOfOneVersion(one: Response, other: Response): boolean {
  const validator = strongValidator(one)
  return validator !== undefined && validator === strongValidator(other)
}

/** What becomes of a stored response when more of its version comes: it is joined with that, or the larger of the two is
 * kept, the stored one where they are equal. */
export function unionOf(held: Entry, came: ByteRange): Union | 'stored one' | 'new one' {
  const cameBytes = came.end - came.start
  const heldBytes = storedBytes(held)
  const [segment] = held.segments
  if (inStoredBody(held, came) !== undefined) return 'stored one'
  if (
    segment !== undefined &&
    held.segments.length === 1 &&
    segment.start <= came.end &&
    came.start <= segment.end &&
    isWorthCopying(heldBytes, cameBytes)
  ) {
    const { start, end } = segment
    return {
      range: { start: Math.min(start, came.start), end: Math.max(end, came.end) },
      before: start < came.start ? { start: 0, end: came.start - start } : undefined,
      after: came.end < end ? { start: came.end - start, end: end - start } : undefined
    }
  }
  return cameBytes > heldBytes ? 'new one' : 'stored one'
}

/** Whether so many stored bytes may be copied to be joined with those that come. */
export function isWorthCopying(heldBytes: number, cameBytes: number): boolean {
  return heldBytes <= Math.max(MAX_COPIED_BYTES, MAX_COPIED_PER_BYTE * cameBytes)
}

/** The entry with those bytes of the representation and no others. */
export function withRange(entry: Entry, { start, end }: ByteRange, completeLength: number): Entry {
  return { ...entry, completeLength, segments: [{ start, end }] }
}

/** Whether the rest of a response of which only the beginning has come can be asked for. RFC 9110 §14.3 */
export function isResumable(entry: Entry): boolean {
  if (entry.method !== 'GET' || entry.statusCode !== 200 || strongValidator(entry) === undefined) return false
  return combinedValue(fieldsOf(entry.lines), 'accept-ranges')?.toLowerCase() !== 'none'
}

/** What is kept of a response that broke off: so many bytes of `entry`, whose whole has `completeLength`; undefined where
 * the rest could not be asked for. §3.3 */
export function cutOff(entry: Entry, bytes: number, completeLength: number | undefined): Entry | undefined {
  if (completeLength === undefined || !isResumable(entry)) return undefined
  const { start, end } = entry.segments[0] ?? { start: 0, end: completeLength }
  return start + bytes < end ? withRange(entry, { start, end: start + bytes }, completeLength) : undefined
}
