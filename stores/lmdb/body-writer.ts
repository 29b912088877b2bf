import type { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { CHECKSUM_BYTES, type ChunkedBody, sealChunk } from '../shared/chunked-body.ts'
import { ChunkedBodyWriter } from '../shared/chunked-body-writer.ts'
import { growPendingBody, rescheduleRemoval } from './body-removal.ts'
import type { Commit } from './commit.ts'
import type { LmdbDatabase } from './database.ts'
import { CHUNK_BYTES, chunkNameOf } from './layout.ts'
import { BODY_NAME_BYTES } from './record-layout.ts'

const MAX_PENDING_CHUNKS = 5

export interface LmdbBodyWriterOptions {
  readonly database: LmdbDatabase
  readonly commit: Commit
  readonly maxBytes: number
  /** The position of the deletions, and the number of changes, when the response was asked for. */
  readonly asOf: number
  readonly arrival: number
}

/** Takes the body of one response; a large one into the database, where it is found once its record is stored. */
export class LmdbBodyWriter extends ChunkedBodyWriter<Uint8Array> {
  readonly #writer: LmdbBodyWriterOptions
  readonly #name: Uint8Array
  #writtenBytes = 0

  constructor(options: LmdbBodyWriterOptions) {
    const name = randomBytes(BODY_NAME_BYTES)
    const { maxBytes } = options
    super({ name, chunkBytes: CHUNK_BYTES, maxPendingChunks: MAX_PENDING_CHUNKS, maxBytes })
    this.#writer = options
    this.#name = name
  }

  override async commit(entry: Entry): Promise<boolean> {
    try {
      return await super.commit(entry)
    } catch (error) {
      // The write that failed has changed nothing.
      await this.discard()
      throw error
    }
  }

  protected writeChunk(index: number, chunk: Buffer): Promise<unknown> {
    const name = chunkNameOf(this.#name, index)
    sealChunk(chunk, name)
    const chunkBytes = chunk.byteLength - CHECKSUM_BYTES
    this.#writtenBytes += chunkBytes
    const body = { name: this.#name, byteLength: this.#writtenBytes }
    return this.#writer.database.write(batch => {
      if (growPendingBody(batch, body, chunkBytes)) void batch.tables.bodies.put(name, chunk)
    }, 'storing')
  }

  protected store(entry: Entry, body: Uint8Array | ChunkedBody<Uint8Array>): Promise<boolean> {
    const { commit, asOf, arrival } = this.#writer
    return commit.store(entry, body, asOf, arrival)
  }

  /** Writes are done in order: nobody need wait. */
  protected removeChunks(name: Uint8Array): void {
    this.#writer.database.write(batch => rescheduleRemoval(batch, name, 0)).catch(() => {})
  }
}
