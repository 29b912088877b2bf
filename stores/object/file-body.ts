import { Buffer } from 'node:buffer'
import { attempt } from '../shared/attempt.ts'
import type { DriverFileHandle } from './driver-file-system.ts'

const PIECE_BYTES = 131_072

/** A part of an open file, piece by piece. What is opened stays readable, whatever becomes of its name. */
export class FileBody implements AsyncIterableIterator<Uint8Array> {
  readonly #handle: DriverFileHandle
  readonly #end: number
  #position: number
  #first: Uint8Array | undefined
  #isOpen = true

  constructor(handle: DriverFileHandle, start: number, end: number) {
    this.#handle = handle
    this.#position = start
    this.#end = end
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The next bytes: fewer than asked for at the end alone. Closes the file where it fails. */
  async read(byteLength: number): Promise<Uint8Array> {
    const piece = Buffer.allocUnsafeSlow(Math.max(0, Math.min(byteLength, this.#end - this.#position)))
    let filled = 0
    try {
      while (filled < piece.byteLength) {
        const rest = piece.byteLength - filled
        const { bytesRead } = await this.#handle.read(piece, filled, rest, this.#position + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
    } catch (error) {
      await this.return()
      throw error
    }
    this.#position += filled
    return piece.subarray(0, filled)
  }

  /** Gives these bytes again, first. */
  startingWith(first: Uint8Array): this {
    this.#first = first
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#isOpen) return { done: true, value: undefined }
    const value = this.#first ?? (await this.read(PIECE_BYTES))
    this.#first = undefined
    return value.byteLength === 0 ? this.return() : { done: false, value }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    if (this.#isOpen) {
      this.#isOpen = false
      await attempt(() => this.#handle.close())
    }
    return { done: true, value: undefined }
  }
}
