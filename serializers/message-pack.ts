import { isUint8Array } from 'node:util/types'
import { Packr } from 'msgpackr'
import type { Entry } from '../lib/rfc9111/types.ts'
import { requirePlainMessage } from './plain-message.ts'
import { decodeRecord } from './record.ts'
import { RECORD_VERSION, type Serializer, type StoredRecord } from './serializer.ts'
import { registerBuiltIn } from './serializer-option.ts'

/** Record, entry, list of lines, line. */
const MAX_DEPTH = 4
/** Elements of the array that stands for an entry. */
const ENTRY_LENGTH = 15
/** What MessagePack writes before a byte string of any length: 0xc6 and four bytes. */
const BODY_HEADER_BYTES = 5

/** Strings that do not come back from UTF-8, or not from msgpackr, which takes a byte order mark off long ones. */
const NOT_UTF8 = /^\uFEFF|\p{Surrogate}/u

/** Records as MessagePack, for every store, and the default of all but the memory store.
 *
 * A record is an array, `[version, entry, body or nil]`, and so is an entry, of its properties in the order of
 * `entryToArray`: half the time to decode that maps would take. Bodies are byte strings.
 * What is encoded or decoded shares no memory with what it was made of.
 * `decode` throws a CacheError with ERR_CACHE_RECORD for anything that is no record, or one of another version. */
export class MessagePackSerializer implements Serializer<Uint8Array> {
  readonly name = 'message-pack'
  readonly #packr = new Packr({ useRecords: false, structuredClone: false, moreTypes: false })

  static {
    registerBuiltIn(MessagePackSerializer.prototype)
  }

  encode({ entry, body }: StoredRecord): Uint8Array {
    const packed = this.#packr.pack([RECORD_VERSION, entryToArray(entry), null])
    // Results of pack() lie in a pool.
    return body === undefined ? new Uint8Array(packed) : withBody(packed, body)
  }

  decode(encoded: Uint8Array): StoredRecord {
    return decodeRecord(encoded, bytes => this.#parse(bytes))
  }

  #parse(encoded: Uint8Array): unknown {
    requirePlainMessage(encoded, MAX_DEPTH)
    // A view of its own, since msgpackr leaves a property on what it is given.
    const message = this.#packr.unpack(Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength))
    if (!Array.isArray(message) || message.length !== 3) return { version: message?.[0] }
    return { version: message[0], entry: entryFromArray(message[1]), body: bodyOf(message[2]) }
  }
}

/** The record with its body in the place of the nil at its end, copied once; through pack() it would be twice, and the
 * pool would grow to four times its size. */
function withBody(packed: Uint8Array, body: Uint8Array): Uint8Array {
  const start = packed.length - 1
  const encoded = Buffer.allocUnsafeSlow(start + BODY_HEADER_BYTES + body.length)
  encoded.set(packed.subarray(0, start))
  encoded.writeUInt8(0xc6, start)
  encoded.writeUInt32BE(body.length, start + 1)
  encoded.set(body, start + BODY_HEADER_BYTES)
  return encoded
}

function entryToArray(entry: Entry): unknown[] {
  return [
    entry.id,
    packable(entry.key),
    packable(entry.variantKey),
    entry.vary,
    entry.method,
    entry.statusCode,
    entry.statusText,
    entry.lines,
    entry.trailers,
    entry.requestTimeMs,
    entry.responseTimeMs,
    entry.completeLength ?? null,
    // What reads records of this version takes three elements.
    entry.segments.map(({ start, end }) => [start, end, entry.id]),
    entry.tags.map(packable),
    entry.expiresAtMs
  ]
}

function entryFromArray(array: unknown): { readonly [Name in keyof Entry]: unknown } | undefined {
  if (!Array.isArray(array) || array.length !== ENTRY_LENGTH) return undefined
  return {
    id: array[0],
    key: unpackedString(array[1]),
    variantKey: unpackedString(array[2]),
    vary: array[3],
    method: array[4],
    statusCode: array[5],
    statusText: array[6],
    lines: array[7],
    trailers: array[8],
    requestTimeMs: array[9],
    responseTimeMs: array[10],
    completeLength: array[11] ?? undefined,
    segments: Array.isArray(array[12]) ? array[12].map(segmentFromArray) : undefined,
    tags: Array.isArray(array[13]) ? array[13].map(unpackedString) : undefined,
    expiresAtMs: array[14]
  }
}

function segmentFromArray(array: unknown) {
  if (!Array.isArray(array) || array.length !== 3) return undefined
  return { start: array[0], end: array[1] }
}

/** The decoded bytes are a view of what the store gave. */
function bodyOf(body: unknown): unknown {
  return isUint8Array(body) ? new Uint8Array(body) : (body ?? undefined)
}

function packable(text: string): string | Uint8Array {
  return NOT_UTF8.test(text) ? Buffer.from(text, 'utf16le') : text
}

function unpackedString(value: unknown): unknown {
  return isUint8Array(value) ? Buffer.from(value).toString('utf16le') : value
}
