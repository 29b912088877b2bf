// Reading a field takes time in proportion to its length, whatever it says.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ageValueSeconds } from '../../lib/rfc9111/age.ts'
import { parseCacheStatus } from '../../lib/rfc9111/cache-status.ts'
import { cacheControlDirectives, requestDirectives } from '../../lib/rfc9111/directives.ts'
import { freshen, makeEntry } from '../../lib/rfc9111/entry.ts'
import { fieldsOf } from '../../lib/rfc9111/fields.ts'
import { parseHttpDate } from '../../lib/rfc9111/http-date.ts'
import { isNotModified } from '../../lib/rfc9111/preconditions.ts'
import { selection } from '../../lib/rfc9111/ranges.ts'
import { storedLines } from '../../lib/rfc9111/stored-fields.ts'
import { parseDictionary, parseList } from '../../lib/rfc9111/structured-fields.ts'
import { effectiveDirectives } from '../../lib/rfc9111/targeted.ts'
import type { Entry, FieldLines, Request } from '../../lib/rfc9111/types.ts'
import { revalidationOf } from '../../lib/rfc9111/validation.ts'
import { selectingFieldNames, variantKey } from '../../lib/rfc9111/vary.ts'
import { DEFAULTS, NOW_MS, ORIGIN } from '../rfc9111/rules/scene.ts'

/** What one pass takes of 10,000 against 1,000; it is 10 where time is in proportion, 100 where it grows with the square. */
const MOST = 35
const FEW = 1000
const MANY = 10_000

const BUILDERS: Readonly<Record<string, (i: number) => string>> = {
  'the same directive with fields': () => 'private="a,b"',
  'no-cache with fields': i => `no-cache="x-${i}"`,
  'directives of many names': i => `x-${i}=${i}`,
  'one directive': () => 'max-age=60',
  'quoted strings': i => `x-${i}="${'\\"'.repeat(4)}"`,
  'open quotes': () => 'a="b',
  'empty members': () => '',
  'white space': () => '   ',
  'words with white space': () => 'no store',
  'names of fields': i => `x-${i}`,
  'entity tags': i => `"${i}"`,
  'weak entity tags': i => `W/"${i}"`,
  'tags without an end': () => '"a, W/',
  'ranges of bytes': i => `bytes=${i}-${i}`,
  'dictionary members': i => `a${i}=${i};b="c"`,
  'inner lists': () => '("a" "b")',
  parameters: () => 'a;b=1;c',
  languages: i => `en-${i};q=0.5`,
  dates: () => 'Thu, 15 Jan 2026 12:00:00 GMT',
  digits: () => '1234567890'
}

const ENTRY: Entry = makeEntry('1', requestOf([]), responseOf([['ETag', '"1"']]), DEFAULTS)

/** What is done with the value of a field, in one line or in many. */
const READERS: Readonly<Record<string, (lines: (name: string) => FieldLines) => unknown>> = {
  'Cache-Control of a response': lines => cacheControlDirectives(fieldsOf(lines('cache-control'))),
  'Cache-Control of a request': lines => requestDirectives(fieldsOf(lines('cache-control'))),
  Pragma: lines => requestDirectives(fieldsOf(lines('pragma'))),
  'a targeted field': lines =>
    effectiveDirectives(fieldsOf(lines('cdn-cache-control')), { targetList: ['cdn-cache-control'] }),
  'a Dictionary': lines => parseDictionary(fieldsOf(lines('a')), 'a'),
  'a List': lines =>
    parseList(
      lines('a')
        .map(([, value]) => value)
        .join()
    ),
  'Cache-Status': lines => parseCacheStatus(fieldsOf(lines('cache-status')), 'a'),
  Vary: lines => selectingFieldNames(fieldsOf(lines('vary'))),
  'a stored Vary': lines => makeEntry('1', requestOf([]), responseOf(lines('vary')), DEFAULTS),
  'the Vary of a 304': lines => freshen(ENTRY, requestOf([]), responseOf(lines('vary')), DEFAULTS),
  'a selecting field': lines => variantKey(requestOf(lines('accept')), ['accept']),
  'Accept-Language': lines => variantKey(requestOf(lines('accept-language')), ['accept-language']),
  Cookie: lines => variantKey(requestOf(lines('cookie')), ['cookie']),
  Connection: lines => storedLines(lines('connection'), cacheControlDirectives(fieldsOf([])), DEFAULTS, NOW_MS),
  'If-None-Match': lines => isNotModified(requestOf(lines('if-none-match')), ENTRY),
  'If-None-Match, sent': lines => revalidationOf(requestOf(lines('if-none-match')), [ENTRY]),
  Range: lines => selection(requestOf(lines('range')), { ...ENTRY, completeLength: 10 }),
  'If-Range': lines =>
    selection(requestOf([['range', 'bytes=0-1'], ...lines('if-range')]), { ...ENTRY, completeLength: 10 }),
  Age: lines => ageValueSeconds(fieldsOf(lines('age'))),
  'a date': lines =>
    parseHttpDate(
      lines('date')
        .map(([, value]) => value)
        .join(),
      NOW_MS
    )
}

for (const [reader, read] of Object.entries(READERS)) {
  describe(`${reader} is read in time that grows with its length`, () => {
    for (const [what, build] of Object.entries(BUILDERS)) {
      for (const [how, linesOf] of [
        ['in one line', inOneLine],
        ['in many lines', inManyLines]
      ] as const) {
        test(`${what}, ${how}`, () => {
          const [few, many] = [FEW, MANY].map(count => Array.from({ length: count }, (_, i) => build(i)))
          assert.ok(few && many)
          const run = (values: readonly string[]) => read(name => linesOf(name, values))
          let ratio = Infinity
          for (let i = 0; i < 5 && ratio > MOST; i++) {
            const base = bestOf(4, () => run(few))
            const longer = bestOf(2, () => run(many))
            // What takes next to no time says nothing of proportions.
            ratio = longer < 10 ? 0 : longer / Math.max(base, 0.02)
          }
          assert.ok(ratio <= MOST, `${MANY} take ${ratio.toFixed(0)} times as long as ${FEW}`)
        })
      }
    }
  })
}

function bestOf(count: number, run: () => unknown): number {
  let best = Infinity
  for (let i = 0; i < count; i++) {
    const begun = performance.now()
    run()
    best = Math.min(best, performance.now() - begun)
  }
  return best
}

function inOneLine(name: string, values: readonly string[]): FieldLines {
  return [[name, values.join(',')]]
}

function inManyLines(name: string, values: readonly string[]): FieldLines {
  return values.map(value => [name, value] as const)
}

function requestOf(lines: FieldLines): Request {
  return { method: 'GET', key: `${ORIGIN}/`, targetUri: `${ORIGIN}/`, fields: fieldsOf(lines), partition: '' }
}

function responseOf(lines: FieldLines) {
  return { statusCode: 200, statusText: 'OK', lines, requestTimeMs: NOW_MS, responseTimeMs: NOW_MS }
}
