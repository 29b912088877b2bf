import { Buffer } from 'node:buffer'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { BodyWriter, MaybePromise } from '../store.ts'
import { Blocks } from './blocks.ts'
import { CHECKSUM_BYTES, type ChunkedBody, MAX_INLINE_BYTES } from './chunked-body.ts'

export interface ChunkedBodyOptions<Name> {
  /** The name of the body, should it be stored in chunks. */
  readonly name: Name
  /** Bytes of body in a chunk; the last may have fewer. */
  readonly chunkBytes: number
  /** How many chunks are written at once. */
  readonly maxPendingChunks: number
  /** A larger body is given up. Bytes. */
  readonly maxBytes: number
}

/** Takes the body of one response: into memory as long as it is small, then chunk by chunk into the store, several at a
 * time. Nothing of it can be found before its record is stored. */
export abstract class ChunkedBodyWriter<Name> implements BodyWriter {
  readonly #options: ChunkedBodyOptions<Name>
  #isOpen = true
  #byteLength = 0
  /** The body as long as it is small. */
  #blocks: Blocks | undefined = new Blocks()
  /** The chunk that is being filled, with room for its checksum. */
  #chunk: Buffer | undefined
  #chunkBytes = 0
  #chunkCount = 0
  /** Buffers of chunks that are written, to be filled again. */
  readonly #spare: Buffer[] = []
  readonly #pending = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(options: ChunkedBodyOptions<Name>) {
    this.#options = options
  }

  /** Writes a chunk whose first four bytes are for its checksum. Its buffer is used again once this is fulfilled. */
  protected abstract writeChunk(index: number, chunk: Buffer): Promise<unknown>

  /** Stores the record, with the body or the place of its chunks. False: the response is refused. */
  protected abstract store(entry: Entry, body: Uint8Array | ChunkedBody<Name>): Promise<boolean>

  /** Removes the chunks. `written` is fulfilled once none is on its way any more. */
  protected abstract removeChunks(name: Name, written: Promise<unknown>): MaybePromise<void>

  /** Returns a promise where the store is behind. Throws or rejects with what a chunk has failed with. */
  write(bytes: Uint8Array): MaybePromise<void> {
    if (!this.#isOpen) return undefined
    const { maxBytes, maxPendingChunks } = this.#options
    if (this.#byteLength + bytes.byteLength > maxBytes) return this.abort()
    if (this.#failure !== undefined) throw this.#failure.error
    this.#byteLength += bytes.byteLength
    if (this.#blocks === undefined) {
      this.#fill(bytes)
    } else {
      this.#blocks.push(bytes)
      if (this.#byteLength <= MAX_INLINE_BYTES) return undefined
      const blocks = this.#blocks.finish()
      this.#blocks = undefined
      for (const block of blocks) this.#fill(block)
    }
    return this.#pending.size >= maxPendingChunks ? this.#settle(maxPendingChunks - 1) : undefined
  }

  async commit(entry: Entry): Promise<boolean> {
    if (!this.#isOpen) return false
    this.#isOpen = false
    const isStored = await this.store(entry, await this.#finish())
    if (!isStored) await this.discard()
    return isStored
  }

  abort(): MaybePromise<void> {
    if (!this.#isOpen) return undefined
    this.#isOpen = false
    return this.discard()
  }

  /** Drops what is not written yet, and removes what is. */
  protected discard(): MaybePromise<void> {
    this.#blocks = undefined
    this.#chunk = undefined
    if (this.#chunkCount === 0) return undefined
    return this.removeChunks(this.#options.name, Promise.all(this.#pending))
  }

  /** The whole body where it is small, or the place of its chunks once all are written. Rejects with what one has failed
   * with. */
  async #finish(): Promise<Uint8Array | ChunkedBody<Name>> {
    if (this.#blocks !== undefined) {
      const blocks = this.#blocks.finish()
      const [only] = blocks
      return blocks.length === 1 && only !== undefined ? only : new Uint8Array(Buffer.concat(blocks))
    }
    this.#flush()
    await this.#settle(0)
    return { name: this.#options.name, byteLength: this.#byteLength }
  }

  #fill(bytes: Uint8Array): void {
    const { chunkBytes } = this.#options
    for (let offset = 0; offset < bytes.byteLength; ) {
      this.#chunk ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(CHECKSUM_BYTES + chunkBytes)
      const part = bytes.subarray(offset, offset + chunkBytes - this.#chunkBytes)
      this.#chunk.set(part, CHECKSUM_BYTES + this.#chunkBytes)
      this.#chunkBytes += part.byteLength
      offset += part.byteLength
      if (this.#chunkBytes === chunkBytes) this.#flush()
    }
  }

  #flush(): void {
    const buffer = this.#chunk
    if (buffer === undefined) return
    const chunk = buffer.subarray(0, CHECKSUM_BYTES + this.#chunkBytes)
    this.#chunk = undefined
    this.#chunkBytes = 0
    const written: Promise<void> = this.writeChunk(this.#chunkCount++, chunk)
      .then(
        () => {
          this.#spare.push(buffer)
        },
        error => {
          this.#failure ??= { error }
        }
      )
      .finally(() => this.#pending.delete(written))
    this.#pending.add(written)
  }

  async #settle(count: number): Promise<void> {
    while (this.#pending.size > count) await Promise.race(this.#pending)
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
