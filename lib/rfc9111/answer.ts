import { fieldsOf } from './fields.ts'
import { ageMs, judge } from './judgement.ts'
import { OF_CONTENT } from './parts.ts'
import { isNotModified } from './preconditions.ts'
import { type Selection, selection } from './ranges.ts'
import type { ByteRange, Entry, FieldLines, Policy, Request } from './types.ts'

/** A reply made from a stored response: finished but for the lines of Age and Cache-Status. §4 */
export interface Answer {
  readonly entry: Entry
  readonly statusCode: number
  readonly statusText: string
  /** One array for each entry and status, so that what is made from it can be kept with it. */
  readonly lines: FieldLines
  /** The lines of this reply alone, which come after those. */
  readonly ownLines: FieldLines
  /** A range is one of the representation. */
  readonly body: 'none' | 'whole' | ByteRange
  /** What Age says, whole seconds. §5.1 */
  readonly ageSeconds: number
  /** Whether Age is to be sent: not where the origin has just confirmed the response. §4 */
  readonly sendsAge: boolean
  /** Whole seconds until it goes stale, negative once it is; Infinity is possible. RFC 9211 §2.4 */
  readonly freshForSeconds: number
}

/** What a 304 carries of the 200 it stands for. RFC 9110 §15.4.5 */
const SENT_WITH_304 = new Set([
  'cache-control',
  'cdn-cache-control',
  'content-location',
  'date',
  'etag',
  'expires',
  'last-modified',
  'vary',
  'cache-status'
])

const NO_LINES: FieldLines = []

interface Replays {
  /** The stored lines without Age, which is made anew. */
  readonly whole: FieldLines
  notModified: FieldLines | undefined
  part: FieldLines | undefined
}

/** What depends on the request. */
type Reply = Pick<Answer, 'statusCode' | 'statusText' | 'lines' | 'ownLines' | 'body'>

const replays = new WeakMap<Entry, Replays>()

/** The reply to `request` from `entry` at `nowMs`: the client's own conditions and its range decided, no body for HEAD.
 * §4, §4.3.2, RFC 9110 §14.2 */
export function answerFrom(
  entry: Entry,
  request: Request,
  policy: Policy,
  nowMs: number,
  use: 'stored' | 'validated' = 'stored'
): Answer {
  const judgement = judge(entry, policy)
  const age = ageMs(entry, judgement, nowMs)
  const { statusCode, statusText, lines, ownLines, body } = replyTo(request, entry)
  return {
    entry,
    statusCode,
    statusText,
    lines,
    ownLines,
    body,
    ageSeconds: Math.floor(age / 1000),
    sendsAge: statusCode !== 416 && (use === 'stored' || judgement.fields['age'] !== undefined),
    freshForSeconds: Math.floor((judgement.lifetime.ms - age) / 1000)
  }
}

function replyTo(request: Request, entry: Entry): Reply {
  if (isNotModified(request, entry)) {
    const lines = notModifiedLines(entry)
    return { statusCode: 304, statusText: 'Not Modified', lines, ownLines: NO_LINES, body: 'none' }
  }
  const selected = request.fields['range'] === undefined ? 'whole' : selection(request, entry)
  if (selected !== 'whole') return replyToRange(selected, entry)
  const { statusCode, statusText } = entry
  const body = request.method === 'HEAD' || entry.method === 'HEAD' ? 'none' : 'whole'
  return { statusCode, statusText, lines: replaysOf(entry).whole, ownLines: NO_LINES, body }
}

/** RFC 9110 §15.3.7, §15.5.17 */
function replyToRange(selected: Exclude<Selection, 'whole'>, entry: Entry): Reply {
  const length = entry.completeLength
  if (selected === 'unsatisfiable') {
    const ownLines: FieldLines = [
      ['Content-Range', `bytes */${length}`],
      ['Content-Length', '0']
    ]
    return { statusCode: 416, statusText: 'Range Not Satisfiable', lines: NO_LINES, ownLines, body: 'none' }
  }
  const { start, end } = selected
  const ownLines: FieldLines = [
    ['Content-Range', `bytes ${start}-${end - 1}/${length}`],
    ['Content-Length', `${end - start}`]
  ]
  return { statusCode: 206, statusText: 'Partial Content', lines: partLines(entry), ownLines, body: selected }
}

function replaysOf(entry: Entry): Replays {
  let known = replays.get(entry)
  if (known === undefined) {
    const { lines } = entry
    const whole = fieldsOf(lines)['age'] === undefined ? lines : lines.filter(([name]) => name.toLowerCase() !== 'age')
    known = { whole, notModified: undefined, part: undefined }
    replays.set(entry, known)
  }
  return known
}

function notModifiedLines(entry: Entry): FieldLines {
  const known = replaysOf(entry)
  known.notModified ??= entry.lines.filter(([name]) => SENT_WITH_304.has(name.toLowerCase()))
  return known.notModified
}

function partLines(entry: Entry): FieldLines {
  const known = replaysOf(entry)
  known.part ??= known.whole.filter(([name]) => !OF_CONTENT.has(name.toLowerCase()))
  return known.part
}
