import { Buffer } from 'node:buffer'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import type { Stored } from '../../stores/store.ts'
import { DamagedBody } from '../store-access/body-checks.ts'
import type { StoreDeadline } from '../store-access/store-deadline.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'
import { storedChunks } from './body-chunks.ts'

/** The destination of stored bytes that precede those of the origin. */
export interface Destination {
  readonly isOver: boolean
  pass(chunk: Buffer): void
  /** Settles when it takes more; undefined: it does already. */
  whenFree(): Promise<void> | undefined
}

/** The stored beginning of a body whose rest comes from the origin; its first piece has been read. */
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

  /** Resolves to undefined where the bytes cannot be read; the guard has been told. */
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

  /** Passes copies on, as fast as the destination takes them. False: the store has lost the rest. Throws where the bytes are
   * not those that were stored. */
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

  /** Releases the stored body. */
  close(): void {
    void this.#chunks.return()
  }
}
