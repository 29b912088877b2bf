import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import type { ChunkedBody } from '../shared/chunked-body.ts'
import { DIGEST_BYTES } from './layout.ts'

/** Layout of a record, numbers little-endian:
 *
 *      0  CRC-32 of what follows
 *      4  magic
 *      8  position in the order of deletions that it is stored as of
 *     16  number of the change when its response was asked for
 *     24  responseTimeMs
 *     32  when it expires, in real time: milliseconds since the epoch
 *     40  bytes of a body in chunks
 *     48  name of that body; zeros: the body is part of the record
 *     56  digest of the variant key, 32 bytes
 *     88  bytes of the entry's id (1), unused (1), number of tags (2)
 *     92  id, tags of 16 bytes each, serialized record
 */
const MAGIC = 0x31_43_48_55
const FIXED_BYTES = 92
export const BODY_NAME_BYTES = 8
const NO_BODY = Buffer.alloc(BODY_NAME_BYTES)

/** What a record says of itself without a serializer. */
export interface RecordHead {
  readonly asOf: number
  readonly arrival: number
  readonly responseTimeMs: number
  /** In real time, whatever the clock of the cache that has stored it. */
  readonly keptUntilMs: number
  /** undefined: the body is part of the record. */
  readonly body: ChunkedBody<Uint8Array> | undefined
  readonly variantDigest: Buffer
  readonly entryId: string
  readonly tags: readonly Buffer[]
}

export interface ParsedRecord {
  readonly head: RecordHead
  /** The serialized record: a view of the bytes that were parsed. */
  readonly payload: Buffer
  /** Of all of it. */
  readonly byteLength: number
}

export function encodeRecord(head: RecordHead, payload: Uint8Array): Buffer {
  const id = Buffer.from(head.entryId)
  const start = FIXED_BYTES + id.length + head.tags.length * DIGEST_BYTES
  const bytes = Buffer.allocUnsafeSlow(start + payload.byteLength)
  bytes.writeUInt32LE(MAGIC, 4)
  bytes.writeDoubleLE(head.asOf, 8)
  bytes.writeDoubleLE(head.arrival, 16)
  bytes.writeDoubleLE(head.responseTimeMs, 24)
  bytes.writeDoubleLE(head.keptUntilMs, 32)
  bytes.writeDoubleLE(head.body?.byteLength ?? 0, 40)
  bytes.set(head.body?.name ?? NO_BODY, 48)
  bytes.set(head.variantDigest, 56)
  bytes.writeUInt8(id.length, 88)
  bytes.writeUInt8(0, 89)
  bytes.writeUInt16LE(head.tags.length, 90)
  bytes.set(id, FIXED_BYTES)
  for (const [i, tag] of head.tags.entries()) bytes.set(tag, FIXED_BYTES + id.length + i * DIGEST_BYTES)
  bytes.set(payload, start)
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

/** undefined where the bytes are damaged. The head shares no memory with them. */
export function parseRecord(bytes: Uint8Array): ParsedRecord | undefined {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (record.length < FIXED_BYTES || record.readUInt32LE(4) !== MAGIC) return undefined
  if (crc32(record.subarray(4)) !== record.readUInt32LE(0)) return undefined
  const tagsStart = FIXED_BYTES + record.readUInt8(88)
  const start = tagsStart + record.readUInt16LE(90) * DIGEST_BYTES
  if (start > record.length) return undefined
  const head = new StoredHead(Buffer.from(record.subarray(0, start)), tagsStart)
  return { head, payload: record.subarray(start), byteLength: record.length }
}

/** Read as it is asked for: most of it is, most often, not. */
class StoredHead implements RecordHead {
  readonly asOf: number
  readonly variantDigest: Buffer
  readonly #bytes: Buffer
  readonly #tagsStart: number

  constructor(bytes: Buffer, tagsStart: number) {
    this.asOf = bytes.readDoubleLE(8)
    this.variantDigest = bytes.subarray(56, 88)
    this.#bytes = bytes
    this.#tagsStart = tagsStart
  }

  get arrival(): number {
    return this.#bytes.readDoubleLE(16)
  }

  get responseTimeMs(): number {
    return this.#bytes.readDoubleLE(24)
  }

  get keptUntilMs(): number {
    return this.#bytes.readDoubleLE(32)
  }

  get body(): ChunkedBody<Uint8Array> | undefined {
    const name = this.#bytes.subarray(48, 48 + BODY_NAME_BYTES)
    return name.equals(NO_BODY) ? undefined : { name, byteLength: this.#bytes.readDoubleLE(40) }
  }

  get entryId(): string {
    return this.#bytes.toString('latin1', FIXED_BYTES, this.#tagsStart)
  }

  get tags(): readonly Buffer[] {
    const tags: Buffer[] = []
    for (let at = this.#tagsStart; at < this.#bytes.length; at += DIGEST_BYTES) {
      tags.push(this.#bytes.subarray(at, at + DIGEST_BYTES))
    }
    return tags
  }
}
