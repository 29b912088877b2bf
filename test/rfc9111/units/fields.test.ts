import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  combinedValue,
  fieldsOf,
  firstValue,
  listedNames,
  listMembers,
  trimWhitespace,
  unquote
} from '../../../lib/rfc9111/fields.ts'
import type { FieldLines } from '../../../lib/rfc9111/types.ts'

describe('fieldsOf', () => {
  const lines: FieldLines = [
    ['X-A', '1'],
    ['x-B', '2'],
    ['x-a', '3'],
    ['X-a', '4']
  ]

  test('has a string for one line and an array, in order, for several', () => {
    const fields = fieldsOf(lines)
    assert.deepEqual(fields['x-a'], ['1', '3', '4'])
    assert.equal(fields['x-b'], '2')
    assert.equal(fields['x-c'], undefined)
  })

  test('is computed once for each list of lines', () => {
    assert.equal(fieldsOf(lines), fieldsOf(lines))
    assert.notEqual(fieldsOf([...lines]), fieldsOf(lines))
  })

  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    test(`knows no ${name} that is not there, and any that is`, () => {
      assert.equal(fieldsOf([['a', '1']])[name], undefined)
      assert.equal(fieldsOf([[name, '1']])[name.toLowerCase()], '1')
    })
  }

  test('keeps an empty value', () => assert.equal(fieldsOf([['a', '']])['a'], ''))
})

describe('combinedValue and firstValue', () => {
  const fields = fieldsOf([
    ['a', '1'],
    ['b', '2'],
    ['b', '3']
  ])

  test('one line is its value', () => {
    assert.equal(combinedValue(fields, 'a'), '1')
    assert.equal(firstValue(fields, 'a'), '1')
  })

  test('several lines are joined, or the first is taken', () => {
    assert.equal(combinedValue(fields, 'b'), '2, 3')
    assert.equal(firstValue(fields, 'b'), '2')
  })

  test('an absent field has neither', () => {
    assert.equal(combinedValue(fields, 'c'), undefined)
    assert.equal(firstValue(fields, 'c'), undefined)
  })
})

describe('listMembers', () => {
  const LISTS: readonly (readonly [value: string, members: readonly string[]])[] = [
    ['', []],
    [' \t,, ,', []],
    ['a', ['a']],
    ['a,b', ['a', 'b']],
    [' a ,\tb\t, ', ['a', 'b']],
    ['a b,c', ['a b', 'c']],
    ['"a,b"', ['"a,b"']],
    ['"a,b",c', ['"a,b"', 'c']],
    ['x="a,b" , y', ['x="a,b"', 'y']],
    ['"a\\",b",c', ['"a\\",b"', 'c']],
    ['"a\\\\",b', ['"a\\\\"', 'b']],
    ['a\\",b",c', ['a\\",b"', 'c']],
    ['"",,"",', ['""', '""']],
    ['a,"b,c', ['a', '"b,c']],
    ['"a\\', ['"a\\']],
    ['"a",b', ['"a"', 'b']],
    ['\u00a0a,\u000bb', ['\u00a0a', '\u000bb']]
  ]
  for (const [value, members] of LISTS) {
    test(`of ${JSON.stringify(value)}`, () => assert.deepEqual(listMembers(value), members))
  }

  test('an unfinished quoted string can be split', () => {
    assert.deepEqual(listMembers('a,"b, c ,,d', 'split'), ['a', '"b', 'c', 'd'])
    assert.deepEqual(listMembers('a,"b,c",d', 'split'), ['a', '"b,c"', 'd'])
    assert.deepEqual(listMembers('a,b', 'split'), ['a', 'b'])
  })
})

test('listedNames are in lower case', () => {
  const fields = fieldsOf([
    ['Vary', 'Accept, X-A'],
    ['vary', 'x-B,']
  ])
  assert.deepEqual(listedNames(fields, 'vary'), ['accept', 'x-a', 'x-b'])
  assert.deepEqual(listedNames(fields, 'connection'), [])
})

test('trimWhitespace takes spaces and tabs, and nothing else', () => {
  assert.equal(trimWhitespace(' \t a b\t '), 'a b')
  assert.equal(trimWhitespace('a'), 'a')
  assert.equal(trimWhitespace('a '), 'a')
  assert.equal(trimWhitespace(' a'), 'a')
  assert.equal(trimWhitespace(' \t '), '')
  assert.equal(trimWhitespace(''), '')
  assert.equal(trimWhitespace('\u00a0a\n'), '\u00a0a\n')
})

describe('unquote', () => {
  const STRINGS: readonly (readonly [value: string, content: string | undefined])[] = [
    ['""', ''],
    ['"a"', 'a'],
    ['"a, b"', 'a, b'],
    ['"a\\"b\\"c"', 'a"b"c'],
    ['"a\\\\"', 'a\\'],
    ['"\\a"', 'a'],
    ['a', undefined],
    ['', undefined],
    ['"', undefined],
    ['"a', undefined],
    ['a"', undefined],
    ['"a"b"', undefined],
    ['"a\\"', undefined]
  ]
  for (const [value, content] of STRINGS) {
    test(`of ${value || 'nothing'}`, () => assert.equal(unquote(value), content))
  }
})
