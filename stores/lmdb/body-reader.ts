import { Buffer } from 'node:buffer'
import { nextTurn } from '../../lib/event-loop.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import { bytesOfChunk, type ChunkedBody, damagedChunk, sliceOfChunk } from '../shared/chunked-body.ts'
import { GRACE_MS, removalOf, rescheduleRemoval } from './body-removal.ts'
import type { LmdbDatabase } from './database.ts'
import { CHUNK_BYTES, chunkNameOf } from './layout.ts'

const RENEW_MS = GRACE_MS / 4

type Body = ChunkedBody<Uint8Array>

/** Reads a body chunk by chunk, each verified before it is given out, with a turn of the event loop between them. What has
 * been replaced meanwhile is kept for as long as it is being read. Fails with ERR_CACHE_BODY where a chunk is gone or
 * damaged, after a call of `onDamage`. */
export async function* readChunks(
  database: LmdbDatabase,
  body: Body,
  range: ByteRange,
  onDamage: () => void
): AsyncGenerator<Uint8Array, void, undefined> {
  let renewAtMs = 0
  if (range.start >= range.end) return
  for (let index = Math.floor(range.start / CHUNK_BYTES); ; index++) {
    const slice = sliceOfChunk(index, CHUNK_BYTES, body.byteLength, range)
    const bytes = readChunk(database, body, index, slice.byteLength)
    if (bytes === undefined) {
      onDamage()
      throw damagedChunk(index)
    }
    const nowMs = Date.now()
    if (nowMs >= renewAtMs) {
      renewAtMs = nowMs + RENEW_MS
      renew(database, body, nowMs)
    }
    yield bytes.subarray(slice.start, slice.end)
    await nextTurn()
    if (slice.isLast) return
  }
}

/** A copy, since the next read overwrites what LMDB gives. */
function readChunk(database: LmdbDatabase, body: Body, index: number, byteLength: number): Uint8Array | undefined {
  database.refresh()
  const name = chunkNameOf(body.name, index)
  const chunk = database.tables.bodies.getBinaryFast(name)
  if (chunk === undefined) return undefined
  const bytes = bytesOfChunk(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length), name, byteLength)
  return bytes === undefined ? undefined : new Uint8Array(bytes)
}

/** Keeps a body that is to be removed, unless that is to be done as soon as possible. */
function renew(database: LmdbDatabase, { name }: Body, nowMs: number): void {
  const removal = removalOf(database.tables, name)
  if (removal === undefined || removal.removeAtMs === 0) return
  database.write(batch => rescheduleRemoval(batch, name, nowMs + GRACE_MS)).catch(() => {})
}
