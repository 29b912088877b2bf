import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Entry, FieldLine } from '../../lib/rfc9111/types.ts'
import { readRecord } from '../../serializers/record.ts'
import { anyRecord, sampleRecord } from '../support/arbitrary-record.ts'

const NOT_A_RECORD = { name: 'CacheError', code: 'ERR_CACHE_RECORD' }

/** Values that a property of an entry may not have. */
const REFUSED: { readonly [Name in keyof Entry]: readonly unknown[] } = {
  id: [undefined, 1, '', '../secret', 'a/b', 'a\\b', '..', 'a\0', 'a'.repeat(129)],
  key: [undefined, null, 1, ['https://example.com/']],
  variantKey: [undefined, null, 1, {}],
  vary: [undefined, 'accept', [1], [''], ['Accept'], ['b', 'a'], ['a', 'a'], ['a\r\nb'], ['\u0100']],
  method: [undefined, 'POST', 'get', ['GET']],
  statusCode: [undefined, '200', 199, 600, 200.5, Number.NaN, 200n],
  statusText: [undefined, 1, 'OK\r\nX: y', 'OK\n', 'OK\0', '\u010a'],
  lines: [
    undefined,
    {},
    'Vary: *',
    [undefined],
    [['A']],
    [['A', 'b', 'c']],
    [{ 0: 'A', 1: 'b', length: 2 }],
    [[1, 'b']],
    [['A', 1]],
    [['A', ['b']]],
    [['', 'b']],
    [['A:', 'b']],
    [['A b', 'c']],
    [['A\n', 'b']],
    [['\u00e4', 'b']],
    [['A', 'b\rc']],
    [['A', 'b\nc']],
    [['A', 'b\0c']],
    [['A', 'b\u010ac']]
  ],
  trailers: [undefined, null, [['A', 'b\nc']], [['A b', 'c']]],
  requestTimeMs: [undefined, '0', -1, -0, Number.NaN, Number.POSITIVE_INFINITY, 8.64e15 + 1, new Date(0)],
  responseTimeMs: [undefined, null, -1, Number.NaN, Number.POSITIVE_INFINITY],
  completeLength: [null, '2', -1, -0, 1.5, 2 ** 53, Number.POSITIVE_INFINITY, Number.NaN, 1],
  segments: [
    undefined,
    {},
    [null],
    [[0, 2, 'a']],
    [{ start: 0 }],
    [{ start: 2, end: 1 }],
    [{ start: -1, end: 1 }],
    [{ start: 0.5, end: 1 }],
    [{ start: 0, end: 3 }],
    [{ start: 0, end: Number.POSITIVE_INFINITY }]
  ],
  tags: [undefined, new Array(1), 'origin:https://example.com', [1], [null]],
  expiresAtMs: [undefined, null, 'Infinity', -1, Number.NaN, Number.NEGATIVE_INFINITY, 1n]
}

describe('readRecord', () => {
  for (const [name, values] of Object.entries(REFUSED)) {
    test(`refuses an entry whose ${name} is not as its type says`, () => {
      for (const value of values) {
        assert.throws(() => readRecord(sampleRecord({ [name]: value })), NOT_A_RECORD, JSON.stringify(`${value}`))
      }
    })
  }

  test('refuses what is no record', () => {
    const values = [undefined, null, 0, '', 'record', true, 1n, Symbol('record'), [], {}, () => {}, new Map()]
    for (const value of values) assert.throws(() => readRecord(value), NOT_A_RECORD)
    for (const entry of values) assert.throws(() => readRecord({ ...sampleRecord(), entry }), NOT_A_RECORD)
    for (const body of ['{}', [1], { length: 1 }, new ArrayBuffer(1), new Uint16Array(1), null]) {
      assert.throws(() => readRecord({ ...sampleRecord(), body }), NOT_A_RECORD)
    }
  })

  test('refuses every other version', () => {
    for (const version of [undefined, null, 0, 2, '1', 1n, [1], Number.NaN]) {
      assert.throws(() => readRecord({ ...sampleRecord(), version }), { ...NOT_A_RECORD, message: /version$/ })
    }
  })

  test('names the property and not its value', () => {
    const lines: FieldLine[] = [['Authorization', 'secret\n']]
    assert.throws(() => readRecord(sampleRecord({ lines })), { message: 'not a record of version 1: lines' })
  })

  test('takes every record, and makes it anew', () => {
    fc.assert(
      fc.property(anyRecord, record => {
        const read = readRecord(record)
        assert.deepEqual(read, record)
        assert.notEqual(read.entry, record.entry)
        assert.notEqual(read.entry.lines, record.entry.lines)
      })
    )
  })

  test('takes the bounds of every range', () => {
    for (const changes of [
      { statusCode: 200 },
      { statusCode: 599 },
      { requestTimeMs: 0, responseTimeMs: 8.64e15, expiresAtMs: 0 },
      { expiresAtMs: Number.POSITIVE_INFINITY },
      { completeLength: 0, segments: [{ start: 0, end: 0 }] },
      { completeLength: undefined, segments: [{ start: 0, end: Number.MAX_SAFE_INTEGER }] },
      { vary: ['*'], lines: [], trailers: [], tags: [] }
    ]) {
      assert.deepEqual(readRecord(sampleRecord(changes)), sampleRecord(changes))
    }
  })

  test('keeps nothing but the properties it knows', () => {
    const { version, entry, body } = sampleRecord()
    const segments = entry.segments.map(segment => ({ ...segment, more: 1 }))
    const read = readRecord({ version, entry: { ...entry, segments, more: 1, constructor: 1 }, body, more: 1 })
    assert.deepEqual(read, sampleRecord())
  })

  test('gives plain arrays for those of a subclass', () => {
    class Lines extends Array<FieldLine> {}
    const read = readRecord(sampleRecord({ lines: Lines.from(sampleRecord().entry.lines) }))
    assert.deepEqual(read, sampleRecord())
  })
})
