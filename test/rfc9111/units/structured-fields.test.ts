import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fieldsOf } from '../../../lib/rfc9111/fields.ts'
import { type BareItem, type Item, parseDictionary, parseList } from '../../../lib/rfc9111/structured-fields.ts'

const TRUE: BareItem = { kind: 'boolean', value: true }
const LIST: BareItem = { kind: 'list', value: undefined }
const BYTES: BareItem = { kind: 'bytes', value: undefined }

function integer(value: number): BareItem {
  return { kind: 'integer', value }
}

function decimal(value: number): BareItem {
  return { kind: 'decimal', value }
}

function string(value: string): BareItem {
  return { kind: 'string', value }
}

function token(value: string): BareItem {
  return { kind: 'token', value }
}

function item(value: BareItem, parameters: Record<string, BareItem> = {}): Item {
  return { value, parameters: new Map(Object.entries(parameters)) }
}

const BARE_ITEMS: readonly (readonly [text: string, value: BareItem])[] = [
  ['0', integer(0)],
  ['42', integer(42)],
  ['-42', integer(-42)],
  ['007', integer(7)],
  ['999999999999999', integer(999_999_999_999_999)],
  ['-999999999999999', integer(-999_999_999_999_999)],
  ['1.5', decimal(1.5)],
  ['-1.5', decimal(-1.5)],
  ['1.0', decimal(1)],
  ['999999999999.999', decimal(999_999_999_999.999)],
  ['""', string('')],
  ['"a b"', string('a b')],
  ['"a\\"b\\\\"', string('a"b\\')],
  ['"!#[]~"', string('!#[]~')],
  ['a', token('a')],
  ['A', token('A')],
  ['*', token('*')],
  ["a!#$%&'*+-.^_`|~:/9", token("a!#$%&'*+-.^_`|~:/9")],
  ['?1', TRUE],
  ['?0', { kind: 'boolean', value: false }],
  ['::', BYTES],
  [':aGk=:', BYTES],
  ['()', LIST],
  ['( )', LIST],
  ['(a)', LIST],
  ['(a b  "c" 1 )', LIST],
  ['(a;b=1;c d)', LIST]
]

const NO_ITEMS = [
  '-',
  '--1',
  '+1',
  '1.',
  '.5',
  '1.2345',
  '1.2.3',
  '1234567890123.1',
  '1000000000000000',
  '"a',
  '"a\\',
  '"a\\b"',
  '"a\tb"',
  '"é"',
  "'a'",
  '?2',
  '?',
  '?1a',
  ':aGk=',
  ':a b:',
  '@1659578233',
  '%"a"',
  '(',
  '(a',
  '(a b',
  '(a,b)',
  '(a"b")',
  '((a))',
  '(a;)',
  '(;a)',
  '(a\tb)',
  'a b',
  'a;',
  'a;1',
  'a;A',
  'a;b=',
  'a;b=()',
  'a ;b',
  'é',
  '{}'
]

describe('parseList', () => {
  for (const [text, value] of BARE_ITEMS) {
    test(`reads ${text}`, () => assert.deepEqual(parseList(text), [item(value)]))
  }

  for (const text of NO_ITEMS) {
    test(`refuses ${text}`, () => assert.equal(parseList(text), undefined))
  }

  test('reads nothing as an empty list', () => {
    assert.deepEqual(parseList(''), [])
    assert.deepEqual(parseList('  '), [])
  })

  test('reads several items', () => {
    assert.deepEqual(
      parseList('  a ,\t1,"x"\t , (a) '),
      [token('a'), integer(1), string('x'), LIST].map(value => item(value))
    )
  })

  test('reads parameters: the last of one name counts', () => {
    assert.deepEqual(parseList('a;b;c=1; d="x";b=?0;*e.f-g_h=t'), [
      item(token('a'), {
        b: { kind: 'boolean', value: false },
        c: integer(1),
        d: string('x'),
        '*e.f-g_h': token('t')
      })
    ])
  })

  for (const text of ['a,', 'a, ', ',a', 'a,,b', ',', '\ta', 'a,b c', 'a\u00a0']) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseList(text), undefined))
  }
})

describe('parseDictionary', () => {
  function parse(...values: string[]) {
    const dictionary = parseDictionary(fieldsOf(values.map(value => ['X-A', value])), 'x-a')
    return dictionary === undefined ? undefined : [...dictionary]
  }

  test('reads members', () => {
    assert.deepEqual(parse(' a=1 , b;x,\tc;y=2, d="s";z , e=(a b);w'), [
      ['a', item(integer(1))],
      ['b', item(TRUE, { x: TRUE })],
      ['c', item(TRUE, { y: integer(2) })],
      ['d', item(string('s'), { z: TRUE })],
      ['e', item(LIST, { w: TRUE })]
    ])
  })

  test('reads several lines as one', () => {
    assert.deepEqual(parse('a=1', 'b=2'), [
      ['a', item(integer(1))],
      ['b', item(integer(2))]
    ])
  })

  test('of two members of one name the last counts', () => {
    assert.deepEqual(parse('a=1, b, a=2'), [
      ['a', item(integer(2))],
      ['b', item(TRUE)]
    ])
  })

  test('an absent or empty field is no dictionary', () => {
    assert.equal(parse(), undefined)
    assert.equal(parse(''), undefined)
    assert.equal(parse('  '), undefined)
  })

  for (const text of [
    'A=1',
    '1',
    'a=',
    'a= 1',
    'a =1',
    'a,',
    'a;',
    'a,,b',
    '"a"=1',
    'a=1 b=2',
    'a=b=c',
    '=1',
    '-a',
    '.a'
  ]) {
    test(`refuses ${text}`, () => assert.equal(parse(text), undefined))
  }

  test('knows no member that is not there', () => {
    const dictionary = parseDictionary(fieldsOf([['x-a', 'a']]), 'x-a')
    assert.equal(dictionary?.get('constructor'), undefined)
  })
})
