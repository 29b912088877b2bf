import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cacheKey, sameOriginUri } from '../../../lib/rfc9111/cache-key.ts'
import { fieldsOf } from '../../../lib/rfc9111/fields.ts'
import { invalidatedKeys } from '../../../lib/rfc9111/invalidation.ts'
import type { FieldLines, Request, Response } from '../../../lib/rfc9111/types.ts'
import { selectingFieldNames, variantKey } from '../../../lib/rfc9111/vary.ts'

describe('cacheKey', () => {
  const KEYS: readonly (readonly [what: string, key: string, ...parts: Parameters<typeof cacheKey>])[] = [
    ['is the target URI', 'http://a.test/x?y', 'http://a.test', '/x?y'],
    ['is the target URI where Host says the same', 'http://a.test/', 'http://a.test', '/', 'a.test'],
    ['does not regard the case of Host', 'http://a.test:81/', 'http://a.test:81', '/', 'A.Test:81'],
    ['has another Host before the path', 'http://10.0.0.1|b.test/', 'http://10.0.0.1', '/', 'B.test'],
    ['has a Host that is the end of the origin', 'http://a.test|test/', 'http://a.test', '/', 'test'],
    ['has a Host as long as the origin', 'http://a.test|b.test/', 'http://a.test', '/', 'b.test'],
    ['has a Host with another port', 'http://a.test:81|a.test/', 'http://a.test:81', '/', 'a.test'],
    ['has an empty Host', 'http://a.test|/', 'http://a.test', '/', '']
  ]
  for (const [what, key, origin, path, host] of KEYS) {
    test(what, () => assert.equal(cacheKey(origin, path, host), key))
  }
})

describe('sameOriginUri', () => {
  const BASE = 'http://a.test/x/y?z'
  const REFERENCES: readonly (readonly [reference: string, uri: string | undefined])[] = [
    ['/b', 'http://a.test/b'],
    ['b', 'http://a.test/x/b'],
    ['?b', 'http://a.test/x/y?b'],
    ['', 'http://a.test/x/y?z'],
    ['#b', 'http://a.test/x/y?z'],
    ['//a.test:80/b#c', 'http://a.test/b'],
    ['http://u:p@A.TEST/b', 'http://a.test/b'],
    ['//b.test/b', undefined],
    ['https://a.test/b', undefined],
    ['http://a.test:81/', undefined],
    ['data:text/plain,b', undefined],
    ['http://', undefined],
    ['http://[', undefined]
  ]
  for (const [reference, uri] of REFERENCES) {
    test(`of "${reference}" is ${uri}`, () => assert.equal(sameOriginUri(reference, BASE), uri))
  }

  test('is none without an origin to share', () => {
    assert.equal(sameOriginUri('data:text/plain,b', 'data:text/plain,a'), undefined)
    assert.equal(sameOriginUri('/b', 'nonsense'), undefined)
  })
})

describe('invalidatedKeys', () => {
  function keysOf(key: string, targetUri: string): readonly string[] {
    const response: Response = {
      statusCode: 201,
      statusText: '',
      lines: [['Location', '/y?z']],
      requestTimeMs: 0,
      responseTimeMs: 0
    }
    return invalidatedKeys({ method: 'POST', key, targetUri, fields: fieldsOf([]), partition: '' }, response)
  }

  test('are written as the key of the request is, whatever way the origin is written', () => {
    const key = 'http://A.test:80/x/'
    assert.deepEqual(keysOf(key, 'http://A.test:80/x/'), [key, 'http://A.test:80/y?z'])
    assert.deepEqual(keysOf('http://a.test/x/', 'http://a.test/x/'), ['http://a.test/x/', 'http://a.test/y?z'])
  })

  test('have the Host that the key has', () => {
    const key = 'http://10.0.0.1|b.test/x'
    assert.deepEqual(keysOf(key, 'http://10.0.0.1/x'), [key, 'http://10.0.0.1|b.test/y?z'])
  })
})

describe('variantKey', () => {
  function keyOf(lines: FieldLines, names: readonly string[], partition = ''): string {
    const request: Request = {
      method: 'GET',
      key: 'http://a.test/',
      targetUri: 'http://a.test/',
      fields: fieldsOf(lines),
      partition
    }
    return variantKey(request, names)
  }

  test('tells lists of names apart even where none is present', () => {
    const keys = [[], ['a'], ['b'], ['a', 'b']].map(names => keyOf([], names))
    assert.equal(new Set(keys).size, keys.length)
  })

  test('tells absent, empty and present apart', () => {
    const keys = [[], [['a', '']], [['a', '1']]].map(lines => keyOf(lines as unknown as FieldLines, ['a']))
    assert.equal(new Set(keys).size, keys.length)
  })

  test('does not let a value pass for another field, or a partition for a value', () => {
    const keys = [
      keyOf([['a', '1\nb:2']], ['a']),
      keyOf(
        [
          ['a', '1'],
          ['b', '2']
        ],
        ['a', 'b']
      ),
      keyOf([['a', '1']], ['a'], 'p'),
      keyOf([['a', '1']], ['a'], 'p\na:1'),
      keyOf([], [], 'p\na:1'),
      keyOf([], [], '"p\\na:1"'),
      keyOf([['a', '"1"']], ['a']),
      keyOf([['a', '"\\"1\\""']], ['a'])
    ]
    assert.equal(new Set(keys).size, keys.length)
  })

  test('is the same for HEAD as for GET', () => {
    const get: Request = { method: 'GET', key: 'k', targetUri: 'http://a.test/', fields: fieldsOf([]), partition: '' }
    assert.equal(variantKey({ ...get, method: 'HEAD' }, []), variantKey(get, []))
  })
})

test('selectingFieldNames of responses without Vary are one list', () => {
  assert.equal(selectingFieldNames(fieldsOf([])), selectingFieldNames(fieldsOf([['a', '1']])))
})
