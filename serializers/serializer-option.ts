import { isPromise, isUint8Array } from 'node:util/types'
import { optionError } from '../lib/errors.ts'
import { decodeRecord } from './record.ts'
import { RECORD_VERSION, type Serializer, type StoredRecord } from './serializer.ts'

/** What every store takes: a serializer to bytes. */
export type BytesSerializer = Serializer<Uint8Array>

interface Requirement {
  readonly expected: string
  meets(encoded: unknown): boolean
}

const ANYTHING: Requirement = {
  expected: 'a serializer that encodes at once, without a promise',
  meets: encoded => encoded !== undefined && !isPromise(encoded)
}

const BYTES: Requirement = {
  expected: 'a serializer that encodes to a Uint8Array, as JsonBytesSerializer and MessagePackSerializer do',
  meets: isUint8Array
}

/** Part of the names of files and keys. */
const NAME = /^[A-Za-z\d][\w.+~-]{0,63}$/

const SAMPLE: StoredRecord = {
  version: RECORD_VERSION,
  entry: {
    id: 'sample',
    key: 'https://sample.invalid/',
    variantKey: 'GET\n',
    vary: [],
    method: 'GET',
    statusCode: 200,
    statusText: 'OK',
    lines: [['Content-Length', '1']],
    trailers: [],
    requestTimeMs: 0,
    responseTimeMs: 0,
    completeLength: 1,
    segments: [{ start: 0, end: 1 }],
    tags: [],
    expiresAtMs: Number.POSITIVE_INFINITY
  },
  body: new Uint8Array(1)
}

const builtIns = new WeakSet<object>()

/** Says that the serializers with this prototype check what they decode, and encode what their type says. */
export function registerBuiltIn(prototype: Serializer): void {
  builtIns.add(prototype)
}

/** Whether nothing that it decodes shares memory with what it was given. */
export function decodesCopies(serializer: Serializer): boolean {
  return builtIns.has(Object.getPrototypeOf(serializer))
}

/** The serializer that a store of bytes is given as an option, such that the store need check nothing more.
 *
 * One of this package's is returned as it is. One of the user's own is wrapped: an `encode` that returns anything but a
 * Uint8Array throws the TypeError below, and `decode` checks the record that it gets, and throws a CacheError with
 * ERR_CACHE_RECORD, with what was thrown as its cause, for anything else.
 *
 * Throws a TypeError with ERR_CACHE_OPTION that names `option` for what is no serializer, whose name is not 1 to 64 of
 * the characters A-Z a-z 0-9 _ . + ~ - with a letter or digit first, or which does not encode to bytes. To know, a
 * small sample record is encoded; where that throws, the first encoded response tells. */
export function acceptBytesSerializer(value: unknown, option = 'serializer'): BytesSerializer {
  return accept(value, option, BYTES) as BytesSerializer
}

/** As acceptBytesSerializer, for a store that keeps whatever a serializer makes, except nothing and promises. */
export function acceptSerializer(value: unknown, option = 'serializer'): Serializer {
  return accept(value, option, ANYTHING)
}

function accept(value: unknown, option: string, requirement: Requirement): Serializer {
  if (!isSerializer(value)) throw optionError(option, 'an object with name, encode and decode', value)
  if (!NAME.test(value.name)) throw optionError(`${option}.name`, `a name that matches ${NAME}`, value.name)
  if (isKnownToMiss(value, requirement)) throw optionError(option, requirement.expected, value)
  return decodesCopies(value) ? value : guard(value, option, requirement)
}

function isSerializer(value: unknown): value is Serializer {
  if (typeof value !== 'object' || value === null) return false
  const { name, encode, decode } = value as Partial<Record<keyof Serializer, unknown>>
  return typeof name === 'string' && typeof encode === 'function' && typeof decode === 'function'
}

function isKnownToMiss(serializer: Serializer, requirement: Requirement): boolean {
  try {
    return !requirement.meets(serializer.encode(SAMPLE))
  } catch {
    return false
  }
}

function guard(serializer: Serializer, option: string, requirement: Requirement): Serializer {
  return {
    name: serializer.name,
    encode(record) {
      const encoded = serializer.encode(record)
      if (!requirement.meets(encoded)) throw optionError(option, requirement.expected, serializer)
      return encoded
    },
    decode(encoded) {
      return decodeRecord(encoded, serializer.decode.bind(serializer))
    }
  }
}
