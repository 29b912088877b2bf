import { fieldsOf } from './fields.ts'
import { ageMs, judge } from './judgement.ts'
import { isNotModified } from './preconditions.ts'
import type { ByteRange, Entry, FieldLines, Policy, Request } from './types.ts'

/** A reply made from a stored response: finished but for Age's and Cache-Status's lines. §4 */
export interface Answer {
  readonly entry: Entry
  readonly statusCode: number
  readonly statusText: string
  /** One array for each entry and status, so that what is made from it can be kept with it. */
  readonly lines: FieldLines
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

interface Replays {
  readonly whole: FieldLines
  notModified: FieldLines | undefined
}

const replays = new WeakMap<Entry, Replays>()

/** The reply to `request` from `entry` at `nowMs`: the client's own conditions decided, no body for HEAD. §4, §4.3.2 */
export function answerFrom(
  entry: Entry,
  request: Request,
  policy: Policy,
  nowMs: number,
  use: 'stored' | 'validated' = 'stored'
): Answer {
  const judgement = judge(entry, policy)
  const age = ageMs(entry, judgement, nowMs)
  const notModified = isNotModified(request, entry)
  return {
    entry,
    statusCode: notModified ? 304 : entry.statusCode,
    statusText: notModified ? 'Not Modified' : entry.statusText,
    lines: notModified ? notModifiedLines(entry) : replayedLines(entry),
    body: notModified || request.method === 'HEAD' || entry.method === 'HEAD' ? 'none' : 'whole',
    ageSeconds: Math.floor(age / 1000),
    sendsAge: use === 'stored' || judgement.fields['age'] !== undefined,
    freshForSeconds: Math.floor((judgement.lifetime.ms - age) / 1000)
  }
}

function replaysOf(entry: Entry): Replays {
  let known = replays.get(entry)
  if (known === undefined) {
    const { lines } = entry
    const whole = fieldsOf(lines)['age'] === undefined ? lines : lines.filter(([name]) => name.toLowerCase() !== 'age')
    known = { whole, notModified: undefined }
    replays.set(entry, known)
  }
  return known
}

/** The stored lines without Age, which is made anew. */
function replayedLines(entry: Entry): FieldLines {
  return replaysOf(entry).whole
}

function notModifiedLines(entry: Entry): FieldLines {
  const known = replaysOf(entry)
  known.notModified ??= entry.lines.filter(([name]) => SENT_WITH_304.has(name.toLowerCase()))
  return known.notModified
}
