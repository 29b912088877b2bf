import type { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'

/** A body in a file of its own: chunks of this size, the last one shorter, each followed by its checksum. */
export const CHUNK_BYTES = 131_072
export const CHECKSUM_BYTES = 4
export const FRAME_BYTES = CHUNK_BYTES + CHECKSUM_BYTES

/** Bytes that the file of a body has. */
export function bodyFileBytes(byteLength: number): number {
  return byteLength + Math.ceil(byteLength / CHUNK_BYTES) * CHECKSUM_BYTES
}

/** What the checksums of one body begin with, so that no chunk passes for one of another body, or for another chunk. */
export function bodySeed(bodyId: string): number {
  return crc32(bodyId)
}

/** Writes the checksum of the first `byteLength` bytes of the frame behind them. */
export function sealFrame(frame: Buffer, byteLength: number, index: number, seed: number): void {
  frame.writeUInt32LE(checksum(frame.subarray(0, byteLength), index, seed), byteLength)
}

/** The chunk in a frame; undefined where it is damaged. */
export function openFrame(frame: Buffer, index: number, seed: number): Uint8Array | undefined {
  const byteLength = frame.byteLength - CHECKSUM_BYTES
  if (byteLength <= 0) return undefined
  const chunk = frame.subarray(0, byteLength)
  return checksum(chunk, index, seed) === frame.readUInt32LE(byteLength) ? chunk : undefined
}

function checksum(chunk: Uint8Array, index: number, seed: number): number {
  return crc32(chunk, (seed + index) >>> 0)
}
