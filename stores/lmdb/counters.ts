import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'

/** What all processes agree on; read before each lookup, and changed in the transaction that changes what it tells. */
export interface Marks {
  /** Grows with every change to records or deletions. */
  changes: number
  /** Grows with every deletion. */
  position: number
  /** The position of the last clear(): what is stored as of an earlier one is gone. */
  clearedAt: number
  /** What was asked for before this position is refused: deletions have been forgotten. */
  floor: number
  /** What records and bodies occupy. */
  usedBytes: number
  /** The part of it in bodies that are being written, or are to go. */
  leavingBytes: number
  /** When everything was last looked over, in milliseconds since the epoch. */
  sweptAtMs: number
}

const FIELDS = ['changes', 'position', 'clearedAt', 'floor', 'usedBytes', 'leavingBytes', 'sweptAtMs'] as const
const MARKS_BYTES = 8 + FIELDS.length * 8

/** Those of an empty database. Its numbers are beyond all that were counted in one before it. */
export function newMarks(): Marks {
  const start = Date.now() * 1000
  return {
    changes: start,
    position: start,
    clearedAt: start,
    floor: start,
    usedBytes: 0,
    leavingBytes: 0,
    sweptAtMs: Date.now()
  }
}

/** CRC-32 of what follows, four bytes unused, the fields. */
export function encodeMarks(marks: Marks): Buffer {
  const bytes = Buffer.alloc(MARKS_BYTES)
  for (const [i, field] of FIELDS.entries()) bytes.writeDoubleLE(marks[field], 8 + i * 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

/** undefined where the bytes are damaged. */
export function parseMarks(bytes: Buffer): Marks | undefined {
  if (bytes.length !== MARKS_BYTES) return undefined
  const view = bytes.subarray(0, MARKS_BYTES)
  if (crc32(view.subarray(4)) !== view.readUInt32LE(0)) return undefined
  const at = (i: number) => view.readDoubleLE(8 + i * 8)
  return {
    changes: at(0),
    position: at(1),
    clearedAt: at(2),
    floor: at(3),
    usedBytes: at(4),
    leavingBytes: at(5),
    sweptAtMs: at(6)
  }
}

/** Marks.changes, unchecked: to compare with one that was checked. */
export function changesIn(bytes: Buffer): number {
  return bytes.readDoubleLE(8)
}
