import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withRange } from '../../../lib/rfc9111/parts.ts'
import { givesWay, isLesser } from '../../../lib/rfc9111/precedence.ts'
import type { Entry, FieldLine } from '../../../lib/rfc9111/types.ts'
import { entryOf } from './entry.ts'

const LENGTH = 10
const ETAG: FieldLine = ['ETag', '"a"']
const MODIFIED: FieldLine = ['Last-Modified', 'Mon, 23 Nov 2026 10:00:00 GMT']
const DATE: FieldLine = ['Date', 'Mon, 23 Nov 2026 12:00:00 GMT']

function whole(lines: readonly FieldLine[] = [ETAG], changes: Partial<Entry> = {}): Entry {
  return entryOf(lines, { completeLength: LENGTH, segments: [{ start: 0, end: LENGTH }], ...changes })
}

function head(lines: readonly FieldLine[] = [ETAG], changes: Partial<Entry> = {}): Entry {
  return whole(lines, { method: 'HEAD', completeLength: 0, segments: [{ start: 0, end: 0 }], ...changes })
}

function part(lines: readonly FieldLine[] = [ETAG], end = 4): Entry {
  return withRange(whole(lines), { start: 0, end }, LENGTH)
}

/** What is kept of two, whichever is complete first. */
const ROWS: readonly { readonly what: string; earlier: Entry; later: Entry; readonly kept: 'earlier' | 'later' }[] = [
  { what: 'a whole and a later whole of its version', earlier: whole(), later: whole(), kept: 'later' },
  { what: 'a whole and HEAD with its ETag', earlier: whole(), later: head(), kept: 'earlier' },
  { what: 'a whole and HEAD without validators', earlier: whole(), later: head([]), kept: 'earlier' },
  {
    what: 'a whole and HEAD with its ETag and its length, counted',
    earlier: whole(),
    later: head([ETAG, ['Content-Length', `${LENGTH}`]]),
    kept: 'earlier'
  },
  { what: 'a whole and HEAD with another ETag', earlier: whole(), later: head([['ETag', '"b"']]), kept: 'later' },
  {
    what: 'a whole and HEAD with another Last-Modified',
    earlier: whole([MODIFIED]),
    later: head([['Last-Modified', 'Mon, 23 Nov 2026 11:00:00 GMT']]),
    kept: 'later'
  },
  {
    what: 'a whole and HEAD with another length',
    earlier: whole(),
    later: head([ETAG, ['Content-Length', '11']]),
    kept: 'later'
  },
  {
    what: 'a whole and HEAD with another status',
    earlier: whole(),
    later: head([], { statusCode: 404 }),
    kept: 'later'
  },
  { what: 'a part and HEAD with its ETag', earlier: part(), later: head(), kept: 'earlier' },
  { what: 'HEAD and a whole', earlier: head(), later: whole(), kept: 'later' },
  { what: 'HEAD and a part', earlier: head(), later: part(), kept: 'later' },
  { what: 'HEAD and HEAD', earlier: head(), later: head(), kept: 'later' },
  { what: 'a whole and a part with its ETag', earlier: whole(), later: part(), kept: 'earlier' },
  {
    what: 'a whole and a part with its Last-Modified, long before Date',
    earlier: whole([MODIFIED, DATE]),
    later: part([MODIFIED, DATE]),
    kept: 'earlier'
  },
  { what: 'a whole and a part with another ETag', earlier: whole(), later: part([['ETag', '"b"']]), kept: 'later' },
  {
    what: 'a whole and a part with the same weak ETag',
    earlier: whole([['ETag', 'W/"a"']]),
    later: part([['ETag', 'W/"a"']]),
    kept: 'later'
  },
  { what: 'a whole and a part, without validators', earlier: whole([]), later: part([]), kept: 'later' },
  { what: 'a part and a later whole', earlier: part(), later: whole(), kept: 'later' },
  {
    what: 'a part and a later one of something longer',
    earlier: part([ETAG], 6),
    later: { ...part(), completeLength: LENGTH + 1 },
    kept: 'later'
  },
  {
    what: 'a part and a later one of its version with fewer bytes',
    earlier: part([ETAG], 6),
    later: part(),
    kept: 'earlier'
  },
  { what: 'a part and a later one of its version with as many bytes', earlier: part(), later: part(), kept: 'later' },
  {
    what: 'a part and a later one of another version',
    earlier: part([ETAG], 6),
    later: part([['ETag', '"b"']]),
    kept: 'later'
  }
]

describe('of two responses of one variant is kept', () => {
  for (const { what, earlier, later, kept } of ROWS) {
    test(`the ${kept} one: ${what}`, () => {
      assert.equal(givesWay(earlier, later, true), kept === 'later')
      assert.equal(givesWay(later, earlier, false), kept === 'earlier')
    })
  }

  test('the later one, always, where it has a whole body', () => {
    for (const { what, earlier, later } of ROWS) {
      if (!isLesser(later)) assert.equal(givesWay(later, earlier, false), false, what)
    }
  })
})

test('less than a whole body says a response to HEAD, and a part', () => {
  assert.deepEqual([whole(), whole([]), head(), part()].map(isLesser), [false, false, true, true])
})
