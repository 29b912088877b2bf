import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import type { ChunkedBody } from '../shared/chunked-body.ts'

/** Layout of a record, numbers little-endian:
 *
 *      0  CRC-32 of what follows
 *      4  magic
 *      8  when it is to be served no more, in milliseconds since the epoch
 *     16  bytes of a body in chunks
 *     24  name of that body, 16 characters; zeros: the body is part of the record
 *     40  serialized record
 */
const MAGIC = 0x31_52_48_55
const FIXED_BYTES = 40
const BODY_NAME_LENGTH = 16
/** The bytes, checksum and magic, by which a record is told from another that has taken its place. */
export const IDENTITY_BYTES = 8

/** What a record says of itself without a serializer. */
export interface RecordHead {
  readonly keptUntilMs: number
  /** undefined: the body is part of the record. */
  readonly body: ChunkedBody<string> | undefined
}

export function encodeRecord({ keptUntilMs, body }: RecordHead, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FIXED_BYTES + payload.byteLength)
  bytes.writeUInt32LE(MAGIC, 4)
  bytes.writeDoubleLE(keptUntilMs, 8)
  if (body !== undefined) {
    bytes.writeDoubleLE(body.byteLength, 16)
    bytes.write(body.name, 24, BODY_NAME_LENGTH, 'latin1')
  }
  bytes.set(payload, FIXED_BYTES)
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

/** undefined where the bytes are damaged. The payload is a view of them. */
export function parseRecord(bytes: Buffer): { readonly head: RecordHead; readonly payload: Buffer } | undefined {
  if (bytes.length < FIXED_BYTES || bytes.readUInt32LE(4) !== MAGIC) return undefined
  if (crc32(bytes.subarray(4)) !== bytes.readUInt32LE(0)) return undefined
  const isChunked = bytes[24] !== 0
  const name = isChunked ? bytes.toString('latin1', 24, 24 + BODY_NAME_LENGTH) : ''
  const body = isChunked ? { name, byteLength: bytes.readDoubleLE(16) } : undefined
  return { head: { keptUntilMs: bytes.readDoubleLE(8), body }, payload: bytes.subarray(FIXED_BYTES) }
}
