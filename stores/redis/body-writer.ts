import { randomBytes } from 'node:crypto'
import { ChunkedSink } from '../shared/chunked-body-writer.ts'
import { CHECKSUM_BYTES, CHUNK_BYTES, INLINE_BODY_BYTES, sealChunk } from './chunks.ts'
import { type Connection, runScript } from './connection.ts'
import type { ChunkedBody } from './record-layout.ts'
import { CHUNK } from './scripts.ts'

/** 16 characters. */
const NAME_BYTES = 12

/** Takes a body; a large one into Redis, where nobody sees it before its record is stored, and where it expires if that
 * never happens. */
export class BodySink {
  readonly #connection: Connection
  readonly #name = randomBytes(NAME_BYTES).toString('base64url')
  readonly #key: string
  readonly #chunks: ChunkedSink

  constructor(connection: Connection, keyOf: (bodyName: string) => string) {
    this.#connection = connection
    this.#key = keyOf(this.#name)
    this.#chunks = new ChunkedSink({
      inlineBytes: INLINE_BODY_BYTES,
      chunkBytes: CHUNK_BYTES,
      headBytes: CHECKSUM_BYTES,
      maxWaiting: 8,
      writeChunk: (index, chunk) => {
        sealChunk(chunk, this.#name, index)
        return runScript(connection, CHUNK, [this.#key], [index, chunk])
      }
    })
  }

  get byteLength(): number {
    return this.#chunks.byteLength
  }

  /** A promise where Redis is behind. Throws or rejects with what a command has failed with. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.#chunks.write(bytes)
  }

  /** The body once it is written: whole, or the place of its chunks. Rejects with what a command has failed with. */
  async finish(): Promise<Uint8Array | ChunkedBody> {
    return (await this.#chunks.finish()) ?? { name: this.#name, byteLength: this.byteLength }
  }

  /** Gives back what was written; what cannot be given back expires. */
  async discard(): Promise<void> {
    await this.#chunks.discard()
    if (this.#chunks.chunks === 0) return
    await this.#connection.use(client => client.unlink(this.#key)).catch(() => {})
  }
}
