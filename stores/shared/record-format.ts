import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { StoredRecord } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import { decodePayload, encodePayload } from './record-payload.ts'
import { parseVaryLists, type VaryLists } from './vary-lists.ts'

/** Layout of a record, numbers little-endian:
 *
 *      0  magic
 *      8  CRC-32 of the bytes from 12 to the end of the head
 *     12  bytes of the lists, in the head after its fixed part and the tags
 *     16  number of tags, of 16 bytes each
 *     20  bytes of the serialized record, after the head
 *     24  CRC-32 of the serialized record
 *     28  1 where the body is stored apart
 *     32  bytes of that body
 *     40  when it expires, in real time: milliseconds since the epoch
 *     48  position in the log of deletions: ordinal
 *     56  position in the log of deletions: epoch
 *     72  id of that body
 *     88  digest of the variant key
 *    120  tags, lists, record
 */
const MAGIC = Buffer.from('uhc-rec1')
/** Larger files are not written, nor read: they are none of ours, or damaged. */
export const MAX_RECORD_BYTES = 16_777_216
const FIXED_BYTES = 120
const TAG_BYTES = 16

/** What a record says of itself without a serializer. */
export interface RecordHead {
  readonly variantDigest: string
  /** The names of the fields that select this response. */
  readonly vary: readonly string[]
  /** In the record that bears the key's own name: the lists of names that select others. */
  readonly lists: VaryLists
  readonly tags: readonly string[]
  /** In real time, whatever the clock of the cache that has stored it. */
  readonly keptUntilMs: number
  readonly epoch: string
  readonly ordinal: number
  /** undefined: the body is part of the record. */
  readonly body: { readonly id: string; readonly byteLength: number } | undefined
}

/** A head and where the record lies that follows it. */
export interface ParsedHead {
  readonly head: RecordHead
  readonly recordStart: number
  readonly recordBytes: number
  readonly recordChecksum: number
}

/** The bytes of a record, whole; without `parsed` they are damaged. */
export interface WholeRecord {
  readonly bytes: Buffer
  readonly parsed: ParsedHead | undefined
}

/** The record of an entry. Credentials can be part of a variant key: only its digest is kept. */
export function encodeEntry(
  serializer: BytesSerializer,
  head: RecordHead,
  entry: Entry,
  body: Uint8Array | undefined
): Buffer {
  return encodeRecord(head, encodePayload(serializer, entry, `sha256-${head.variantDigest}`, body))
}

/** undefined where it is damaged. */
export function decodeRecord(serializer: BytesSerializer, { bytes, parsed }: WholeRecord): StoredRecord | undefined {
  const payload = parsed === undefined ? undefined : payloadOf(bytes, parsed)
  return payload === undefined ? undefined : decodePayload(serializer, payload)
}

/** When the first record of a key is kept until that only says where others are found: its own response was removed. */
export const HOLLOW_MS = 0

/** What stays of the first record of a key whose response is removed: what others are found by. */
export function encodeHollow(head: RecordHead): Buffer {
  return encodeRecord({ ...head, tags: [], keptUntilMs: HOLLOW_MS, body: undefined }, new Uint8Array())
}

/** A record, whole. */
export function encodeRecord(head: RecordHead, record: Uint8Array): Buffer {
  const { vary, lists, tags, body } = head
  const names = vary.length === 0 && lists.length === 0 ? '' : JSON.stringify([vary, ...lists])
  const listBytes = Buffer.byteLength(names)
  const start = FIXED_BYTES + tags.length * TAG_BYTES + listBytes
  const bytes = Buffer.alloc(start + record.byteLength)
  bytes.set(MAGIC)
  bytes.writeUInt32LE(listBytes, 12)
  bytes.writeUInt32LE(tags.length, 16)
  bytes.writeUInt32LE(record.byteLength, 20)
  bytes.writeUInt32LE(crc32(record), 24)
  bytes.writeUInt32LE(body === undefined ? 0 : 1, 28)
  bytes.writeDoubleLE(body?.byteLength ?? 0, 32)
  bytes.writeDoubleLE(head.keptUntilMs, 40)
  bytes.writeDoubleLE(head.ordinal, 48)
  bytes.write(head.epoch, 56, 'hex')
  bytes.write(body?.id ?? '', 72, 'hex')
  bytes.write(head.variantDigest, 88, 'hex')
  for (const [i, tag] of tags.entries()) bytes.write(tag, FIXED_BYTES + i * TAG_BYTES, 'hex')
  bytes.write(names, start - listBytes)
  bytes.writeUInt32LE(crc32(bytes.subarray(12, start)), 8)
  bytes.set(record, start)
  return bytes
}

/** How many bytes a head has, by its first ones; undefined where they are not those of a record. */
export function headBytes(bytes: Buffer): number | undefined {
  if (bytes.byteLength < FIXED_BYTES || bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) !== 0) return undefined
  return FIXED_BYTES + bytes.readUInt32LE(16) * TAG_BYTES + bytes.readUInt32LE(12)
}

/** The head of a record; undefined where it is damaged. Shares no memory with `bytes`. */
export function parseHead(bytes: Buffer): ParsedHead | undefined {
  const start = headBytes(bytes)
  if (start === undefined || start > bytes.byteLength) return undefined
  if (crc32(bytes.subarray(12, start)) !== bytes.readUInt32LE(8)) return undefined
  const tags: string[] = []
  const tagCount = bytes.readUInt32LE(16)
  for (let i = 0, at = FIXED_BYTES; i < tagCount; i++, at += TAG_BYTES) {
    tags.push(bytes.toString('hex', at, at + TAG_BYTES))
  }
  const listStart = FIXED_BYTES + tagCount * TAG_BYTES
  const names = listStart === start ? [] : parseVaryLists(bytes.toString('utf8', listStart, start))
  if (names === undefined) return undefined
  const [vary = [], ...lists] = names
  const hasBody = bytes.readUInt32LE(28) === 1
  const head: RecordHead = {
    variantDigest: bytes.toString('hex', 88, 120),
    vary,
    lists,
    tags,
    keptUntilMs: bytes.readDoubleLE(40),
    epoch: bytes.toString('hex', 56, 72),
    ordinal: bytes.readDoubleLE(48),
    body: hasBody ? { id: bytes.toString('hex', 72, 88), byteLength: bytes.readDoubleLE(32) } : undefined
  }
  return { head, recordStart: start, recordBytes: bytes.readUInt32LE(20), recordChecksum: bytes.readUInt32LE(24) }
}

/** The serialized record, as a view; undefined where it is damaged, or the bytes are too few or too many. */
function payloadOf(bytes: Buffer, parsed: ParsedHead): Uint8Array | undefined {
  const { recordStart, recordBytes, recordChecksum } = parsed
  if (bytes.byteLength !== recordStart + recordBytes) return undefined
  const record = bytes.subarray(recordStart)
  return crc32(record) === recordChecksum ? record : undefined
}
