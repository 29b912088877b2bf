import type { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { ChunkedSink } from '../shared/chunked-body-writer.ts'
import { CHUNK_BYTES, chunkName, grow, leaveAt } from './body-removal.ts'
import type { LmdbDatabase } from './database.ts'
import { BODY_NAME_BYTES, type ChunkedBody } from './record-layout.ts'

/** Larger bodies lie in chunks; smaller ones come with the record. */
export const INLINE_BODY_BYTES = 65_536
const CHECKSUM_BYTES = 4

/** Takes a body; a large one into the database, where nobody sees it before its record is stored. */
export class BodySink {
  readonly #database: LmdbDatabase
  readonly #name = randomBytes(BODY_NAME_BYTES)
  readonly #chunks: ChunkedSink
  #writtenBytes = 0

  constructor(database: LmdbDatabase) {
    this.#database = database
    this.#chunks = new ChunkedSink({
      inlineBytes: INLINE_BODY_BYTES,
      chunkBytes: CHUNK_BYTES,
      headBytes: CHECKSUM_BYTES,
      maxWaiting: 5,
      writeChunk: (index, chunk) => this.#writeChunk(index, chunk)
    })
  }

  get byteLength(): number {
    return this.#chunks.byteLength
  }

  /** A promise where the disk is behind. Throws or rejects with what a write has failed with. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.#chunks.write(bytes)
  }

  /** The body once it is written: whole, or the place of its chunks. Rejects with what a write has failed with. */
  async finish(): Promise<Uint8Array | ChunkedBody> {
    return (await this.#chunks.finish()) ?? { name: this.#name, byteLength: this.byteLength }
  }

  /** Gives back what was written. */
  discard(): void {
    void this.#chunks.discard()
    if (this.#chunks.chunks === 0) return
    this.#database.write(batch => leaveAt(batch, this.#name, 0)).catch(() => {})
  }

  #writeChunk(index: number, chunk: Buffer): Promise<unknown> {
    const name = chunkName(this.#name, index)
    chunk.writeUInt32LE(chunkChecksum(name, chunk.subarray(CHECKSUM_BYTES)), 0)
    this.#writtenBytes += chunk.byteLength - CHECKSUM_BYTES
    const body = { name: this.#name, byteLength: this.#writtenBytes }
    return this.#database.write(batch => {
      void batch.tables.bodies.put(name, chunk)
      grow(batch, body, Date.now())
    }, 'storing')
  }
}

/** The bytes of a chunk; undefined where they are not those that were written under this name. */
export function bytesOfChunk(name: Uint8Array, chunk: Buffer | undefined): Uint8Array | undefined {
  if (chunk === undefined || chunk.length < CHECKSUM_BYTES) return undefined
  const bytes = chunk.subarray(CHECKSUM_BYTES)
  return chunk.readUInt32LE(0) === chunkChecksum(name, bytes) ? bytes : undefined
}

function chunkChecksum(name: Uint8Array, bytes: Uint8Array): number {
  return crc32(bytes, crc32(name))
}
