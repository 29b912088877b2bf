import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fieldsOf } from '../../../lib/rfc9111/fields.ts'
import {
  entityTag,
  hasValidator,
  isStrong,
  listedTags,
  matchesStrongly,
  matchesWeakly
} from '../../../lib/rfc9111/validators.ts'

// The table of RFC 9110 §8.8.3.2.
const COMPARISONS = [
  ['W/"1"', 'W/"1"', false, true],
  ['W/"1"', 'W/"2"', false, false],
  ['W/"1"', '"1"', false, true],
  ['"1"', 'W/"1"', false, true],
  ['"1"', '"1"', true, true],
  ['"1"', '"2"', false, false],
  ['1', '1', true, true],
  ['1', '"1"', false, false]
] as const

describe('entity tags', () => {
  for (const [a, b, strongly, weakly] of COMPARISONS) {
    test(`${a} and ${b} match ${strongly ? 'strongly' : weakly ? 'weakly' : 'not at all'}`, () => {
      assert.equal(matchesStrongly(a, b), strongly)
      assert.equal(matchesWeakly(a, b), weakly)
    })
  }

  test('are weak with W/ before them, upper case', () => {
    assert.equal(isStrong('"a"'), true)
    assert.equal(isStrong('W/"a"'), false)
    assert.equal(isStrong('w/"a"'), true)
  })

  test('are taken as they came, the first of several', () => {
    const fields = fieldsOf([
      ['ETag', 'W/"a"'],
      ['etag', '"b"']
    ])
    assert.equal(entityTag(fields), 'W/"a"')
    assert.equal(entityTag(fieldsOf([['ETag', '']])), undefined)
    assert.equal(entityTag(fieldsOf([])), undefined)
  })
})

describe('listedTags', () => {
  const LISTS: readonly (readonly [value: string, tags: readonly string[]])[] = [
    ['', []],
    [' , ', []],
    ['*', ['*']],
    ['"a"', ['"a"']],
    ['"a", W/"b" ,"c"', ['"a"', 'W/"b"', '"c"']],
    ['"a,b","c d"', ['"a,b"', '"c d"']],
    ['"a\\", "b"', ['"a\\"', '"b"']],
    ['a, b', ['a', 'b']],
    ['""', ['""']],
    ['"a', ['"a']]
  ]
  for (const [value, tags] of LISTS) {
    test(`of ${value}`, () => assert.deepEqual(listedTags(value), tags))
  }
})

test('an ETag or a Last-Modified is a validator', () => {
  assert.equal(hasValidator(fieldsOf([['etag', '"a"']])), true)
  assert.equal(hasValidator(fieldsOf([['Last-Modified', 'then']])), true)
  assert.equal(hasValidator(fieldsOf([['ETag', '']])), false)
  assert.equal(hasValidator(fieldsOf([['Date', 'then']])), false)
})
