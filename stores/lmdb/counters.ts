import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'

/** What all processes agree on: read before each lookup, and changed in the transaction that changes what it counts. */
export interface Counters {
  /** Grows with every change to records or deletions. */
  changes: number
  /** Grows with every deletion. */
  position: number
  /** The position of the last clear(): what is stored as of an earlier one is gone. */
  clearedAt: number
  /** What was asked for before this position is refused, since deletions up to it have been forgotten. */
  forgottenUpTo: number
  /** Bytes that records and bodies occupy. */
  usedBytes: number
  /** The part of it in bodies that no record refers to: they are being written, or are to be removed. */
  unreferencedBytes: number
  /** When all records were last swept, in milliseconds since the epoch. */
  sweptAtMs: number
}

const FIELDS = [
  'changes',
  'position',
  'clearedAt',
  'forgottenUpTo',
  'usedBytes',
  'unreferencedBytes',
  'sweptAtMs'
] as const
const COUNTERS_BYTES = 8 + FIELDS.length * 8

/** Those of an empty database. Its numbers are beyond all that were counted in one before it. */
export function newCounters(): Counters {
  const start = Date.now() * 1000
  return {
    changes: start,
    position: start,
    clearedAt: start,
    forgottenUpTo: start,
    usedBytes: 0,
    unreferencedBytes: 0,
    sweptAtMs: Date.now()
  }
}

/** CRC-32 of what follows, four bytes unused, the fields. */
export function encodeCounters(counters: Counters): Buffer {
  const bytes = Buffer.alloc(COUNTERS_BYTES)
  for (const [i, field] of FIELDS.entries()) bytes.writeDoubleLE(counters[field], 8 + i * 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

/** undefined where the bytes are damaged. */
export function parseCounters(bytes: Buffer): Counters | undefined {
  if (bytes.length !== COUNTERS_BYTES) return undefined
  const view = bytes.subarray(0, COUNTERS_BYTES)
  if (crc32(view.subarray(4)) !== view.readUInt32LE(0)) return undefined
  const at = (i: number) => view.readDoubleLE(8 + i * 8)
  return {
    changes: at(0),
    position: at(1),
    clearedAt: at(2),
    forgottenUpTo: at(3),
    usedBytes: at(4),
    unreferencedBytes: at(5),
    sweptAtMs: at(6)
  }
}

/** Counters.changes, unchecked: to compare with one that was checked. */
export function changesIn(bytes: Buffer): number {
  return bytes.readDoubleLE(8)
}
