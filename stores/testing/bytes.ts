import { isUint8Array } from 'node:util/types'
import type { Body } from '../store.ts'

/** The lengths in which bodies come: from none to some beyond what stores use as blocks. */
const CHUNK_LENGTHS = [1, 0, 3, 1021, 7, 65_537, 333, 16_384, 4099]

/** `length` bytes of every value, other ones for each seed, without a period that blocks could share. */
export function bytesOf(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = (seed * 2_654_435_761) >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

/** The body in chunks of odd lengths, each a view into something larger, as sockets deliver them. */
export function* chunksOf(body: Uint8Array): Generator<Uint8Array> {
  let offset = 0
  for (let i = 0; offset < body.byteLength; i++) {
    const length = CHUNK_LENGTHS[i % CHUNK_LENGTHS.length] ?? 1
    const chunk = body.subarray(offset, offset + length)
    const padded = new Uint8Array(chunk.byteLength + 16)
    padded.set(chunk, 8)
    yield padded.subarray(8, 8 + chunk.byteLength)
    offset += chunk.byteLength
  }
}

/** A body read to its end. */
export async function readBody(body: Body): Promise<Buffer> {
  if (isUint8Array(body)) return Buffer.from(body)
  const pieces: Buffer[] = []
  for await (const piece of body) pieces.push(Buffer.from(piece))
  return Buffer.concat(pieces)
}
