import { Buffer } from 'node:buffer'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { BodyWriter, MaybePromise } from '../store.ts'
import { Blocks } from './blocks.ts'

/** Larger bodies are stored apart; smaller ones are part of the record. Bytes. */
const MAX_INLINE_BYTES = 65_536

/** A body that is being stored apart. */
export interface LargeBody {
  /** Takes bytes; a promise where they must wait for others to be written. */
  write(chunk: Uint8Array): Promise<void> | undefined
  /** Forgets what was written. */
  abort(): MaybePromise<void>
}

/** Takes the body of one response: keeps it while it is small, and has it stored apart, as it comes, once it is not. */
export abstract class SpillingBodyWriter<Large extends LargeBody> implements BodyWriter {
  readonly #maxBytes: number
  #blocks = new Blocks()
  #large: Large | undefined
  #byteLength = 0
  #isOver = false

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Begins a body that is stored apart. */
  protected abstract begin(): Large

  /** Stores the record, with the body or the place of it. False: the response is refused. */
  protected abstract store(entry: Entry, body: Uint8Array | Large, byteLength: number): Promise<boolean>

  /** Whether an error is no fault, but says that the response came too late to be stored. */
  protected abstract isTooLate(error: unknown): MaybePromise<boolean>

  write(chunk: Uint8Array): MaybePromise<void> {
    if (this.#isOver) return undefined
    this.#byteLength += chunk.byteLength
    if (this.#byteLength > this.#maxBytes) return this.abort()
    if (this.#large === undefined) this.#blocks.push(chunk)
    if (this.#byteLength <= MAX_INLINE_BYTES) return undefined
    const writing = this.#large === undefined ? this.#spill() : this.#large.write(chunk)
    return writing?.catch(error => this.#fail(error))
  }

  async commit(entry: Entry): Promise<boolean> {
    if (this.#isOver) return false
    this.#isOver = true
    let isStored = false
    try {
      isStored = await this.store(entry, this.#large ?? this.#whole(), this.#byteLength)
    } catch (error) {
      if (!(await this.isTooLate(error))) throw error
    } finally {
      if (!isStored) await this.#large?.abort()
    }
    return isStored
  }

  async abort(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#blocks = new Blocks()
    await this.#large?.abort()
  }

  async #spill(): Promise<void> {
    const blocks = this.#blocks
    this.#blocks = new Blocks()
    this.#large = this.begin()
    for (const block of blocks.finish()) await this.#large.write(block)
  }

  async #fail(error: unknown): Promise<void> {
    // Given up meanwhile: that is no fault.
    if (this.#isOver) return
    const isTooLate = await this.isTooLate(error)
    await this.abort()
    if (!isTooLate) throw error
  }

  #whole(): Uint8Array {
    const blocks = this.#blocks.finish()
    const [only] = blocks
    return blocks.length === 1 && only !== undefined ? only : Buffer.concat(blocks)
  }
}
