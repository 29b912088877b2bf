import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cutOff, withRange } from '../../../lib/rfc9111/parts.ts'
import { inStoredBody, isPartial, storedBytes } from '../../../lib/rfc9111/segments.ts'
import type { Entry, FieldLine } from '../../../lib/rfc9111/types.ts'
import { entryOf } from './entry.ts'

function entry(changes: Partial<Entry> = {}, ...lines: FieldLine[]): Entry {
  return entryOf([['ETag', '"a"'], ...lines], changes)
}

describe('of a response that broke off is kept', () => {
  test('what came of the whole', () => {
    const part = cutOff(entry(), 4, 10)
    assert.deepEqual(part, entry({ completeLength: 10, segments: [{ start: 0, end: 4 }] }))
  })

  test('what came of a part', () => {
    const part = cutOff(withRange(entry({}, ['Accept-Ranges', 'bytes']), { start: 3, end: 8 }, 10), 4, 10)
    assert.deepEqual(part?.segments, [{ start: 3, end: 7 }])
  })

  const refused: Record<string, Entry> = {
    'to HEAD': entry({ method: 'HEAD' }),
    'of another status': entry({ statusCode: 404 }),
    'with a weak validator': entry({ lines: [['ETag', 'W/"a"']] }),
    'from where there are no ranges': entry({}, ['Accept-Ranges', 'None']),
    'that was shorter': withRange(entry(), { start: 0, end: 4 }, 10)
  }
  for (const [what, response] of Object.entries(refused)) {
    test(`nothing of one ${what}`, () => assert.equal(cutOff(response, 4, 10), undefined))
  }

  test('nothing where the length is not known, or was reached', () => {
    assert.equal(cutOff(entry(), 4, undefined), undefined)
    assert.equal(cutOff(entry(), 10, 10), undefined)
  })
})

describe('a stored body', () => {
  const segments = [
    { start: 2, end: 5 },
    { start: 7, end: 9 }
  ]

  test('has the bytes of the segments, one after the other', () => {
    assert.equal(storedBytes({ segments }), 5)
    assert.deepEqual(inStoredBody({ segments }, { start: 2, end: 5 }), { start: 0, end: 3 })
    assert.deepEqual(inStoredBody({ segments }, { start: 8, end: 9 }), { start: 4, end: 5 })
    for (const [start, end] of [
      [1, 3],
      [4, 6],
      [4, 8],
      [5, 7],
      [8, 10]
    ] as const) {
      assert.equal(inStoredBody({ segments }, { start, end }), undefined, `${start}-${end}`)
    }
  })

  test('is partial as far as its length is known', () => {
    assert.equal(isPartial(entry({ segments })), false)
    assert.equal(isPartial(entry({ segments, completeLength: 9 })), true)
    assert.equal(isPartial(entry({ segments, completeLength: 5 })), false)
  })
})
