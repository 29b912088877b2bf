import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { answerFrom } from '../../../lib/rfc9111/answer.ts'
import { makeEntry } from '../../../lib/rfc9111/entry.ts'
import { fieldsOf } from '../../../lib/rfc9111/fields.ts'
import { framing, hasBody } from '../../../lib/rfc9111/framing.ts'
import { isHeuristicallyCacheable } from '../../../lib/rfc9111/freshness.ts'
import { agreesWithHead } from '../../../lib/rfc9111/head.ts'
import { judge } from '../../../lib/rfc9111/judgement.ts'
import { isSafe } from '../../../lib/rfc9111/methods.ts'
import { refusalToStore } from '../../../lib/rfc9111/storability.ts'
import type { FieldLines, Policy, Request, Response } from '../../../lib/rfc9111/types.ts'

const NOW_MS = Date.UTC(2026, 0, 15, 12)

const POLICY: Policy = {
  shared: true,
  methods: new Set(['GET', 'HEAD']),
  statusCodes: undefined,
  alwaysCache: false,
  defaultFreshnessSeconds: undefined,
  maxHeuristicSeconds: 86_400,
  retainSeconds: 604_800,
  staleWhileRevalidateSeconds: undefined,
  staleIfErrorSeconds: undefined,
  whenDisconnected: 'error',
  storeSetCookie: false,
  targetList: []
}

const GET: Request = {
  method: 'GET',
  key: 'http://a.test/',
  targetUri: 'http://a.test/',
  fields: fieldsOf([]),
  partition: ''
}

function response(statusCode: number, ...lines: FieldLines): Response {
  return { statusCode, statusText: '', lines, requestTimeMs: NOW_MS, responseTimeMs: NOW_MS }
}

describe('hasBody', () => {
  test('HEAD, 204 and 304 have none', () => {
    assert.equal(hasBody('GET', 200), true)
    assert.equal(hasBody('GET', 404), true)
    assert.equal(hasBody('HEAD', 200), false)
    assert.equal(hasBody('GET', 204), false)
    assert.equal(hasBody('GET', 304), false)
  })
})

describe('framing', () => {
  const FRAMINGS: readonly (readonly [what: string, found: string | undefined, method: string, response: Response])[] =
    [
      ['Content-Length', 'length', 'GET', response(200, ['Content-Length', '5'])],
      ['chunked', 'coding', 'GET', response(200, ['Transfer-Encoding', 'chunked'])],
      [
        'a coding before chunked',
        'coding',
        'GET',
        response(200, ['Transfer-Encoding', 'gzip'], ['transfer-encoding', 'Chunked'])
      ],
      [
        'chunked and Content-Length',
        'coding',
        'GET',
        response(200, ['Transfer-Encoding', 'chunked'], ['Content-Length', '5'])
      ],
      ['identity', undefined, 'GET', response(200, ['Transfer-Encoding', 'Identity'])],
      ['the end of the connection', undefined, 'GET', response(200)],
      ['HEAD', 'none', 'HEAD', response(200, ['Content-Length', '5'])],
      ['204', 'none', 'GET', response(204)]
    ]
  for (const [what, found, method, given] of FRAMINGS) {
    test(`with ${what} is ${found}`, () => assert.equal(framing(given, method), found))
  }
})

describe('refusalToStore', () => {
  for (const statusCode of [100, 199, 206, 304]) {
    test(`refuses ${statusCode} whoever asks`, () => {
      const refusal = refusalToStore(GET, response(statusCode, ['Cache-Control', 'max-age=60']), POLICY)
      assert.deepEqual(refusal, { reason: 'status', section: '§3' })
    })
  }
})

test('206 is heuristically cacheable, although it is not stored', () => {
  assert.equal(isHeuristicallyCacheable(206), true)
  assert.equal(isHeuristicallyCacheable(302), false)
})

test('the safe methods are those of the registry', () => {
  const safe = ['GET', 'HEAD', 'OPTIONS', 'PRI', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH', 'TRACE']
  const unsafe = ['POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'LOCK', 'MKCOL', 'get', '']
  assert.deepEqual([...safe, ...unsafe].filter(isSafe), safe)
})

describe('agreesWithHead', () => {
  test('compares Content-Length with the length of a body that came in chunks', () => {
    const entry = makeEntry('1', GET, response(200, ['Cache-Control', 'max-age=60']), POLICY)
    const update = response(200, ['Content-Length', '5'])
    assert.equal(agreesWithHead(entry, update), false)
    assert.equal(agreesWithHead({ ...entry, completeLength: 5 }, update), true)
    assert.equal(agreesWithHead({ ...entry, completeLength: 6 }, update), false)
  })

  test('believes a stored Content-Length first', () => {
    const entry = makeEntry('1', GET, response(200, ['Cache-Control', 'max-age=60'], ['Content-Length', '5']), POLICY)
    assert.equal(agreesWithHead({ ...entry, completeLength: 6 }, response(200, ['Content-Length', '5'])), true)
  })

  test('takes no length for a validator', () => {
    const entry = makeEntry('1', GET, response(200, ['Cache-Control', 'max-age=60']), POLICY)
    assert.equal(agreesWithHead({ ...entry, completeLength: 5 }, response(200, ['ETag', '5'])), false)
  })
})

describe('makeEntry', () => {
  test('of a response that varies by everything varies by what no request has', () => {
    assert.deepEqual(makeEntry('1', GET, response(200, ['Vary', '*']), POLICY).vary, ['*'])
  })
})

describe('judge', () => {
  const given = response(200, ['Cache-Control', 'max-age=60, s-maxage=100'])

  test('judges a response once for a policy', () => {
    assert.equal(judge(given, POLICY), judge(given, POLICY))
  })

  test('judges again for another policy', () => {
    assert.equal(judge(given, POLICY).lifetime.ms, 100_000)
    assert.equal(judge(given, { ...POLICY, shared: false }).lifetime.ms, 60_000)
    assert.equal(judge(given, POLICY).lifetime.ms, 100_000)
  })
})

describe('answerFrom', () => {
  const entry = makeEntry('1', GET, response(200, ['ETag', '"a"'], ['Age', '1'], ['X-A', '1']), POLICY)
  const conditional = { ...GET, fields: fieldsOf([['If-None-Match', '"a"']]) }

  test('gives one list of lines for an entry and a status', () => {
    const whole = answerFrom(entry, GET, POLICY, NOW_MS)
    const notModified = answerFrom(entry, conditional, POLICY, NOW_MS)
    assert.equal(answerFrom(entry, GET, POLICY, NOW_MS + 1000).lines, whole.lines)
    assert.equal(answerFrom(entry, conditional, POLICY, NOW_MS + 1000).lines, notModified.lines)
    assert.deepEqual(
      whole.lines.map(([name]) => name),
      ['ETag', 'X-A', 'Date']
    )
    assert.deepEqual(
      notModified.lines.map(([name]) => name),
      ['ETag', 'Date']
    )
  })

  test("gives the entry's own lines where there is nothing to leave out", () => {
    const plain = makeEntry('2', GET, response(200, ['X-A', '1']), POLICY)
    assert.equal(answerFrom(plain, GET, POLICY, NOW_MS).lines, plain.lines)
  })

  test('has no body where the entry has none', () => {
    const { body } = answerFrom({ ...entry, method: 'HEAD' }, GET, POLICY, NOW_MS)
    assert.equal(body, 'none')
  })
})
