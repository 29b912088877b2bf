import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { replacementOf } from '../../../lib/rfc9111/replacement.ts'
import type { ByteRange, Entry } from '../../../lib/rfc9111/types.ts'
import { ago, cc, get, ok, type StoredSpec, withBody, withPart } from '../rules/row.ts'
import { DEFAULTS, requestOf, shelfOf } from '../rules/scene.ts'

interface Row {
  readonly id: string
  readonly section: string
  readonly given: { readonly stored: StoredSpec; readonly part: StoredSpec; readonly isCutOff?: boolean }
  /** What is kept and brought up to date is told by the lines that it then has. */
  readonly expect: 'replace' | 'keep' | { readonly has: readonly string[]; readonly lacks?: readonly string[] } | Joined
}

/** Of both: those bytes of the version, and, of the stored body, those before and after what came. */
interface Joined {
  readonly bytes: readonly [number, number]
  readonly before?: ByteRange
  readonly after?: ByteRange
  readonly has: readonly string[]
}

/** Bytes of version "a" out of 10, that came so many seconds ago. */
function part(start: number, end: number, seconds: number, ...lines: string[]): StoredSpec {
  return withPart(start, end, 10, ago(seconds, ok(cc('max-age=60'), 'ETag: "a"', 'Content-Length: 10', ...lines)))
}

/** All of a version that came so many seconds ago. */
function whole(tag: string, seconds: number): StoredSpec {
  return withBody(10, ago(seconds, ok(cc('max-age=60'), `ETag: ${tag}`)))
}

const ROWS: readonly Row[] = [
  {
    id: 'a part takes the place of a smaller one of its version',
    section: '§3.3',
    given: { stored: part(0, 3, 5), part: part(4, 8, 0) },
    expect: 'replace'
  },
  {
    id: 'a part takes the place of a larger one of another version',
    section: '§3.3',
    given: { stored: part(0, 5, 5), part: withPart(0, 2, 10, ago(0, ok(cc('max-age=60'), 'ETag: "b"'))) },
    expect: 'replace'
  },
  {
    id: 'a part takes the place of a larger one of something longer',
    section: '§3.4',
    given: { stored: withPart(0, 5, 11, part(0, 5, 5)), part: part(0, 2, 0) },
    expect: 'replace'
  },
  {
    id: "a part says nothing of another variant's",
    section: '§4.1',
    given: { stored: part(0, 5, 5), part: part(0, 2, 0, 'Vary: X') },
    expect: 'replace'
  },
  {
    id: 'a larger part of the same version stays, with the fields of the smaller one, which is later',
    section: '§3.4',
    given: { stored: part(0, 5, 70, 'X: old', 'Age: 9'), part: part(7, 9, 0, 'X: new') },
    expect: { has: ['X: new', 'Content-Length: 10'], lacks: ['age'] }
  },
  {
    id: 'so does one of as many bytes',
    section: '§3.4',
    given: { stored: part(0, 2, 5, 'X: old'), part: part(7, 9, 0, 'X: new') },
    expect: { has: ['X: new'] }
  },
  {
    id: 'so does one of which a download that broke off has less',
    section: '§3.4',
    given: { stored: part(0, 5, 5), part: part(0, 3, 0, 'X: new'), isCutOff: true },
    expect: { has: ['X: new'] }
  },
  {
    id: 'a larger part that came later stays as it is',
    section: '§3.4',
    given: { stored: part(0, 5, 0), part: part(7, 9, 5) },
    expect: 'keep'
  },
  {
    id: 'a larger part that came at the same time stays as it is',
    section: '§3.4',
    given: { stored: part(0, 5, 0), part: part(7, 9, 0) },
    expect: 'keep'
  },
  {
    id: 'a larger part makes way where, with the fields of the smaller one, it might not be stored',
    section: '§7.3',
    given: {
      stored: withPart(0, 5, 10, ago(5, ok(cc('public, max-age=60'), 'ETag: "a"', 'Set-Cookie: a=1'))),
      part: part(7, 9, 0)
    },
    expect: 'replace'
  },
  {
    id: 'parts that touch are joined, with the fields of the later one',
    section: '§3.4',
    given: { stored: part(0, 5, 5, 'X: old'), part: part(5, 8, 0, 'X: new') },
    expect: { bytes: [0, 8], before: { start: 0, end: 5 }, has: ['X: new'] }
  },
  {
    id: 'so are those of which the stored one came later',
    section: '§3.4',
    given: { stored: part(5, 8, 0, 'X: new'), part: part(0, 5, 5, 'X: old') },
    expect: { bytes: [0, 8], after: { start: 0, end: 3 }, has: ['X: new'] }
  },
  {
    id: 'and those that overlap',
    section: '§3.4',
    given: { stored: part(2, 6, 5), part: part(4, 10, 0) },
    expect: { bytes: [2, 10], before: { start: 0, end: 2 }, has: ['ETag: "a"'] }
  },
  {
    id: 'and what has come of a response that broke off',
    section: '§3.4',
    given: { stored: part(3, 9, 5), part: part(0, 5, 0), isCutOff: true },
    expect: { bytes: [0, 9], after: { start: 2, end: 6 }, has: ['ETag: "a"'] }
  },
  {
    id: 'a part that has all of the stored one takes its place',
    section: '§3.3',
    given: { stored: part(2, 6, 5), part: part(1, 7, 0) },
    expect: 'replace'
  },
  {
    id: 'a part of another version that is newer stays',
    section: '§3.3',
    given: { stored: withPart(0, 2, 10, ago(0, ok(cc('max-age=60'), 'ETag: "b"'))), part: part(0, 5, 5) },
    expect: 'keep'
  },
  {
    id: 'a whole of the same version stays',
    section: '§3.3',
    given: { stored: whole('"a"', 5), part: part(0, 5, 0) },
    expect: 'keep'
  },
  {
    id: 'a whole of another version that is newer stays',
    section: '§3.3',
    given: { stored: whole('"b"', 0), part: part(0, 5, 5) },
    expect: 'keep'
  },
  {
    id: 'a whole of another version that is older makes way',
    section: '§3.3',
    given: { stored: whole('"b"', 5), part: part(0, 5, 0) },
    expect: 'replace'
  },
  {
    id: 'a whole never makes way for what broke off',
    section: '§3.3',
    given: { stored: whole('"b"', 5), part: part(0, 5, 0), isCutOff: true },
    expect: 'keep'
  }
]

function entryOf(spec: StoredSpec): Entry {
  const [stored] = shelfOf(spec, DEFAULTS).lookUp(requestOf(get())).stored
  assert(stored !== undefined)
  return stored.entry
}

describe('what is stored by the time a part has come', () => {
  for (const { id, section, given, expect } of ROWS) {
    test(`${section}: ${id}`, () => {
      const [stored, part] = [given.stored, given.part].map(entryOf) as [Entry, Entry]
      const became = replacementOf(stored, part, given.isCutOff ?? false, requestOf(get()), DEFAULTS)
      if (typeof expect === 'string') {
        return assert.deepEqual(became, expect === 'keep' ? { kind: 'keep', updates: [] } : { kind: 'replace' })
      }
      if ('bytes' in expect) {
        assert(became.kind === 'join')
        const [segment] = became.entry.segments
        assert.deepEqual([became.entry.id, segment?.start, segment?.end], [part.id, ...expect.bytes])
        assert.deepEqual([became.before, became.after], [expect.before, expect.after])
        for (const line of expect.has) assert(became.entry.lines.some(([name, value]) => `${name}: ${value}` === line))
        return
      }
      assert(became.kind === 'keep' && became.updates.length === 1)
      const [{ lines, expiresAtMs: _, ...facts }] = became.updates as [Entry]
      const { lines: __, expiresAtMs: ___, ...before } = stored
      const { requestTimeMs, responseTimeMs } = part
      assert.deepEqual(facts, { ...before, requestTimeMs, responseTimeMs }, 'the body stays')
      const texts = lines.map(([name, value]) => `${name}: ${value}`)
      for (const line of expect.has) assert(texts.includes(line), `${line} in ${texts.join(' | ')}`)
      for (const name of expect.lacks ?? []) assert(!lines.some(([each]) => each.toLowerCase() === name), name)
    })
  }
})
