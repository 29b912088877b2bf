import type { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { CacheError } from '../../lib/errors.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'

/** Larger bodies are stored in chunks; smaller ones are part of the record. Bytes. */
export const MAX_INLINE_BYTES = 65_536
/** Bytes of the checksum that a chunk begins with. */
export const CHECKSUM_BYTES = 4

/** A body that is stored in chunks of its own. */
export interface ChunkedBody<Name> {
  readonly name: Name
  readonly byteLength: number
}

/** The part of a range that one chunk holds. */
export interface ChunkSlice {
  /** Bytes of body that the whole chunk has. */
  readonly byteLength: number
  /** Bytes `start` up to, but not including, `end` of the chunk. */
  readonly start: number
  readonly end: number
  readonly isLast: boolean
}

export function sliceOfChunk(index: number, chunkBytes: number, bodyBytes: number, range: ByteRange): ChunkSlice {
  const offset = index * chunkBytes
  const byteLength = Math.min(chunkBytes, bodyBytes - offset)
  return {
    byteLength,
    start: Math.max(0, range.start - offset),
    end: Math.min(byteLength, range.end - offset),
    isLast: offset + chunkBytes >= range.end
  }
}

/** Writes the checksum of a chunk, and of its name, into the room before its bytes. */
export function sealChunk(chunk: Buffer, name: string | Uint8Array): void {
  chunk.writeUInt32LE(crc32(chunk.subarray(CHECKSUM_BYTES), crc32(name)), 0)
}

/** The bytes of a chunk, as a view; undefined where it is gone, or has other bytes than were written under this name. */
export function bytesOfChunk(
  chunk: Buffer | null | undefined,
  name: string | Uint8Array,
  byteLength: number
): Buffer | undefined {
  if (chunk == null || chunk.length !== CHECKSUM_BYTES + byteLength) return undefined
  const bytes = chunk.subarray(CHECKSUM_BYTES)
  return chunk.readUInt32LE(0) === crc32(bytes, crc32(name)) ? bytes : undefined
}

/** The error, ERR_CACHE_BODY, of a body whose chunk is gone or damaged. */
export function damagedChunk(index: number): CacheError {
  return new CacheError('ERR_CACHE_BODY', `chunk ${index} of a stored body is gone or damaged`)
}
