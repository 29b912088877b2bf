import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'

/** Two numbers under a name, with a checksum that covers the name. */
export function encodeNumbers(name: Uint8Array, first: number, second: number): Buffer {
  const bytes = Buffer.alloc(20)
  bytes.writeDoubleLE(first, 4)
  bytes.writeDoubleLE(second, 12)
  bytes.writeUInt32LE(crc32(bytes.subarray(4), crc32(name)), 0)
  return bytes
}

/** undefined where the bytes are damaged. */
export function parseNumbers(name: Uint8Array, bytes: Buffer): readonly [first: number, second: number] | undefined {
  if (bytes.length !== 20) return undefined
  const view = bytes.subarray(0, 20)
  if (crc32(view.subarray(4), crc32(name)) !== view.readUInt32LE(0)) return undefined
  return [view.readDoubleLE(4), view.readDoubleLE(12)]
}
