import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ageValueSeconds, correctedInitialAgeMs, dateValueMs } from '../../lib/rfc9111/age.ts'
import { answerFrom } from '../../lib/rfc9111/answer.ts'
import { cacheKey, sameOriginUri } from '../../lib/rfc9111/cache-key.ts'
import { formatCacheName, parseCacheStatus } from '../../lib/rfc9111/cache-status.ts'
import { completionOf } from '../../lib/rfc9111/completion.ts'
import { decideFailure } from '../../lib/rfc9111/decide-failure.ts'
import { decideRequest, decideUnstored, type RequestDecision } from '../../lib/rfc9111/decide-request.ts'
import { decideResponse, NO_REVALIDATION } from '../../lib/rfc9111/decide-response.ts'
import { cacheControlDirectives, parseDeltaSeconds, requestDirectives } from '../../lib/rfc9111/directives.ts'
import { freshen, makeEntry } from '../../lib/rfc9111/entry.ts'
import {
  combinedValue,
  fieldsOf,
  firstValue,
  listedNames,
  listMembers,
  trimWhitespace,
  unquote
} from '../../lib/rfc9111/fields.ts'
import { framing } from '../../lib/rfc9111/framing.ts'
import { agreesWithHead } from '../../lib/rfc9111/head.ts'
import { formatHttpDate, parseHttpDate } from '../../lib/rfc9111/http-date.ts'
import { describesItsTarget, invalidatedKeys } from '../../lib/rfc9111/invalidation.ts'
import { ageMs, judge } from '../../lib/rfc9111/judgement.ts'
import { isSafe } from '../../lib/rfc9111/methods.ts'
import { cutOff, isOfSameVersion, partOf, unionOf, withRange } from '../../lib/rfc9111/parts.ts'
import {
  confirmsClient,
  hasOriginConditions,
  hasOwnConditions,
  isNotModified
} from '../../lib/rfc9111/preconditions.ts'
import { replacementOf } from '../../lib/rfc9111/replacement.ts'
import { acceptsStale, forbidsStale, staleIfErrorSeconds } from '../../lib/rfc9111/staleness.ts'
import { refusalToStore } from '../../lib/rfc9111/storability.ts'
import { storedLines, updatedLines } from '../../lib/rfc9111/stored-fields.ts'
import { parseDictionary, parseList } from '../../lib/rfc9111/structured-fields.ts'
import { effectiveDirectives } from '../../lib/rfc9111/targeted.ts'
import type { ByteRange, Entry, FieldLine, FieldLines, Policy, Request, Response } from '../../lib/rfc9111/types.ts'
import { confirmedBy, revalidationOf } from '../../lib/rfc9111/validation.ts'
import { entityTag, hasValidator, listedTags } from '../../lib/rfc9111/validators.ts'
import { selectingFieldNames, variantKey } from '../../lib/rfc9111/vary.ts'
import { FAILURE_OUTCOMES, REQUEST_OUTCOMES, RESPONSE_OUTCOMES } from './rules/outcomes.ts'

const NOW_MS = Date.UTC(2026, 0, 15, 12)

const names = fc.constantFrom(
  ...['Age', 'Authorization', 'Cache-Control', 'CDN-Cache-Control', 'Cache-Status', 'Connection', 'Content-Length'],
  ...['Content-Location', 'Cookie', 'Date', 'ETag', 'Expires', 'If-Match', 'If-Modified-Since', 'If-None-Match'],
  ...[
    'Content-Range',
    'If-Range',
    'Last-Modified',
    'Location',
    'Pragma',
    'Range',
    'Set-Cookie',
    'Transfer-Encoding',
    'Vary',
    'Accept-Language'
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty']
)
const anyNames = fc.oneof({ weight: 3, arbitrary: names }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) })

const directiveNames = fc.constantFrom(
  ...[
    'max-age',
    's-maxage',
    'max-stale',
    'min-fresh',
    'stale-while-revalidate',
    'stale-if-error',
    'no-cache',
    'no-store'
  ],
  ...['private', 'public', 'must-revalidate', 'proxy-revalidate', 'must-understand', 'immutable', 'only-if-cached'],
  ...['__proto__', 'constructor']
)
const directiveArguments = fc.constantFrom(
  '',
  '=',
  '=0',
  '=60',
  '="60"',
  '=x',
  '="a, b"',
  '="a',
  '=99999999999999999999',
  '=?0'
)
const directives = fc
  .array(
    fc.tuple(directiveNames, directiveArguments).map(pair => pair.join('')),
    { maxLength: 5 }
  )
  .map(list => list.join(', '))

const dates = fc.oneof(
  fc.integer({ min: -100_000, max: 100_000 }).map(seconds => formatHttpDate(NOW_MS + seconds * 1000)),
  fc.constantFrom('0', 'Sun Nov  6 08:49:37 1994', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun, 31 Feb 2026 00:00:00 GMT')
)

const values = fc.oneof(
  { weight: 4, arbitrary: directives },
  { weight: 2, arbitrary: dates },
  { weight: 1, arbitrary: fc.constantFrom('bytes=2-', 'bytes=0-4', 'bytes=-3', 'bytes 2-99/100', 'bytes 0-4/100') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...[
        '',
        '*',
        '"a"',
        'W/"a"',
        '"a", W/"b"',
        '"',
        'a, b, *',
        '/y',
        '//b.test/y',
        'http://[',
        '0',
        '5',
        '-1',
        'chunked'
      ],
      ...['en;q=0.5, de', '__proto__', 'constructor, Vary', 'cache-control, date', 'c; hit; ttl=1', '(a b);c, d=:e:']
    )
  },
  { weight: 1, arbitrary: fc.string() }
)
const longValues = fc.tuple(fc.string({ maxLength: 3 }), fc.nat(20_000)).map(([text, times]) => text.repeat(times))
const anyValues = fc.oneof(values, fc.string({ unit: 'binary', maxLength: 40 }), longValues)

const anyLines = fc.array(fc.tuple(anyNames, anyValues), { maxLength: 8 })
const fieldLines = fc.array(fc.tuple(names, values), { maxLength: 8 })
const lines: fc.Arbitrary<FieldLines> = fc.oneof(
  { weight: 3, arbitrary: fieldLines },
  { weight: 1, arbitrary: anyLines }
)

const policies: fc.Arbitrary<Policy> = fc.record({
  shared: fc.boolean(),
  privateByCookie: fc.boolean(),
  methods: fc.constantFrom<ReadonlySet<string>>(new Set(['GET', 'HEAD']), new Set(['GET'])),
  statusCodes: fc.constantFrom<ReadonlySet<number> | undefined>(undefined, new Set([200, 302])),
  alwaysCache: fc.boolean(),
  defaultFreshnessSeconds: fc.constantFrom(undefined, 0, 60, Infinity),
  maxHeuristicSeconds: fc.constantFrom(0, 86_400),
  retainSeconds: fc.constantFrom(0, 604_800),
  staleWhileRevalidateSeconds: fc.constantFrom(undefined, 60),
  staleIfErrorSeconds: fc.constantFrom(undefined, 60),
  whenDisconnected: fc.constantFrom('error', 'stale'),
  storeSetCookie: fc.boolean(),
  targetList: fc.constantFrom([], ['cdn-cache-control'])
})

const requests: fc.Arbitrary<Request> = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'OPTIONS', 'constructor'),
    path: fc.constantFrom('/', '/x', '/y?a=b'),
    lines,
    partition: fc.string({ maxLength: 5 })
  })
  .map(({ method, path, lines: given, partition }) => {
    const targetUri = `http://a.test${path}`
    return { method, key: targetUri, targetUri, fields: fieldsOf(given), partition }
  })

const responses: fc.Arbitrary<Response> = fc.record({
  statusCode: fc.oneof(
    fc.constantFrom(200, 200, 200, 206, 206, 304, 500, 503, 404, 302),
    fc.integer({ min: 100, max: 999 })
  ),
  statusText: fc.string({ maxLength: 5 }),
  lines,
  requestTimeMs: fc.integer({ min: NOW_MS - 200_000, max: NOW_MS + 1000 }),
  responseTimeMs: fc.integer({ min: NOW_MS - 200_000, max: NOW_MS + 1000 })
})

const entries: fc.Arbitrary<Entry> = fc
  .tuple(requests, responses, policies, fc.option(fc.nat(100), { nil: undefined }), fc.nat(100), fc.nat(100))
  .map(([request, response, policy, completeLength = 0, a, b]) => {
    const [start, end] = [Math.min(a, b, completeLength), Math.min(Math.max(a, b), completeLength)]
    const segments = completeLength === 0 ? [] : [{ start, end }]
    return { ...makeEntry('1', request, response, policy), completeLength, segments }
  })

function holds<T extends [unknown, ...unknown[]]>(
  arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> },
  predicate: (...given: T) => void,
  numRuns = 500
): void {
  fc.assert(fc.property(...arbitraries, predicate), { numRuns })
}

describe('no function of the engine throws on what HTTP brings', () => {
  const OF_TEXT: Record<string, (text: string) => unknown> = {
    listMembers,
    trimWhitespace,
    unquote,
    parseDeltaSeconds,
    parseList,
    listedTags,
    formatCacheName,
    isSafe,
    'listMembers, split': text => listMembers(text, 'split'),
    parseHttpDate: text => parseHttpDate(text, NOW_MS),
    sameOriginUri: text => sameOriginUri(text, 'http://a.test/x'),
    cacheKey: text => cacheKey('http://a.test', text, text)
  }
  for (const [name, parse] of Object.entries(OF_TEXT)) test(name, () => holds([anyValues], text => void parse(text)))

  const OF_FIELDS: Record<string, (fields: Request['fields'], name: string) => unknown> = {
    requestDirectives,
    cacheControlDirectives,
    ageValueSeconds,
    selectingFieldNames,
    hasOwnConditions,
    hasOriginConditions,
    entityTag,
    hasValidator,
    combinedValue,
    firstValue,
    listedNames,
    parseDictionary,
    parseCacheStatus,
    effectiveDirectives: fields => effectiveDirectives(fields, { targetList: ['cdn-cache-control', 'vary'] })
  }
  for (const [name, read] of Object.entries(OF_FIELDS)) {
    test(name, () => holds([lines, anyNames], (given, field) => void read(fieldsOf(given), field.toLowerCase())))
  }

  const OF_EXCHANGE: Record<string, (request: Request, response: Response, policy: Policy, entry: Entry) => unknown> = {
    judge: (_, response, policy) => judge(response, policy),
    dateValueMs: (_, response) => dateValueMs(response),
    correctedInitialAgeMs: (_, response) => correctedInitialAgeMs(response),
    forbidsStale: (_, response, policy) => forbidsStale(judge(response, policy), policy),
    acceptsStale: (request, response, policy) =>
      acceptsStale(requestDirectives(request.fields), 1, judge(response, policy), policy),
    staleIfErrorSeconds: (request, response, policy) =>
      staleIfErrorSeconds(judge(response, policy), policy, requestDirectives(request.fields)),
    refusalToStore,
    storedLines: (_, response, policy) =>
      storedLines(response.lines, judge(response, policy).directives, policy, response.responseTimeMs),
    updatedLines: (_, response, __, entry) => updatedLines(entry.lines, response.lines),
    framing: (request, response) => framing(response, request.method),
    agreesWithHead: (_, response, __, entry) => agreesWithHead(entry, response),
    invalidatedKeys,
    describesItsTarget,
    isNotModified: (request, _, __, entry) => isNotModified(request, entry),
    partOf: (_, response) => partOf(response),
    isOfSameVersion: (_, response, __, entry) => isOfSameVersion(entry, { response, completeLength: 100 }),
    replacementOf: (request, response, policy, entry) =>
      replacementOf(entry, { ...entry, ...response }, false, request, policy),
    completionOf: (request, _, __, entry) => completionOf(request, entry),
    cutOff: (_, __, ___, entry) => cutOff(entry, 10, 100),
    confirmsClient: (request, response) => confirmsClient(response, request.fields),
    confirmedBy: (request, response, _, entry) =>
      confirmedBy(response, request, revalidationOf(request, [entry, entry])),
    variantKey: (request, response) => variantKey(request, listedNames(fieldsOf(response.lines), 'vary')),
    makeEntry: (request, response, policy) => makeEntry('1', request, response, policy),
    freshen: (request, response, policy, entry) => freshen(entry, request, response, policy),
    answerFrom: (request, _, policy, entry) => answerFrom(entry, request, policy, NOW_MS)
  }
  for (const [name, call] of Object.entries(OF_EXCHANGE)) {
    test(name, () => holds([requests, responses, policies, entries], (...given) => void call(...given), 200))
  }
})

describe('every decision is one of those that are known, and whole', () => {
  function isKnown(
    decision: RequestDecision | { kind: string; reason: string; section: string },
    outcomes: object
  ): void {
    const outcome = `${decision.kind} ${decision.reason}`
    assert(Object.hasOwn(outcomes, outcome), outcome)
    if (!('answer' in decision)) return
    const { ageSeconds, freshForSeconds, entry } = decision.answer
    assert(Number.isSafeInteger(ageSeconds) && ageSeconds >= 0, `age ${ageSeconds}`)
    assert(!Number.isNaN(freshForSeconds) && !Number.isNaN(entry.expiresAtMs), `fresh for ${freshForSeconds}`)
  }

  function decide(request: Request, stored: readonly Entry[], policy: Policy, nowMs: number): RequestDecision {
    const candidates = { stored: stored.map(entry => ({ entry })), otherVariants: false }
    return decideUnstored(request, policy) ?? decideRequest(request, candidates, policy, nowMs)
  }

  test('of requests, responses and failures', () => {
    holds(
      [requests, responses, fc.array(entries, { maxLength: 3 }), policies],
      (request, response, stored, policy) => {
        const asked = decide(request, stored, policy, NOW_MS)
        isKnown(asked, REQUEST_OUTCOMES)
        const revalidation = 'revalidation' in asked ? asked.revalidation : NO_REVALIDATION
        const completion = asked.kind === 'complete' ? asked.completion : undefined
        const came = decideResponse({ request, response, revalidation, stored, completion, entryId: '2' }, policy)
        isKnown(came, RESPONSE_OUTCOMES)
        isKnown(decideFailure(request, revalidation, policy, NOW_MS), FAILURE_OUTCOMES)
        for (const update of came.updates) assert(stored.some(({ id }) => id === update.id))
        for (const key of came.deletes) assert(key.startsWith('http://a.test/'), key)
        if (came.kind !== 'store') return
        assert(!Number.isNaN(came.entry.expiresAtMs))
        assert.equal(variantKey(request, came.entry.vary), came.entry.variantKey)
      },
      1500
    )
  })

  test('a hit that is not stale is younger than its lifetime, and not of a response that says no-cache', () => {
    holds([requests, entries, policies], (request, entry, policy) => {
      const decision = decide(request, [entry], policy, NOW_MS)
      if (decision.kind !== 'hit' || decision.stale) return
      const judgement = judge(entry, policy)
      assert(ageMs(entry, judgement, NOW_MS) < judgement.lifetime.ms)
      assert.equal(judgement.directives.noCache, false)
    })
  })

  test('what a response forbids to be served stale is not', () => {
    holds([requests, entries, policies], (request, entry, policy) => {
      const decision = decide(request, [entry], policy, NOW_MS)
      const judgement = judge(entry, policy)
      if (judgement.directives.mustRevalidate && 'answer' in decision) {
        assert(ageMs(entry, judgement, NOW_MS) < judgement.lifetime.ms)
      }
    })
  })

  test('what is stored answers the same request, or is validated for it', () => {
    holds([requests, responses, policies], (request, response, policy) => {
      const came = decideResponse({ request, response, revalidation: NO_REVALIDATION, entryId: '1' }, policy)
      if (came.kind !== 'store' || decideUnstored(request, policy) !== undefined) return
      assert.notEqual(decide(request, [came.entry], policy, response.responseTimeMs).kind, 'miss')
    })
  })

  test('what is stored has no hop-by-hop fields', () => {
    holds([requests, responses, policies], (request, response, policy) => {
      const came = decideResponse({ request, response, revalidation: NO_REVALIDATION, entryId: '1' }, policy)
      if (came.kind !== 'store') return
      const { connection, 'transfer-encoding': coding } = fieldsOf(came.entry.lines)
      assert.deepEqual([connection, coding], [undefined, undefined])
    })
  })
})

test('what is stored and what comes are joined into a run of bytes, each once and in order', () => {
  const ranges = fc
    .tuple(fc.nat(30), fc.integer({ min: 1, max: 12 }))
    .map(([start, size]) => ({ start, end: start + size }))
  holds([entries, ranges, ranges], (entry, stored, came) => {
    const held = withRange(entry, stored, 50)
    const union = unionOf(held, came)
    const [heldBytes, cameBytes] = [stored, came].map(({ start, end }) => end - start)
    const contains = stored.start <= came.start && came.end <= stored.end
    if (union === 'stored one') return assert(contains || Number(heldBytes) >= Number(cameBytes))
    if (union === 'new one') return assert(Number(cameBytes) > Number(heldBytes))
    const bytesOf = ({ start, end }: ByteRange) => Array.from({ length: end - start }, (_, i) => start + i)
    const copied = (range: ByteRange | undefined) =>
      range === undefined ? [] : bytesOf(stored).slice(range.start, range.end)
    assert.deepEqual([...copied(union.before), ...bytesOf(came), ...copied(union.after)], bytesOf(union.range))
    assert(union.range.start <= stored.start && stored.end <= union.range.end)
  })
})

describe('what is written is read', () => {
  test('dates, to the second', () => {
    const min = new Date('0000-01-01T00:00:00Z').getTime()
    const max = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
    holds([fc.integer({ min, max })], ms => {
      assert.equal(parseHttpDate(formatHttpDate(ms), NOW_MS), Math.floor(ms / 1000) * 1000)
    })
  })

  test('dates of two digits lie within 50 years ahead and 100 years back', () => {
    const day = 86_400_000
    holds([fc.integer({ min: -49 * 365, max: 49 * 365 })], days => {
      const date = new Date(NOW_MS + days * day)
      const [, dd, month, year, time] = date.toUTCString().split(' ')
      const text = `Monday, ${dd}-${month}-${year?.slice(2)} ${time} GMT`
      const ms = parseHttpDate(text, NOW_MS)
      assert(ms !== undefined && ms <= NOW_MS + 51 * 365 * day && ms > NOW_MS - 100 * 366 * day)
      if (days > -15 * 365) assert.equal(ms, date.getTime())
    })
  })

  test('quoted strings', () => {
    holds([fc.string()], text => {
      assert.equal(unquote(`"${text.replace(/["\\]/g, '\\$&')}"`), text)
    })
  })

  test('lists of tokens and quoted strings', () => {
    const member = fc.oneof(fc.stringMatching(/^[a-z]+$/), fc.constantFrom('"a, b"', 'x="\\", y"', '""'))
    const space = fc.constantFrom('', ' ', '\t', ' , ')
    holds([fc.array(fc.tuple(space, member, space))], members => {
      const list = members.map(parts => parts.join('')).join(',')
      assert.deepEqual(
        listMembers(list),
        members.map(([, text]) => text)
      )
    })
  })

  test('names of caches', () => {
    holds([fc.string()], name => {
      assert.equal(parseCacheStatus(fieldsOf([['Cache-Status', `${formatCacheName(name)}; hit`]]), name)?.hit, true)
    })
  })
})

test('requests select one variant exactly if their selecting fields are equal, where there is nothing to normalise', () => {
  const name = fc.constantFrom('a', 'b', 'c', '__proto__')
  const line: fc.Arbitrary<FieldLine> = fc.tuple(name, fc.constantFrom('', '1', '2', '"'))
  const selecting = fc.uniqueArray(name).map(list => list.sort())
  holds([fc.array(line, { maxLength: 3 }), fc.array(line, { maxLength: 3 }), selecting], (one, other, vary) => {
    const [a, b] = [one, other].map(given => ({ fields: fieldsOf(given), partition: '' }) as Request)
    assert(a !== undefined && b !== undefined)
    const equal = vary.every(field => combinedValue(a.fields, field) === combinedValue(b.fields, field))
    // Empty members of a list make no difference.
    if ([...one, ...other].filter(([, value]) => value === '').length > 0 && !equal) return
    assert.equal(variantKey(a, vary) === variantKey(b, vary), equal)
  })
})
