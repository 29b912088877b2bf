import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { requirePlainMessage } from '../../serializers/plain-message.ts'

const packr = new Packr({ useRecords: false })

describe('requirePlainMessage', () => {
  test('takes arrays, strings, byte strings, numbers and nil of every length', () => {
    const lengths = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536]
    const numbers = [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 0.5, Number.POSITIVE_INFINITY]
    const values: unknown[] = [null, ...numbers]
    for (const length of lengths) values.push('a'.repeat(length), Buffer.alloc(length), new Array(length).fill(1))
    for (const value of [...values, values]) requirePlainMessage(packr.pack(value), 2)
  })

  test('takes whatever is made of these', () => {
    const { any } = fc.letrec(tie => ({
      any: fc.oneof(
        { maxDepth: 5 },
        fc.nat(),
        fc.double({ min: 1 }),
        fc.string(),
        fc.uint8Array(),
        fc.constant(null),
        tie('list')
      ),
      list: fc.array(tie('any'))
    }))
    fc.assert(fc.property(any, value => requirePlainMessage(packr.pack(value), 10)))
  })

  test('counts arrays within arrays', () => {
    requirePlainMessage(packr.pack([[['a']]]), 3)
    assert.throws(() => requirePlainMessage(packr.pack([[['a']]]), 2), RangeError)
    assert.throws(() => requirePlainMessage(packr.pack([[[]]]), 2), RangeError)
  })

  test('refuses a message that is cut short, or that is not alone', () => {
    const message = packr.pack([1, 'ab', Buffer.of(1, 2), 1e9, 1.5, 'a'.repeat(300), new Array(20).fill(300)])
    for (let length = 0; length < message.length; length++) {
      assert.throws(() => requirePlainMessage(message.subarray(0, length), 9), RangeError, `${length}`)
    }
    assert.throws(() => requirePlainMessage(Buffer.concat([message, Buffer.of(0)]), 9), RangeError)
  })

  test('refuses every other type', () => {
    const plain = new Set([0xc0, 0xc4, 0xc5, 0xc6, 0xcb, 0xcc, 0xcd, 0xce, 0xd9, 0xda, 0xdb, 0xdc, 0xdd])
    const others = Array.from({ length: 0x40 }, (_, i) => 0xc0 + i).filter(type => !plain.has(type))
    for (const type of [0x80, 0x8f, ...others]) {
      assert.throws(() => requirePlainMessage(Buffer.from([type, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 9), TypeError, `${type}`)
    }
  })
})
