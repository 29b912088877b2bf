import { Buffer } from 'node:buffer'
import type { Batch, Tables } from './database.ts'
import { namesAfter } from './layout.ts'
import { encodeNumbers, parseNumbers } from './numbers.ts'
import type { ChunkedBody } from './record-layout.ts'

/** How long a body that is no longer stored can be read by those who have begun; each read of theirs renews it. */
export const GRACE_MS = 60_000
/** How long a body that is being written is kept without another chunk, or the commit: its writer may have died. */
export const PENDING_MS = 900_000
/** Chunks removed in one write. */
const SLICE = 32

/** What a chunk occupies: it begins a page of its own. */
export const CHUNK_BYTES = 262_144 - 32

export function occupiedByBody(byteLength: number): number {
  return Math.ceil(byteLength / CHUNK_BYTES) * 64 + Math.ceil((byteLength % CHUNK_BYTES) / 4096) * 4096 + byteLength
}

/** The name of a chunk: numbers sort as bytes. */
export function chunkName(body: Uint8Array, index: number): Buffer {
  const name = Buffer.alloc(body.length + 4)
  name.set(body)
  name.writeUInt32BE(index, body.length)
  return name
}

/** Marks a stored body as to be removed. */
export function leave(batch: Batch, { name, byteLength }: ChunkedBody, nowMs: number): void {
  batch.marks.leavingBytes += occupiedByBody(byteLength)
  void batch.tables.leaving.put(name, encodeNumbers(name, nowMs + GRACE_MS, byteLength))
}

/** When a body is to go, and how many bytes it has; undefined where it stays, or there is none. */
export function leavingOf(
  tables: Tables,
  name: Uint8Array
): readonly [removeAtMs: number, byteLength: number] | undefined {
  const bytes = tables.leaving.getBinaryFast(name)
  return bytes === undefined ? undefined : (parseNumbers(name, bytes) ?? [0, 0])
}

/** A body that is being written has grown. */
export function grow(batch: Batch, { name, byteLength }: ChunkedBody, nowMs: number): void {
  const before = occupiedByBody(leavingOf(batch.tables, name)?.[1] ?? 0)
  const added = occupiedByBody(byteLength) - before
  batch.marks.usedBytes += added
  batch.marks.leavingBytes += added
  void batch.tables.leaving.put(name, encodeNumbers(name, nowMs + PENDING_MS, byteLength))
}

/** A body that was being written is stored. False: it took so long that it is gone. */
export function stay(batch: Batch, { name, byteLength }: ChunkedBody): boolean {
  if (leavingOf(batch.tables, name)?.[1] !== byteLength) return false
  batch.marks.leavingBytes -= occupiedByBody(byteLength)
  void batch.tables.leaving.remove(name)
  return true
}

/** Lets a body live on, or go at once. */
export function leaveAt(batch: Batch, name: Uint8Array, removeAtMs: number): void {
  const leaving = leavingOf(batch.tables, name)
  if (leaving !== undefined) void batch.tables.leaving.put(name, encodeNumbers(name, removeAtMs, leaving[1]))
}

/** Removes some chunks of bodies whose time has come. Gives the name to go on after; undefined at the end. */
export function reap(batch: Batch, nowMs: number, after: Uint8Array): Uint8Array | undefined {
  const { tables, marks } = batch
  let done = after
  for (const name of namesAfter(tables.leaving, after, SLICE)) {
    const [removeAtMs, byteLength] = leavingOf(tables, name) ?? [0, 0]
    if (removeAtMs <= nowMs) {
      const range = { start: chunkName(name, 0), end: chunkName(name, 0xffffffff), limit: SLICE }
      const chunks = [...tables.bodies.getKeys(range)]
      for (const chunk of chunks) void tables.bodies.remove(chunk)
      if (chunks.length === SLICE) return done
      void tables.leaving.remove(name)
      marks.usedBytes -= occupiedByBody(byteLength)
      marks.leavingBytes -= occupiedByBody(byteLength)
      // One body a write: to give back the pages of its chunks takes time.
      return name
    }
    done = name
  }
  return done === after ? undefined : done
}
