import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { answerFrom } from '../../../lib/rfc9111/answer.ts'
import { makeEntry } from '../../../lib/rfc9111/entry.ts'
import { fieldsOf } from '../../../lib/rfc9111/fields.ts'
import { framing, hasBody } from '../../../lib/rfc9111/framing.ts'
import { isHeuristicallyCacheable } from '../../../lib/rfc9111/freshness.ts'
import { agreesWithHead } from '../../../lib/rfc9111/head.ts'
import { formatHttpDate } from '../../../lib/rfc9111/http-date.ts'
import { describesItsTarget } from '../../../lib/rfc9111/invalidation.ts'
import { judge } from '../../../lib/rfc9111/judgement.ts'
import { isSafe } from '../../../lib/rfc9111/methods.ts'
import { forWhole, hasOriginConditions, hasOwnConditions } from '../../../lib/rfc9111/preconditions.ts'
import { staleIfErrorSeconds, staleWhileRevalidateSeconds } from '../../../lib/rfc9111/staleness.ts'
import { refusalToStore } from '../../../lib/rfc9111/storability.ts'
import type { FieldLines, Request, Response } from '../../../lib/rfc9111/types.ts'
import { NOW_MS, DEFAULTS as POLICY } from '../rules/scene.ts'

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
  for (const statusCode of [100, 199, 304]) {
    test(`refuses ${statusCode} whoever asks`, () => {
      const refusal = refusalToStore(GET, response(statusCode, ['Cache-Control', 'max-age=60']), POLICY)
      assert.deepEqual(refusal, { reason: 'status', section: '§3' })
    })
  }
})

test('206 is heuristically cacheable', () => {
  assert.equal(isHeuristicallyCacheable(206), true)
  assert.equal(isHeuristicallyCacheable(302), false)
})

test('the safe methods are those of the registry', () => {
  const safe = ['GET', 'HEAD', 'OPTIONS', 'PRI', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH', 'TRACE']
  const unsafe = ['POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'LOCK', 'MKCOL', 'get', '']
  assert.deepEqual([...safe, ...unsafe].filter(isSafe), safe)
})

describe('freshnessLifetime', () => {
  const LIFETIMES: readonly (readonly [what: string, ms: number, source: string, response: Response])[] = [
    ['stated by max-age', 60_000, 'explicit', response(200, ['Cache-Control', 'max-age=60'])],
    ['stated by an Expires in the past', 0, 'explicit', response(200, ['Expires', formatHttpDate(NOW_MS - 5000)])],
    ['stated by an Expires that is no date', 0, 'explicit', response(200, ['Expires', '0'])],
    ['guessed', 100_000, 'heuristic', response(200, ['Last-Modified', formatHttpDate(NOW_MS - 1_000_000)])],
    ['guessed from the future', 0, 'heuristic', response(200, ['Last-Modified', formatHttpDate(NOW_MS + 5000)])],
    ['not to be guessed from what is no date', 0, 'none', response(200, ['Last-Modified', 'then'])],
    ['not to be guessed from nothing', 0, 'none', response(200)],
    ['not to be guessed for a status', 0, 'none', response(302, ['Last-Modified', formatHttpDate(NOW_MS - 5000)])]
  ]
  for (const [what, ms, source, given] of LIFETIMES) {
    test(what, () => assert.deepEqual(judge(given, POLICY).lifetime, { ms, source }))
  }

  test('by default', () => {
    const policy = { ...POLICY, defaultFreshnessSeconds: 30 }
    assert.deepEqual(judge(response(200), policy).lifetime, { ms: 30_000, source: 'default' })
  })
})

describe('the stale windows', () => {
  for (const [directives, seconds] of [
    ['stale-while-revalidate=5, stale-if-error=5', 5],
    ['stale-while-revalidate=5, stale-if-error=5, must-revalidate', 0],
    ['max-age=5', 0]
  ] as const) {
    test(`of ${directives} are ${seconds} seconds`, () => {
      const judgement = judge(response(200, ['Cache-Control', directives]), POLICY)
      assert.equal(staleWhileRevalidateSeconds(judgement, POLICY), seconds)
      assert.equal(staleIfErrorSeconds(judgement, POLICY), seconds)
    })
  }
})

describe('describesItsTarget', () => {
  for (const [statusCode, expected] of [
    [199, false],
    [200, true],
    [299, true],
    [300, false]
  ] as const) {
    test(`is ${expected} for a ${statusCode}`, () => {
      assert.equal(describesItsTarget(GET, response(statusCode, ['Content-Location', '/'])), expected)
    })
  }
})

describe('hasOwnConditions and hasOriginConditions', () => {
  for (const [name, own, origins] of [
    ['If-None-Match', true, false],
    ['If-Modified-Since', true, false],
    ['If-Match', false, true],
    ['If-Unmodified-Since', false, true],
    ['If-Range', false, false]
  ] as const) {
    test(name, () => {
      const fields = fieldsOf([[name, '']])
      assert.deepEqual([hasOwnConditions(fields), hasOriginConditions(fields)], [own, origins])
    })
  }
})

describe('forWhole', () => {
  test('leaves a request alone that has no conditions of its own', () => {
    const request = { ...GET, fields: fieldsOf([['If-Match', '"a"']]) }
    assert.equal(forWhole(request), request)
  })

  for (const name of ['If-None-Match', 'If-Modified-Since', 'Range']) {
    test(`takes ${name} away, and nothing else`, () => {
      const fields = fieldsOf([
        [name, '"a"'],
        ['X-A', '1'],
        ['X-B', '2'],
        ['x-b', '3'],
        ['__proto__', '4']
      ])
      const { fields: left, ...rest } = forWhole({ ...GET, fields: { ...fields, 'x-c': undefined } })
      const { fields: _, ...others } = GET
      assert.deepEqual(rest, others)
      assert.deepEqual(Object.entries(left), [
        ['x-a', '1'],
        ['x-b', ['2', '3']],
        ['__proto__', '4']
      ])
      assert.notEqual(left['x-b'], fields['x-b'])
    })
  }
})

test('storedLines adds a Date only where there is none', () => {
  const given = response(200, ['date', 'then'])
  assert.deepEqual(makeEntry('1', GET, given, POLICY).lines, [['date', 'then']])
  assert.deepEqual(makeEntry('1', GET, response(200), POLICY).lines, [['Date', 'Thu, 15 Jan 2026 12:00:00 GMT']])
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

  test('knows no length before the body is complete', () => {
    const entry = makeEntry('1', GET, response(200, ['Cache-Control', 'max-age=60']), POLICY)
    assert.equal(agreesWithHead(entry, response(200, ['Content-Length', 'undefined'])), false)
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
