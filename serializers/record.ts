import { isUint8Array } from 'node:util/types'
import { CacheError } from '../lib/errors.ts'
import type { ByteRange, Entry, FieldLine, FieldLines } from '../lib/rfc9111/types.ts'
import { RECORD_VERSION, type StoredRecord } from './serializer.ts'

/** What claims to have the properties of T; none has been looked at. */
type Unchecked<T> = { readonly [Name in keyof T]?: unknown }

/** RFC 9110 §5.6.2, as a table: a regular expression takes twice the time, and a name is checked for every line. */
const TOKEN_CHARACTERS = tableOf("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
/** Strings stand for latin1 bytes; a character beyond could turn into a line break where they become bytes again. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: every byte but NUL, LF and CR may stand in a field value
const NOT_FIELD_CONTENT = /[^\x01-\x09\x0b\x0c\x0e-\xff]/
/** Stores make names of files and keys from identifiers. */
const IDENTIFIER = /^[\w-]{1,128}$/
/** The last moment that a Date can express. */
const MAX_TIME_MS = 8.64e15

/** The record that `parse` finds in what a store kept, checked like readRecord's.
 * Throws a CacheError with ERR_CACHE_RECORD whatever goes wrong; what `parse` threw is its cause. */
export function decodeRecord<Encoded>(encoded: Encoded, parse: (encoded: Encoded) => unknown): StoredRecord {
  try {
    return readRecord(parse(encoded))
  } catch (error) {
    if (Object(error).code === 'ERR_CACHE_RECORD') throw error
    throw new CacheError('ERR_CACHE_RECORD', 'not a record: it cannot be read', { cause: error })
  }
}

/** A record made anew from the known properties of `value`, each of the type and within the bounds that its own type
 * states; others are left out. The body is not copied.
 * Throws a CacheError with ERR_CACHE_RECORD that names the first property which is not as it should be. */
export function readRecord(value: unknown): StoredRecord {
  const { version, entry, body } = readProperties<StoredRecord>(value, 'record')
  if (version !== RECORD_VERSION) throw notRecord('version')
  const checked = readEntry(readProperties<Entry>(entry, 'entry'))
  if (body === undefined) return { version: RECORD_VERSION, entry: checked }
  if (!isUint8Array(body)) throw notRecord('body')
  return { version: RECORD_VERSION, entry: checked, body }
}

function readEntry(entry: Unchecked<Entry>): Entry {
  const { method, completeLength } = entry
  if (method !== 'GET' && method !== 'HEAD') throw notRecord('method')
  if (completeLength !== undefined && !isCount(completeLength)) throw notRecord('completeLength')
  return {
    id: readIdentifier(entry.id, 'id'),
    key: readString(entry.key, 'key'),
    variantKey: readString(entry.variantKey, 'variantKey'),
    vary: readVary(entry.vary),
    method,
    statusCode: readStatusCode(entry.statusCode),
    statusText: readContent(entry.statusText, 'statusText'),
    lines: readLines(entry.lines, 'lines'),
    trailers: readLines(entry.trailers, 'trailers'),
    requestTimeMs: readTime(entry.requestTimeMs, 'requestTimeMs'),
    responseTimeMs: readTime(entry.responseTimeMs, 'responseTimeMs'),
    completeLength,
    segments: readSegments(entry.segments, completeLength),
    tags: readList(entry.tags, 'tags', readString),
    expiresAtMs: readExpiry(entry.expiresAtMs)
  }
}

function readVary(value: unknown): readonly string[] {
  const names = readList(value, 'vary', readContent)
  let previous = ''
  for (const name of names) {
    if (name <= previous || name !== name.toLowerCase()) throw notRecord('vary')
    previous = name
  }
  return names
}

function readLines(value: unknown, what: string): FieldLines {
  return readList(value, what, readLine)
}

function readLine(value: unknown, what: string): FieldLine {
  if (!Array.isArray(value) || value.length !== 2) throw notRecord(what)
  const name: unknown = value[0]
  if (typeof name !== 'string' || !isToken(name)) throw notRecord(what)
  return [name, readContent(value[1], what)]
}

function readSegments(value: unknown, completeLength = Number.MAX_SAFE_INTEGER): readonly ByteRange[] {
  return readList(value, 'segments', (segment, what) => {
    const { start, end } = readProperties<ByteRange>(segment, what)
    if (!isCount(start) || !isCount(end) || start > end || end > completeLength) throw notRecord(what)
    return { start, end }
  })
}

function readStatusCode(value: unknown): number {
  if (!isCount(value) || value < 200 || value > 599) throw notRecord('statusCode')
  return value
}

function readTime(value: unknown, what: string): number {
  if (!isAmount(value) || value > MAX_TIME_MS) throw notRecord(what)
  return value
}

function readExpiry(value: unknown): number {
  if (!isAmount(value)) throw notRecord('expiresAtMs')
  return value
}

function readContent(value: unknown, what: string): string {
  const content = readString(value, what)
  if (NOT_FIELD_CONTENT.test(content)) throw notRecord(what)
  return content
}

function readIdentifier(value: unknown, what: string): string {
  const identifier = readString(value, what)
  if (!IDENTIFIER.test(identifier)) throw notRecord(what)
  return identifier
}

function readString(value: unknown, what: string): string {
  if (typeof value !== 'string') throw notRecord(what)
  return value
}

/** A plain array without holes, whatever array it is made from. */
function readList<T>(value: unknown, what: string, read: (item: unknown, what: string) => T): readonly T[] {
  if (!Array.isArray(value)) throw notRecord(what)
  const list: T[] = []
  for (let i = 0; i < value.length; i++) list.push(read(value[i], what))
  return list
}

function readProperties<T>(value: unknown, what: string): Unchecked<T> {
  if (typeof value !== 'object' || value === null) throw notRecord(what)
  return value as Unchecked<T>
}

function isCount(value: unknown): value is number {
  return isAmount(value) && Number.isSafeInteger(value)
}

/** Infinity is one; NaN and minus zero, which no number written here is, are none. */
function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && !Object.is(value, -0)
}

function isToken(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    if (TOKEN_CHARACTERS[name.charCodeAt(i)] !== 1) return false
  }
  return name !== ''
}

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(128)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}

/** Names the property, never its value: what is stored may be confidential. */
function notRecord(what: string): CacheError {
  return new CacheError('ERR_CACHE_RECORD', `not a record of version ${RECORD_VERSION}: ${what}`)
}
