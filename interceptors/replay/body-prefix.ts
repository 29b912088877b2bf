import { Buffer } from 'node:buffer'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import type { Stored } from '../../stores/store.ts'
import { DamagedBody } from '../store-access/body-checks.ts'
import type { StoreDeadline } from '../store-access/store-deadline.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'
import { storedChunks } from './body-chunks.ts'

/** Where stored bytes go before those of the origin do. */
export interface Destination {
  readonly isOver: boolean
  pass(chunk: Buffer): void
  /** Settles when it wants more; undefined: it does. */
  whenFree(): Promise<void> | undefined
}

/** Stored bytes that are delivered before the rest of them comes from the origin; the first have been read. */
export class BodyPrefix {
  readonly #chunks: AsyncGenerator<Uint8Array, void, undefined>
  #next: IteratorResult<Uint8Array, void>
  #remainingBytes: number

  private constructor(
    chunks: AsyncGenerator<Uint8Array, void, undefined>,
    first: IteratorResult<Uint8Array, void>,
    byteLength: number
  ) {
    this.#chunks = chunks
    this.#next = first
    this.#remainingBytes = byteLength
  }

  /** undefined where the bytes cannot be had; the guard has been told. */
  static async open(
    guard: StoreGuard,
    stored: Stored,
    range: ByteRange,
    deadline: StoreDeadline
  ): Promise<BodyPrefix | undefined> {
    const chunks = storedChunks(guard, stored, range, deadline)
    try {
      return new BodyPrefix(chunks, await chunks.next(), range.end - range.start)
    } catch {
      return undefined
    }
  }

  /** Passes copies on, as fast as they are wanted. False: the store has lost the rest. Throws where what it gave was not
   * what was stored. */
  async play(destination: Destination): Promise<boolean> {
    while (!this.#next.done && !destination.isOver) {
      this.#remainingBytes -= this.#next.value.byteLength
      destination.pass(Buffer.from(this.#next.value))
      await destination.whenFree()
      try {
        this.#next = await this.#chunks.next()
      } catch (error) {
        if (error instanceof DamagedBody || this.#remainingBytes === 0) throw error
        return false
      }
    }
    return true
  }

  /** Lets go of what is held open. */
  close(): void {
    void this.#chunks.return()
  }
}
