import type { Buffer } from 'node:buffer'
import { CacheError } from '../../lib/errors.ts'
import { monotonicMs } from '../../lib/event-loop.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import { bytesOfChunk, CHUNK_BYTES } from './chunks.ts'
import { type Connection, runScript, unlessWrongType } from './connection.ts'
import { GRACE_MS } from './lua.ts'
import type { ChunkedBody } from './record-layout.ts'
import { KEEP } from './scripts.ts'

const RENEW_MS = GRACE_MS / 4

/** A body in chunks as it lies in Redis. */
export interface BodyPlace extends ChunkedBody {
  readonly connection: Connection
  readonly key: string
  /** Called where a chunk turns out to be gone or damaged. */
  onDamage(): void
}

/** The bytes of a range, each chunk verified before it is given out, the next one asked for meanwhile. undefined where the
 * first is gone or damaged; where another is, reading fails with ERR_CACHE_BODY. */
export async function openChunks(place: BodyPlace, range: ByteRange): Promise<AsyncIterable<Uint8Array> | undefined> {
  const index = Math.floor(range.start / CHUNK_BYTES)
  const first = await readChunk(place, index)
  if (first === undefined) {
    place.onDamage()
    return undefined
  }
  return readOn(place, range, index, first)
}

async function* readOn(
  place: BodyPlace,
  { start, end }: ByteRange,
  index: number,
  first: Buffer
): AsyncGenerator<Uint8Array, void, undefined> {
  let renewedAtMs = monotonicMs()
  let chunk: Buffer | undefined = first
  for (; ; index++) {
    if (chunk === undefined) {
      place.onDamage()
      throw new CacheError('ERR_CACHE_BODY', `chunk ${index} of a stored body is gone or damaged`)
    }
    const offset = index * CHUNK_BYTES
    const isLast = offset + CHUNK_BYTES >= end
    const next: Promise<Buffer | undefined> | undefined = isLast ? undefined : readChunk(place, index + 1)
    // Nobody waits for it where reading ends early.
    next?.catch(() => {})
    yield chunk.subarray(Math.max(0, start - offset), Math.min(chunk.length, end - offset))
    if (next === undefined) return
    if (monotonicMs() - renewedAtMs > RENEW_MS) {
      renewedAtMs = monotonicMs()
      runScript(place.connection, KEEP, [place.key], []).catch(() => {})
    }
    try {
      chunk = await next
    } catch (cause) {
      throw new CacheError('ERR_CACHE_STORE', 'a stored body cannot be read', { cause })
    }
  }
}

async function readChunk(place: BodyPlace, index: number): Promise<Buffer | undefined> {
  const reading = place.connection.use(client => client.hgetBuffer(place.key, `${index}`))
  const chunk = await unlessWrongType(reading, null)
  const bytes = bytesOfChunk(chunk, place.name, index)
  return bytes?.length === Math.min(CHUNK_BYTES, place.byteLength - index * CHUNK_BYTES) ? bytes : undefined
}
