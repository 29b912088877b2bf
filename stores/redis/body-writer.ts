import type { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { type ChunkedBody, sealChunk } from '../shared/chunked-body.ts'
import { ChunkedBodyWriter } from '../shared/chunked-body-writer.ts'
import { type Connection, runScript } from './connection.ts'
import { CHUNK_BYTES, chunkNameOf } from './layout.ts'
import { CHUNK } from './scripts.ts'

/** 16 characters. */
const NAME_BYTES = 12
const MAX_PENDING_CHUNKS = 8

export interface RedisBodyWriterOptions {
  readonly connection: Connection
  readonly maxBytes: number
  /** The name of the hash for the chunks of a body. */
  bodyKeyOf(bodyName: string): string
  store(entry: Entry, body: Uint8Array | ChunkedBody<string>): Promise<boolean>
}

/** Takes the body of one response; a large one into Redis, where it is found once its record is stored, and expires if that
 * never happens. */
export class RedisBodyWriter extends ChunkedBodyWriter<string> {
  readonly #options: RedisBodyWriterOptions
  readonly #name: string
  readonly #key: string

  constructor(options: RedisBodyWriterOptions) {
    const name = randomBytes(NAME_BYTES).toString('base64url')
    const { maxBytes } = options
    super({ name, chunkBytes: CHUNK_BYTES, maxPendingChunks: MAX_PENDING_CHUNKS, maxBytes })
    this.#options = options
    this.#name = name
    this.#key = options.bodyKeyOf(name)
  }

  protected writeChunk(index: number, chunk: Buffer): Promise<unknown> {
    sealChunk(chunk, chunkNameOf(this.#name, index))
    return runScript(this.#options.connection, CHUNK, [this.#key], [index, chunk])
  }

  protected store(entry: Entry, body: Uint8Array | ChunkedBody<string>): Promise<boolean> {
    return this.#options.store(entry, body)
  }

  /** What cannot be removed expires. */
  protected async removeChunks(_name: string, written: Promise<unknown>): Promise<void> {
    await written
    await this.#options.connection.use(client => client.unlink(this.#key)).catch(() => {})
  }
}
