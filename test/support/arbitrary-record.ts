import fc from 'fast-check'
import type { Entry, FieldLine } from '../../lib/rfc9111/types.ts'
import type { StoredRecord } from '../../serializers/serializer.ts'

const NOW_MS = Date.UTC(2026, 10, 23)
const RECORD_VERSION: StoredRecord['version'] = 1

/** A small response, with every property at a value of its own. */
export function sampleRecord(changes: Partial<Entry> = {}, body: Uint8Array | undefined = Buffer.from('{}')) {
  const entry: Entry = {
    id: 'entry-1',
    key: 'https://example.com/a?b=1',
    variantKey: 'GET\n\naccept-encoding:gzip',
    vary: ['accept-encoding'],
    method: 'GET',
    statusCode: 200,
    statusText: 'OK',
    lines: [
      ['Content-Type', 'application/json'],
      ['Vary', 'Accept-Encoding']
    ],
    trailers: [['Server-Timing', 'db;dur=53']],
    requestTimeMs: NOW_MS,
    responseTimeMs: NOW_MS + 20,
    completeLength: 2,
    segments: [{ start: 0, end: 2 }],
    tags: ['origin:https://example.com'],
    expiresAtMs: NOW_MS + 60_000,
    ...changes
  }
  const record: StoredRecord = { version: RECORD_VERSION, entry }
  return body === undefined ? record : { ...record, body: new Uint8Array(body) }
}

const unit = (max: number) => fc.integer({ min: 0, max }).map(code => String.fromCharCode(code))

/** Any string, lone surrogates and byte order marks included. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: unit(0xffff) }),
  fc.string({ unit: 'binary', minLength: 60, maxLength: 400 }).map(text => `\uFEFF${text}`)
)

/** What a field value can hold: the characters of latin1 but NUL, LF and CR. */
const content = fc.oneof(
  fc.string({ unit: unit(0xff) }).map(text => text.replace(/[\0\r\n]/g, ' ')),
  fc.string({ minLength: 1, maxLength: 8 }).map(text => text.repeat(40))
)
const TOKEN_CHARACTERS = [..."!#$%&'*+-.^_`|~0123456789abcxyzABCXYZ"]
const token = fc.oneof(
  fc.constantFrom('Set-Cookie', 'set-cookie', 'SET-COOKIE', '__proto__', 'constructor', 'toString', '0', '10'),
  fc.string({ unit: fc.constantFrom(...TOKEN_CHARACTERS), minLength: 1, maxLength: 40 })
)
const lines = fc.array(fc.tuple(token, content) as fc.Arbitrary<FieldLine>, { maxLength: 30 })
const identifier = fc.stringMatching(/^[\w-]{1,128}$/)
const time = fc.integer({ min: 0, max: 8.64e15 })

const extent = fc.oneof(
  fc.record({ completeLength: fc.constant(undefined), segments: segmentsWithin(Number.MAX_SAFE_INTEGER) }),
  fc
    .oneof(fc.nat(), fc.nat(Number.MAX_SAFE_INTEGER))
    .chain(length => fc.record({ completeLength: fc.constant(length), segments: segmentsWithin(length) }))
)

function segmentsWithin(length: number) {
  const segment = fc.tuple(fc.nat(length), fc.nat(length)).map(([a, b]) => {
    return { start: Math.min(a, b), end: Math.max(a, b) }
  })
  return fc.array(segment, { maxLength: 4 })
}

/** Any entry that a cache could hold. */
export const anyEntry: fc.Arbitrary<Entry> = fc
  .record({
    id: identifier,
    key: anyText,
    variantKey: anyText,
    vary: fc.uniqueArray(token, { maxLength: 4 }).map(names => [...new Set(names.map(n => n.toLowerCase()))].sort()),
    method: fc.constantFrom('GET' as const, 'HEAD' as const),
    statusCode: fc.integer({ min: 200, max: 599 }),
    statusText: content,
    lines,
    trailers: lines,
    requestTimeMs: time,
    responseTimeMs: time,
    extent,
    tags: fc.array(anyText, { maxLength: 4 }),
    expiresAtMs: fc.oneof(time, fc.constant(Number.POSITIVE_INFINITY), fc.double({ min: 1, noNaN: true }))
  })
  .map(({ extent, ...entry }) => ({ ...entry, ...extent }))

/** Any bytes, among them text of every alphabet, with a byte order mark, without, and cut within a character. */
export const anyBody: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  fc.string({ unit: 'binary', maxLength: 500 }).map(text => new TextEncoder().encode(text)),
  fc.string({ unit: 'binary', maxLength: 500 }).map(text => new TextEncoder().encode(`\uFEFF${text}`)),
  fc.string({ unit: 'binary', maxLength: 500 }).map(text => new TextEncoder().encode(text).slice(0, -1))
)

/** Any record, with a body or without one. */
export const anyRecord: fc.Arbitrary<StoredRecord> = fc
  .tuple(anyEntry, fc.option(anyBody, { nil: undefined }))
  .map(([entry, body]) =>
    body === undefined ? { version: RECORD_VERSION, entry } : { version: RECORD_VERSION, entry, body }
  )
