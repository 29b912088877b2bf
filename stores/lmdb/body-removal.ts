import type { ChunkedBody } from '../shared/chunked-body.ts'
import { CHUNK_BYTES, chunkNameOf, encodePair, namesAfter, readPair } from './layout.ts'
import type { Batch, Tables } from './tables.ts'

/** How long a body that is no longer stored can be read by those who have begun; each of their reads renews it. */
export const GRACE_MS = 60_000
/** How long a body that is being written is kept without another chunk, or the commit: its writer may have died. */
const PENDING_MS = 900_000
/** Chunks removed in one write. */
const SLICE = 32

type Body = ChunkedBody<Uint8Array>

/** Counts another chunk of a body that is being written, which then has `byteLength` bytes. It is removed unless a further
 * chunk, or its record, is written. False: no chunk came for so long that it is being removed, or is gone. */
export function growPendingBody(batch: Batch, { name, byteLength }: Body, chunkBytes: number): boolean {
  const before = byteLength - chunkBytes
  if (before > 0 && !isPending(batch, { name, byteLength: before })) return false
  const added = occupiedByBody(byteLength) - occupiedByBody(before)
  batch.counters.usedBytes += added
  batch.counters.unreferencedBytes += added
  void batch.tables.bodyRemovals.put(name, encodePair(name, Date.now() + PENDING_MS, byteLength))
  return true
}

/** Keeps a body that was being written: its record is being stored. False: it took so long that it is being removed, or is
 * gone. */
export function keepBody(batch: Batch, body: Body): boolean {
  const { name, byteLength } = body
  if (!isPending(batch, body)) return false
  batch.counters.unreferencedBytes -= occupiedByBody(byteLength)
  void batch.tables.bodyRemovals.remove(name)
  return true
}

/** Whether all of these bytes are there, and none of them is being removed. */
function isPending({ tables }: Batch, { name, byteLength }: Body): boolean {
  const removal = removalOf(tables, name)
  return removal !== undefined && removal.byteLength === byteLength && removal.removeAtMs > Date.now()
}

/** Has a stored body removed once nobody reads it any more. */
export function retireBody(batch: Batch, { name, byteLength }: Body): void {
  batch.counters.unreferencedBytes += occupiedByBody(byteLength)
  void batch.tables.bodyRemovals.put(name, encodePair(name, Date.now() + GRACE_MS, byteLength))
}

/** Changes when a body that is to be removed is; 0: as soon as possible. */
export function rescheduleRemoval(batch: Batch, name: Uint8Array, removeAtMs: number): void {
  const removal = removalOf(batch.tables, name)
  if (removal !== undefined) void batch.tables.bodyRemovals.put(name, encodePair(name, removeAtMs, removal.byteLength))
}

/** When a body is to be removed, and how many bytes it has; undefined where it is not, or there is none. */
export function removalOf(
  tables: Tables,
  name: Uint8Array
): { readonly removeAtMs: number; readonly byteLength: number } | undefined {
  const pair = readPair(tables.bodyRemovals, name)
  if (pair === undefined) return undefined
  const [removeAtMs, byteLength] = pair === 'damaged' ? [0, 0] : pair
  return { removeAtMs, byteLength }
}

/** Removes some chunks of bodies whose time has come, of one body at most: giving back its pages takes time. Returns the
 * name to go on after; undefined at the end. */
export function removeDueBodies(batch: Batch, nowMs: number, after: Uint8Array): Uint8Array | undefined {
  const { tables, counters } = batch
  let done = after
  for (const name of namesAfter(tables.bodyRemovals, after, SLICE)) {
    const { removeAtMs, byteLength } = removalOf(tables, name) ?? { removeAtMs: 0, byteLength: 0 }
    if (removeAtMs <= nowMs) {
      const range = { start: chunkNameOf(name, 0), end: chunkNameOf(name, 0xffffffff), limit: SLICE }
      const chunks = [...tables.bodies.getKeys(range)]
      for (const chunk of chunks) void tables.bodies.remove(chunk)
      if (chunks.length === SLICE) return done
      void tables.bodyRemovals.remove(name)
      counters.usedBytes -= occupiedByBody(byteLength)
      counters.unreferencedBytes -= occupiedByBody(byteLength)
      return name
    }
    done = name
  }
  return done === after ? undefined : done
}

/** Bytes that the chunks of a body occupy: each begins a page of its own. */
function occupiedByBody(byteLength: number): number {
  return Math.ceil(byteLength / CHUNK_BYTES) * 64 + Math.ceil((byteLength % CHUNK_BYTES) / 4096) * 4096 + byteLength
}
