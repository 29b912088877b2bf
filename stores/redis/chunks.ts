import type { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'

/** Bodies beyond 64 KiB lie in chunks; smaller ones come with the record. */
export const INLINE_BODY_BYTES = 65_536
/** Bytes of body in a chunk; the last may have fewer. With what Redis sends around it, a chunk comes in one read of a socket,
 * which takes 64 KiB: what does not is copied by ioredis, into pools that grow with the speed of reading. */
export const CHUNK_BYTES = 61_440
/** Bytes before them. */
export const CHECKSUM_BYTES = 4

/** Writes the checksum of what follows it, and of where it belongs. */
export function sealChunk(chunk: Buffer, bodyName: string, index: number): void {
  chunk.writeUInt32LE(checksumOf(chunk.subarray(CHECKSUM_BYTES), bodyName, index), 0)
}

/** The bytes of a chunk; undefined where they are not those that were written in this place. */
export function bytesOfChunk(chunk: Buffer | null, bodyName: string, index: number): Buffer | undefined {
  if (chunk === null || chunk.length < CHECKSUM_BYTES) return undefined
  const bytes = chunk.subarray(CHECKSUM_BYTES)
  return chunk.readUInt32LE(0) === checksumOf(bytes, bodyName, index) ? bytes : undefined
}

function checksumOf(bytes: Buffer, bodyName: string, index: number): number {
  return crc32(bytes, crc32(`${bodyName} ${index}`))
}
