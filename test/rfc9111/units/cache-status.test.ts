import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type CacheStatus,
  formatCacheName,
  formatCacheStatus,
  parseCacheStatus
} from '../../../lib/rfc9111/cache-status.ts'
import { fieldsOf } from '../../../lib/rfc9111/fields.ts'

const NOTHING: CacheStatus = {
  hit: false,
  forward: undefined,
  forwardStatus: undefined,
  ttlSeconds: undefined,
  stored: false,
  collapsed: false,
  detail: undefined
}

const FORMS: readonly (readonly [status: Partial<CacheStatus>, text: string])[] = [
  [{}, 'c'],
  [{ hit: true }, 'c; hit'],
  [{ forward: 'uri-miss' }, 'c; fwd=uri-miss'],
  [{ forwardStatus: 304 }, 'c; fwd-status=304'],
  [{ ttlSeconds: 0 }, 'c; ttl=0'],
  [{ ttlSeconds: -5 }, 'c; ttl=-5'],
  [{ stored: true }, 'c; stored'],
  [{ collapsed: true }, 'c; collapsed'],
  [{ detail: 'no-store' }, 'c; detail=no-store'],
  [
    { hit: true, forward: 'stale', forwardStatus: 304, ttlSeconds: 60, stored: true, collapsed: true, detail: 'x' },
    'c; hit; fwd=stale; fwd-status=304; ttl=60; stored; collapsed; detail=x'
  ]
]

function parse(name: string, ...values: string[]) {
  return parseCacheStatus(fieldsOf(values.map(value => ['Cache-Status', value])), name)
}

describe('Cache-Status', () => {
  for (const [status, text] of FORMS) {
    test(`${text} is written and read`, () => {
      assert.equal(formatCacheStatus('c', { ...NOTHING, ...status }), text)
      assert.deepEqual(parse('c', text), { ...NOTHING, ...status })
    })
  }

  test('an unlimited lifetime is the largest Integer', () => {
    const text = 'c; ttl=999999999999999'
    assert.equal(formatCacheStatus('c', { ...NOTHING, ttlSeconds: Infinity }), text)
    assert.deepEqual(parse('c', text), { ...NOTHING, ttlSeconds: Infinity })
  })

  test('of several caches of one name the last is the nearest', () => {
    assert.equal(parse('c', 'd; hit, c; hit; ttl=1', 'c; ttl=2, e')?.ttlSeconds, 2)
  })

  test('a cache that said nothing has no status', () => {
    assert.equal(parse('c'), undefined)
    assert.equal(parse('c', 'd; hit'), undefined)
    assert.equal(parse('c', ''), undefined)
  })

  test('a malformed member has no status', () => {
    assert.equal(parse('c', 'c; hit;;'), undefined)
    assert.equal(parse('c', 'c; hit, d;;'), undefined)
    assert.equal(parse('c', 'd;;'), undefined)
  })

  test('what looks like a member in the String of another is none', () => {
    assert.deepEqual(parse('c', 'c; hit, d; detail="x, c"'), { ...NOTHING, hit: true })
  })

  test('a malformed member does not hide the nearer ones', () => {
    assert.deepEqual(parse('c', 'd;;, c; hit'), { ...NOTHING, hit: true })
    assert.deepEqual(parse('c', 'd;;', 'c; hit; detail=c'), { ...NOTHING, hit: true, detail: 'c' })
    assert.deepEqual(parse('hit', 'd;;', 'hit; hit'), { ...NOTHING, hit: true })
    assert.deepEqual(parse('a b', 'd;;', '"a b"; hit'), { ...NOTHING, hit: true })
  })

  test('a malformed member does not make one cache pass for another', () => {
    assert.equal(parse('c', 'd;;, abc; hit'), undefined)
    assert.equal(parse('c', 'd;;, cd; hit'), undefined)
    assert.equal(parse('c', 'd;;, e; fwd=c'), undefined)
    assert.equal(parse('c', ';c; hit'), undefined)
  })

  test('values of another type count as absent', () => {
    assert.deepEqual(parse('c', 'c; hit=1; fwd=1; fwd-status=a; ttl=1.5; stored="x"; collapsed=?0; detail'), NOTHING)
  })

  test('fwd and detail may be Strings', () => {
    assert.deepEqual(parse('c', 'c; fwd="miss"; detail="x y"'), { ...NOTHING, forward: 'miss', detail: 'x y' })
  })

  const NAMES: readonly (readonly [name: string, text: string])[] = [
    ['undici-http-cache', 'undici-http-cache'],
    ['*a.b:80/c', '*a.b:80/c'],
    ['a b', '"a b"'],
    ['9a', '"9a"'],
    ['', '""'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['a,', '"a,"']
  ]
  for (const [name, text] of NAMES) {
    test(`the name ${text} is written and found`, () => {
      assert.equal(formatCacheName(name), text)
      assert.deepEqual(parse(name, `${text}; hit`), { ...NOTHING, hit: true })
    })
  }
})
