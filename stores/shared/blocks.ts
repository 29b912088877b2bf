const BLOCK_BYTES = 65_536
const FIRST_BLOCK_BYTES = 1024

/** Collects a body in few pieces, however small the chunks it comes in. Large chunks are kept as they are. */
export class Blocks {
  readonly #blocks: Uint8Array[] = []
  #tail: Uint8Array | undefined
  #tailBytes = 0
  #byteLength = 0

  /** Bytes collected. */
  get byteLength(): number {
    return this.#byteLength
  }

  push(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    this.#byteLength += chunk.byteLength
    if (chunk.byteLength >= BLOCK_BYTES / 4) {
      this.#sealTail()
      this.#blocks.push(chunk)
    } else if (this.#tail === undefined && this.#blocks.length === 0) {
      // Most bodies are one chunk: it becomes the tail as it is, full.
      this.#tail = chunk
      this.#tailBytes = chunk.byteLength
    } else {
      this.#append(chunk)
    }
  }

  /** What was collected; the last call. */
  finish(): readonly Uint8Array[] {
    this.#sealTail()
    return this.#blocks
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#tailBytes + chunk.byteLength
    if (this.#tail === undefined || needed > this.#tail.byteLength) {
      if (this.#tail !== undefined && needed > BLOCK_BYTES) this.#sealTail()
      this.#growTail(this.#tailBytes + chunk.byteLength)
    }
    this.#tail?.set(chunk, this.#tailBytes)
    this.#tailBytes += chunk.byteLength
  }

  #growTail(needed: number): void {
    let size = Math.max(FIRST_BLOCK_BYTES, this.#tail?.byteLength ?? 0)
    while (size < needed) size *= 2
    const grown = new Uint8Array(Math.min(size, Math.max(BLOCK_BYTES, needed)))
    if (this.#tail !== undefined) grown.set(this.#tail.subarray(0, this.#tailBytes))
    this.#tail = grown
  }

  #sealTail(): void {
    if (this.#tail === undefined) return
    // A view would keep the unused rest of the block alive.
    const { byteLength } = this.#tail
    this.#blocks.push(this.#tailBytes === byteLength ? this.#tail : this.#tail.slice(0, this.#tailBytes))
    this.#tail = undefined
    this.#tailBytes = 0
  }
}
