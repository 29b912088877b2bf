import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Blocks } from '../blocks.ts'
import type { LmdbDatabase } from './database.ts'
import { CHUNK_BYTES, chunkName, grow, leaveAt } from './leaving.ts'
import { BODY_NAME_BYTES, type ChunkedBody } from './record-bytes.ts'

/** Larger bodies lie in chunks; smaller ones come with the record. */
export const INLINE_BODY_BYTES = 65_536
const CHECKSUM_BYTES = 4
/** Chunks on their way before a write has to wait. */
const MAX_WAITING = 4

/** Takes a body: into memory as long as it is small, then chunk by chunk into the database, where nobody sees it before
 * its record is stored. */
export class BodySink {
  readonly #database: LmdbDatabase
  #blocks: Blocks | undefined = new Blocks()
  #name: Buffer | undefined
  #chunk: Buffer | undefined
  /** Chunks that are written, to be filled again. */
  readonly #spare: Buffer[] = []
  #chunkBytes = 0
  #chunks = 0
  #byteLength = 0
  #writtenBytes = 0
  readonly #waiting = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(database: LmdbDatabase) {
    this.#database = database
  }

  get byteLength(): number {
    return this.#byteLength
  }

  /** A promise where the disk is behind. Throws or rejects with what a write has failed with. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    this.#byteLength += bytes.byteLength
    if (this.#blocks !== undefined) {
      this.#blocks.push(bytes)
      if (this.#byteLength <= INLINE_BODY_BYTES) return undefined
      const blocks = this.#blocks.finish()
      this.#blocks = undefined
      for (const block of blocks) this.#fill(block)
    } else {
      this.#fill(bytes)
    }
    return this.#waiting.size > MAX_WAITING ? this.#settle(MAX_WAITING) : undefined
  }

  /** The body once it is written: whole, or the place of its chunks. Rejects with what a write has failed with. */
  async finish(): Promise<Uint8Array | ChunkedBody> {
    if (this.#blocks !== undefined) {
      const blocks = this.#blocks.finish()
      const [only] = blocks
      return blocks.length === 1 && only !== undefined ? only : new Uint8Array(Buffer.concat(blocks))
    }
    this.#flushChunk()
    await this.#settle(0)
    return { name: this.#bodyName(), byteLength: this.#byteLength }
  }

  /** Gives back what was written. */
  discard(): void {
    this.#blocks = undefined
    this.#chunk = undefined
    const name = this.#name
    if (name === undefined) return
    this.#database.write(batch => leaveAt(batch, name, 0)).catch(() => {})
  }

  #bodyName(): Buffer {
    this.#name ??= randomBytes(BODY_NAME_BYTES)
    return this.#name
  }

  #fill(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.byteLength; ) {
      this.#chunk ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(CHECKSUM_BYTES + CHUNK_BYTES)
      const part = bytes.subarray(offset, offset + CHUNK_BYTES - this.#chunkBytes)
      this.#chunk.set(part, CHECKSUM_BYTES + this.#chunkBytes)
      this.#chunkBytes += part.byteLength
      offset += part.byteLength
      if (this.#chunkBytes === CHUNK_BYTES) this.#flushChunk()
    }
  }

  #flushChunk(): void {
    const buffer = this.#chunk
    if (buffer === undefined) return
    const chunk = buffer.subarray(0, CHECKSUM_BYTES + this.#chunkBytes)
    this.#writtenBytes += this.#chunkBytes
    this.#chunk = undefined
    this.#chunkBytes = 0
    const body = { name: this.#bodyName(), byteLength: this.#writtenBytes }
    const name = chunkName(body.name, this.#chunks++)
    chunk.writeUInt32LE(chunkChecksum(name, chunk.subarray(CHECKSUM_BYTES)), 0)
    const written = this.#database
      .write(batch => {
        void batch.tables.bodies.put(name, chunk)
        grow(batch, body, Date.now())
      }, 'storing')
      .catch(error => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#waiting.delete(written)
        this.#spare.push(buffer)
      })
    this.#waiting.add(written)
  }

  async #settle(count: number): Promise<void> {
    while (this.#waiting.size > count) await Promise.race(this.#waiting)
    if (this.#failure !== undefined) throw this.#failure.error
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
