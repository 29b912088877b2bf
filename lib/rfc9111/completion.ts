import { hasOwnConditions } from './preconditions.ts'
import { selection, strongValidator } from './ranges.ts'
import { inStoredBody, isPartial } from './segments.ts'
import type { ByteRange, Entry, FieldLines, Request } from './types.ts'

/** A request for the rest of what is stored in part. */
export interface Completion {
  /** The part. */
  readonly entry: Entry
  /** Bytes of the representation that the client gets: stored ones first, then what is missing. */
  readonly wanted: ByteRange
  /** Bytes that are stored, and those that follow, up to the end of what is wanted. */
  readonly held: ByteRange
  readonly missing: ByteRange
  /** Fields to send in place of the client's Range and If-Range. RFC 9110 §14.2, §13.1.5 */
  readonly fields: FieldLines
}

/** Whether what is stored is enough for the answer: all of it, or the range that is wanted, or no body at all. §3.3 */
export function suffices(request: Request, entry: Entry, isNotModified: boolean): boolean {
  if (!isPartial(entry) || request.method === 'HEAD' || isNotModified) return true
  const selected = selection(request, entry)
  if (selected === 'whole') return false
  return selected === 'unsatisfiable' || inStoredBody(entry, selected) !== undefined
}

/** How the request, for which the part does not suffice, is answered from it and what follows; undefined where the part
 * does not hold the beginning of what is wanted. §3.4 */
export function completionOf(request: Request, entry: Entry): Completion | undefined {
  const { completeLength, segments } = entry
  const [segment, another] = segments
  const validator = strongValidator(entry)
  if (segment === undefined || another !== undefined || completeLength === undefined) return undefined
  if (validator === undefined || request.method !== 'GET' || hasOwnConditions(request.fields)) return undefined
  const wanted = wantedRange(request, entry, completeLength)
  if (wanted === undefined || wanted.start < segment.start || wanted.start >= segment.end) return undefined
  const missing = { start: segment.end, end: wanted.end }
  const fields: FieldLines = [
    ['Range', `bytes=${missing.start}-${missing.end === completeLength ? '' : missing.end - 1}`],
    ['If-Range', validator]
  ]
  return { entry, wanted, held: segment, missing, fields }
}

/** Several ranges, and what is malformed, are for the origin to interpret. */
function wantedRange(request: Request, entry: Entry, end: number): ByteRange | undefined {
  if (request.fields['range'] === undefined) return { start: 0, end }
  const selected = selection(request, entry)
  return typeof selected === 'object' ? selected : undefined
}
