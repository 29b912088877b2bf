import { Buffer } from 'node:buffer'
import { Blocks } from '../blocks.ts'

export interface ChunkedSinkOptions {
  /** Larger bodies are written in chunks. */
  readonly inlineBytes: number
  /** Bytes of body in a chunk; the last may have fewer. */
  readonly chunkBytes: number
  /** Room before them, for what the store adds. */
  readonly headBytes: number
  /** Chunks on their way before a write has to wait. */
  readonly maxWaiting: number
  /** Writes a chunk, room included; its buffer is filled again once this is fulfilled. */
  writeChunk(index: number, chunk: Buffer): Promise<unknown>
}

/** Takes a body: into memory as long as it is small, then chunk by chunk to where the store keeps it, several at a time. */
export class ChunkedSink {
  readonly #options: ChunkedSinkOptions
  #blocks: Blocks | undefined = new Blocks()
  #chunk: Buffer | undefined
  /** Written, to be filled again. */
  readonly #spare: Buffer[] = []
  #chunkBytes = 0
  #chunks = 0
  #byteLength = 0
  readonly #waiting = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(options: ChunkedSinkOptions) {
    this.#options = options
  }

  get byteLength(): number {
    return this.#byteLength
  }

  /** Chunks so far. */
  get chunks(): number {
    return this.#chunks
  }

  /** A promise where the store is behind. Throws or rejects with what a chunk has failed with. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    this.#byteLength += bytes.byteLength
    if (this.#blocks === undefined) {
      this.#fill(bytes)
    } else {
      this.#blocks.push(bytes)
      if (this.#byteLength <= this.#options.inlineBytes) return undefined
      const blocks = this.#blocks.finish()
      this.#blocks = undefined
      for (const block of blocks) this.#fill(block)
    }
    const { maxWaiting } = this.#options
    return this.#waiting.size >= maxWaiting ? this.#settle(maxWaiting - 1) : undefined
  }

  /** A small body, whole; undefined once all chunks of a large one are written. Rejects with what one has failed with. */
  async finish(): Promise<Uint8Array | undefined> {
    if (this.#blocks !== undefined) {
      const blocks = this.#blocks.finish()
      const [only] = blocks
      return blocks.length === 1 && only !== undefined ? only : new Uint8Array(Buffer.concat(blocks))
    }
    this.#flush()
    await this.#settle(0)
    return undefined
  }

  /** To be called last. Drops what is not on its way yet; settles once nothing is. */
  async discard(): Promise<void> {
    this.#blocks = undefined
    this.#chunk = undefined
    await Promise.all(this.#waiting)
  }

  #fill(bytes: Uint8Array): void {
    const { headBytes, chunkBytes } = this.#options
    for (let offset = 0; offset < bytes.byteLength; ) {
      this.#chunk ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(headBytes + chunkBytes)
      const part = bytes.subarray(offset, offset + chunkBytes - this.#chunkBytes)
      this.#chunk.set(part, headBytes + this.#chunkBytes)
      this.#chunkBytes += part.byteLength
      offset += part.byteLength
      if (this.#chunkBytes === chunkBytes) this.#flush()
    }
  }

  #flush(): void {
    const buffer = this.#chunk
    if (buffer === undefined) return
    const chunk = buffer.subarray(0, this.#options.headBytes + this.#chunkBytes)
    this.#chunk = undefined
    this.#chunkBytes = 0
    const written: Promise<void> = this.#options
      .writeChunk(this.#chunks++, chunk)
      .then(
        () => {
          this.#spare.push(buffer)
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
