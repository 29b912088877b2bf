import type { Buffer } from 'node:buffer'
import { CacheError } from '../../lib/errors.ts'
import { monotonicMs } from '../../lib/event-loop.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import { bytesOfChunk, type ChunkedBody, damagedChunk, sliceOfChunk } from '../shared/chunked-body.ts'
import { type Connection, runScript, unlessWrongType } from './connection.ts'
import { CHUNK_BYTES, chunkNameOf } from './layout.ts'
import { GRACE_MS } from './lua.ts'
import { KEEP } from './scripts.ts'

const RENEW_MS = GRACE_MS / 4

/** A body in chunks, and where in Redis they are. */
export interface BodySource extends ChunkedBody<string> {
  readonly connection: Connection
  readonly key: string
  /** Called where a chunk turns out to be gone or damaged. */
  onDamage(): void
}

/** The bytes of a range, each chunk verified before it is given out, the next one asked for meanwhile. undefined where the
 * first is gone or damaged; where another is, reading fails with ERR_CACHE_BODY. */
export async function openChunks(source: BodySource, range: ByteRange): Promise<AsyncIterable<Uint8Array> | undefined> {
  const index = Math.floor(range.start / CHUNK_BYTES)
  const first = await readChunk(source, index, range)
  if (first !== undefined) return readOn(source, range, index, first)
  source.onDamage()
  return undefined
}

async function* readOn(
  source: BodySource,
  range: ByteRange,
  index: number,
  first: Buffer
): AsyncGenerator<Uint8Array, void, undefined> {
  let renewedAtMs = monotonicMs()
  let chunk: Buffer | undefined = first
  for (; ; index++) {
    if (chunk === undefined) {
      source.onDamage()
      throw damagedChunk(index)
    }
    const { start, end, isLast } = sliceOfChunk(index, CHUNK_BYTES, source.byteLength, range)
    const next = isLast ? undefined : readChunk(source, index + 1, range)
    // Nothing handles its rejection where reading ends early.
    next?.catch(() => {})
    yield chunk.subarray(start, end)
    if (next === undefined) return
    if (monotonicMs() - renewedAtMs > RENEW_MS) {
      renewedAtMs = monotonicMs()
      runScript(source.connection, KEEP, [source.key], []).catch(() => {})
    }
    try {
      chunk = await next
    } catch (cause) {
      throw new CacheError('ERR_CACHE_STORE', 'a stored body cannot be read', { cause })
    }
  }
}

async function readChunk(source: BodySource, index: number, range: ByteRange): Promise<Buffer | undefined> {
  const { connection, key, name, byteLength } = source
  const reading = connection.use(client => client.hgetBuffer(key, `${index}`))
  const slice = sliceOfChunk(index, CHUNK_BYTES, byteLength, range)
  return bytesOfChunk(await unlessWrongType(reading, null), chunkNameOf(name, index), slice.byteLength)
}
