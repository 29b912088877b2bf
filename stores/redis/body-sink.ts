import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { Blocks } from '../blocks.ts'
import { CHECKSUM_BYTES, CHUNK_BYTES, INLINE_BODY_BYTES, sealChunk } from './chunks.ts'
import { type Connection, runScript } from './connection.ts'
import type { ChunkedBody } from './record-bytes.ts'
import { CHUNK } from './scripts.ts'

/** Chunks on their way before a write has to wait. */
const MAX_WAITING = 8
/** 16 characters. */
const NAME_BYTES = 12

/** Takes a body: into memory as long as it is small, then chunk by chunk into Redis, where nobody sees it before its record
 * is stored, and where it expires if that never happens. */
export class BodySink {
  readonly #connection: Connection
  readonly #keyOf: (bodyName: string) => string
  readonly #name = randomBytes(NAME_BYTES).toString('base64url')
  #blocks: Blocks | undefined = new Blocks()
  #chunk: Buffer | undefined
  /** What Redis has got already, to be filled again. */
  readonly #free: Buffer[] = []
  #chunkBytes = 0
  #chunks = 0
  #byteLength = 0
  readonly #waiting = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(connection: Connection, keyOf: (bodyName: string) => string) {
    this.#connection = connection
    this.#keyOf = keyOf
  }

  get byteLength(): number {
    return this.#byteLength
  }

  /** A promise where Redis is behind. Throws or rejects with what a command has failed with. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    this.#byteLength += bytes.byteLength
    if (this.#blocks === undefined) {
      this.#fill(bytes)
    } else {
      this.#blocks.push(bytes)
      if (this.#byteLength <= INLINE_BODY_BYTES) return undefined
      const blocks = this.#blocks.finish()
      this.#blocks = undefined
      for (const block of blocks) this.#fill(block)
    }
    return this.#waiting.size >= MAX_WAITING ? this.#settle(MAX_WAITING - 1) : undefined
  }

  /** The body once it is written: whole, or the place of its chunks. Rejects with what a command has failed with. */
  async finish(): Promise<Uint8Array | ChunkedBody> {
    if (this.#blocks !== undefined) return new Uint8Array(Buffer.concat(this.#blocks.finish()))
    this.#flushChunk()
    await this.#settle(0)
    return { name: this.#name, byteLength: this.#byteLength }
  }

  /** Gives back what was written; what cannot be given back expires. */
  async discard(): Promise<void> {
    this.#blocks = undefined
    this.#chunk = undefined
    if (this.#chunks === 0) return
    await Promise.allSettled(this.#waiting)
    await this.#connection.use(client => client.unlink(this.#keyOf(this.#name))).catch(() => {})
  }

  #fill(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.byteLength; ) {
      this.#chunk ??= this.#free.pop() ?? Buffer.allocUnsafeSlow(CHECKSUM_BYTES + CHUNK_BYTES)
      const part = bytes.subarray(offset, offset + CHUNK_BYTES - this.#chunkBytes)
      this.#chunk.set(part, CHECKSUM_BYTES + this.#chunkBytes)
      this.#chunkBytes += part.byteLength
      offset += part.byteLength
      if (this.#chunkBytes === CHUNK_BYTES) this.#flushChunk()
    }
  }

  #flushChunk(): void {
    const whole = this.#chunk
    if (whole === undefined) return
    const chunk = whole.subarray(0, CHECKSUM_BYTES + this.#chunkBytes)
    this.#chunk = undefined
    this.#chunkBytes = 0
    const index = this.#chunks++
    sealChunk(chunk, this.#name, index)
    const written: Promise<void> = runScript(this.#connection, CHUNK, [this.#keyOf(this.#name)], [index, chunk])
      .then(
        () => {
          this.#free.push(whole)
        },
        error => {
          this.#failure ??= { error }
        }
      )
      .finally(() => this.#waiting.delete(written))
    this.#waiting.add(written)
  }

  async #settle(count: number): Promise<void> {
    while (this.#waiting.size > count) await Promise.race(this.#waiting)
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
