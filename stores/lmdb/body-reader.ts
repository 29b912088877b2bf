import { Buffer } from 'node:buffer'
import { CacheError } from '../../lib/errors.ts'
import { nextTurn } from '../../lib/event-loop.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import { CHUNK_BYTES, chunkName, GRACE_MS, leaveAt, leavingOf } from './body-removal.ts'
import { bytesOfChunk } from './body-writer.ts'
import type { LmdbDatabase } from './database.ts'
import type { ChunkedBody } from './record-layout.ts'

const RENEW_MS = GRACE_MS / 4

/** Reads a body chunk by chunk, each verified before it is given out, with a turn of the event loop between them. What has
 * been replaced meanwhile is kept for as long as it is being read. Fails with ERR_CACHE_BODY where a chunk is gone or
 * damaged, once `onDamage` has been told. */
export async function* readChunks(
  database: LmdbDatabase,
  body: ChunkedBody,
  range: ByteRange,
  onDamage: () => void
): AsyncGenerator<Uint8Array, void, undefined> {
  let renewAtMs = 0
  let position = range.start
  while (position < range.end) {
    const index = Math.floor(position / CHUNK_BYTES)
    const start = index * CHUNK_BYTES
    const expected = Math.min(CHUNK_BYTES, body.byteLength - start)
    const bytes = readChunk(database, body, index)
    if (bytes?.byteLength !== expected) {
      onDamage()
      throw new CacheError(
        'ERR_CACHE_BODY',
        `bytes ${start}-${start + expected - 1} of a stored body are gone or damaged`
      )
    }
    const nowMs = Date.now()
    if (nowMs >= renewAtMs) {
      renewAtMs = nowMs + RENEW_MS
      renew(database, body, nowMs)
    }
    const end = Math.min(start + expected, range.end)
    yield bytes.subarray(position - start, end - start)
    position = end
    await nextTurn()
  }
}

function readChunk(database: LmdbDatabase, body: ChunkedBody, index: number): Uint8Array | undefined {
  database.refresh()
  const name = chunkName(body.name, index)
  const chunk = database.tables.bodies.getBinaryFast(name)
  const bytes = bytesOfChunk(
    name,
    chunk === undefined ? undefined : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
  )
  // What LMDB gives is overwritten by the next read.
  return bytes === undefined ? undefined : new Uint8Array(bytes)
}

function renew(database: LmdbDatabase, { name }: ChunkedBody, nowMs: number): void {
  const leaving = leavingOf(database.tables, name)
  if (leaving === undefined || leaving[0] === 0) return
  database.write(batch => leaveAt(batch, name, nowMs + GRACE_MS)).catch(() => {})
}
