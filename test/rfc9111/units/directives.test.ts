import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  cacheControlDirectives,
  NO_REQUEST_DIRECTIVES,
  parseDeltaSeconds,
  requestDirectives
} from '../../../lib/rfc9111/directives.ts'
import { fieldsOf } from '../../../lib/rfc9111/fields.ts'

const RESPONSE = {
  maxAge: undefined,
  sMaxage: undefined,
  staleWhileRevalidate: undefined,
  staleIfError: undefined,
  noStore: false,
  noCache: false,
  noCacheFields: [],
  private: false,
  privateFields: [],
  public: false,
  mustRevalidate: false,
  proxyRevalidate: false,
  mustUnderstand: false,
  immutable: false,
  targeted: false,
  damaged: false
}

const REQUEST = {
  maxAge: undefined,
  maxStale: undefined,
  minFresh: undefined,
  staleIfError: undefined,
  noCache: false,
  noStore: false,
  onlyIfCached: false
}

function ofResponse(...values: string[]) {
  return cacheControlDirectives(fieldsOf(values.map(value => ['Cache-Control', value])))
}

function ofRequest(value: string) {
  return requestDirectives(fieldsOf([['Cache-Control', value]]))
}

describe("a response's directives", () => {
  test('are none without Cache-Control', () => assert.deepEqual(ofResponse(), RESPONSE))
  test('are none of an empty Cache-Control', () => assert.deepEqual(ofResponse(''), RESPONSE))

  test('are all read', () => {
    const value =
      'max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4, no-store, no-cache, private, public, ' +
      'must-revalidate, proxy-revalidate, must-understand, immutable'
    assert.deepEqual(ofResponse(value), {
      ...RESPONSE,
      maxAge: 1,
      sMaxage: 2,
      staleWhileRevalidate: 3,
      staleIfError: 4,
      noStore: true,
      noCache: true,
      private: true,
      public: true,
      mustRevalidate: true,
      proxyRevalidate: true,
      mustUnderstand: true,
      immutable: true,
      targeted: false,
      damaged: false
    })
  })

  for (const name of ['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error']) {
    test(`a malformed ${name} is 0`, () => {
      const { maxAge, sMaxage, staleWhileRevalidate, staleIfError } = ofResponse(`${name}=x`)
      const values = [maxAge, sMaxage, staleWhileRevalidate, staleIfError]
      assert.deepEqual(
        values.filter(value => value !== undefined),
        [0]
      )
    })
  }

  const QUALIFIED: readonly (readonly [argument: string, names: readonly string[]])[] = [
    ['', []],
    ['=', []],
    ['=""', []],
    ['=" , "', []],
    ['="a"', ['a']],
    ['="A, b-C"', ['a', 'b-c']],
    ['=A', ['a']],
    ['="a', []],
    ['=a"', []],
    ['="a"b"', []],
    ['="a\\b"', ['ab']],
    ['="\\"a\\", b"', []]
  ]
  for (const [argument, names] of QUALIFIED) {
    test(`no-cache${argument} and private${argument} name ${names.join(' and ') || 'no fields'}`, () => {
      const { noCache, noCacheFields } = ofResponse(`no-cache${argument}`)
      const { private: isPrivate, privateFields } = ofResponse(`private${argument}`)
      assert.deepEqual([noCache, noCacheFields], [names.length === 0, names])
      assert.deepEqual([isPrivate, privateFields], [names.length === 0, names])
    })
  }

  test('several no-cache or private name all the fields that each does', () => {
    assert.deepEqual(ofResponse('no-cache="a, b"', 'no-cache=C, no-cache="d"').noCacheFields, ['a', 'b', 'c', 'd'])
    assert.deepEqual(ofResponse('private="a", private=b').privateFields, ['a', 'b'])
  })

  test('one no-cache or private without fields is about all', () => {
    for (const value of ['no-cache="a", no-cache', 'no-cache, no-cache="a"', 'no-cache=, no-cache="a", no-cache="b"']) {
      assert.deepEqual([ofResponse(value).noCache, ofResponse(value).noCacheFields], [true, []], value)
    }
  })
})

describe("a request's directives", () => {
  test('are none without Cache-Control', () => {
    assert.equal(requestDirectives(fieldsOf([])), NO_REQUEST_DIRECTIVES)
    assert.deepEqual(NO_REQUEST_DIRECTIVES, REQUEST)
  })

  test('are all read', () => {
    const value = 'max-age=1, max-stale=2, min-fresh=3, stale-if-error=4, no-cache, no-store, only-if-cached'
    assert.deepEqual(ofRequest(value), {
      maxAge: 1,
      maxStale: 2,
      minFresh: 3,
      staleIfError: 4,
      noCache: true,
      noStore: true,
      onlyIfCached: true
    })
  })

  test('a malformed number is the strictest', () => {
    assert.deepEqual(ofRequest('max-age=x, max-stale=x, min-fresh=x, stale-if-error=x'), {
      ...REQUEST,
      maxAge: 0,
      maxStale: 0,
      minFresh: Infinity,
      staleIfError: 0
    })
  })

  test('max-stale without a value is without a limit', () => assert.equal(ofRequest('max-stale').maxStale, Infinity))

  test('Pragma: no-cache is no-cache and nothing else', () => {
    const directives = requestDirectives(fieldsOf([['Pragma', 'no-store, no-cache, max-age=1']]))
    assert.deepEqual(directives, { ...REQUEST, noCache: true })
    assert.equal(requestDirectives(fieldsOf([['Pragma', 'no-store']])), NO_REQUEST_DIRECTIVES)
  })
})

test('parseDeltaSeconds reads digits, up to 2^31', () => {
  assert.equal(parseDeltaSeconds('0'), 0)
  assert.equal(parseDeltaSeconds('007'), 7)
  assert.equal(parseDeltaSeconds('2147483647'), 2_147_483_647)
  assert.equal(parseDeltaSeconds('2147483648'), 2_147_483_648)
  assert.equal(parseDeltaSeconds('2147483649'), 2_147_483_648)
  assert.equal(parseDeltaSeconds('9'.repeat(1000)), 2_147_483_648)
  for (const text of ['', ' 1', '1 ', '1\n', '-1', '+1', '1.0', '1e2', '0x1', '١']) {
    assert.equal(parseDeltaSeconds(text), undefined, text)
  }
})
