import { Buffer } from 'node:buffer'
import { CacheError } from '../../lib/errors.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import { attempt } from '../shared/attempt.ts'
import { bodyFileBytes, bodySeed, CHECKSUM_BYTES, CHUNK_BYTES, FRAME_BYTES, openFrame } from '../shared/body-format.ts'
import { assertBytes, type DriverCalls, endIterator } from './driver-calls.ts'
import type { DriverUse } from './driver-use.ts'

export interface BodySource {
  readonly calls: DriverCalls
  readonly path: string
  readonly bodyId: string
  readonly byteLength: number
  /** Called where the object is not there, or does not hold the bytes that were written. */
  readonly onDamage: () => void
}

/** Ends what was opened and never read. */
const forgotten = new FinalizationRegistry<DriverUse>(use => use.abort(letGo()))

/** Opens a body's object, or a range of it; undefined where there is none, or its first chunk is not what was written. */
export async function openBody(source: BodySource, range: ByteRange): Promise<BodyReader | undefined> {
  const { calls, path, byteLength } = source
  const first = Math.floor(range.start / CHUNK_BYTES)
  const end = Math.min(Math.ceil(range.end / CHUNK_BYTES) * FRAME_BYTES, bodyFileBytes(byteLength))
  const use = calls.begin()
  try {
    const pieces = await calls.open(path, { start: first * FRAME_BYTES, end }, use)
    if (pieces !== undefined) {
      const reader = new BodyReader(source, range, pieces, use)
      if (await reader.begin()) return reader
      await reader.return()
    }
  } catch (error) {
    use.abort(error)
    throw error
  }
  use.abort(letGo())
  source.onDamage()
  return undefined
}

/** The chunks of a body, each verified before it is given. */
export class BodyReader implements AsyncIterableIterator<Uint8Array> {
  readonly #source: BodySource
  readonly #range: ByteRange
  readonly #pieces: AsyncIterator<Uint8Array>
  readonly #use: DriverUse
  readonly #seed: number
  #index: number
  #ahead: Uint8Array | undefined
  #rest: Uint8Array = new Uint8Array()
  #turn: Promise<unknown> = Promise.resolve()
  #isOpen = true

  constructor(source: BodySource, range: ByteRange, pieces: AsyncIterator<Uint8Array>, use: DriverUse) {
    this.#source = source
    this.#range = range
    this.#pieces = pieces
    this.#use = use
    this.#seed = bodySeed(source.bodyId)
    this.#index = Math.floor(range.start / CHUNK_BYTES)
    forgotten.register(this, use, this)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Reads the first chunk; false where it is damaged. */
  async begin(): Promise<boolean> {
    this.#ahead = await this.#readChunk()
    return this.#ahead !== undefined
  }

  /** Rejects with a CacheError: ERR_CACHE_BODY where the next chunk is damaged, ERR_CACHE_STORE where it cannot be read. */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const turn = this.#turn.then(() => this.#step())
    this.#turn = attempt(() => turn)
    return turn
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#close()
    return { done: true, value: undefined }
  }

  async #step(): Promise<IteratorResult<Uint8Array, undefined>> {
    const offset = this.#index * CHUNK_BYTES
    const { start, end } = this.#range
    if (!this.#isOpen || offset >= end) return this.return()
    let chunk = this.#ahead
    this.#ahead = undefined
    try {
      chunk ??= await this.#readChunk()
    } catch (cause) {
      // Left meanwhile: that is no fault.
      if (!this.#isOpen) return this.return()
      this.#close()
      throw new CacheError('ERR_CACHE_STORE', 'a stored body cannot be read', { cause })
    }
    if (chunk === undefined) {
      this.#close()
      this.#source.onDamage()
      throw new CacheError('ERR_CACHE_BODY', 'a stored body is damaged')
    }
    this.#index++
    if (offset + CHUNK_BYTES >= end) await this.#finish()
    return { done: false, value: chunk.subarray(Math.max(start - offset, 0), end - offset) }
  }

  /** undefined: damaged, or cut short. */
  async #readChunk(): Promise<Uint8Array | undefined> {
    const chunkBytes = Math.min(CHUNK_BYTES, this.#source.byteLength - this.#index * CHUNK_BYTES)
    const frame = Buffer.allocUnsafeSlow(chunkBytes + CHECKSUM_BYTES)
    for (let filled = 0; filled < frame.byteLength; ) {
      if (this.#rest.byteLength === 0) {
        const { done, value } = await this.#use.within(this.#pieces.next())
        if (done) return undefined
        this.#rest = assertBytes(value)
      }
      const taken = this.#rest.subarray(0, frame.byteLength - filled)
      frame.set(taken, filled)
      filled += taken.byteLength
      this.#rest = this.#rest.subarray(taken.byteLength)
    }
    return openFrame(frame, this.#index, this.#seed)
  }

  /** Takes the end as well, so that a connection is free for others. */
  async #finish(): Promise<void> {
    if (this.#rest.byteLength === 0) await attempt(() => this.#use.within(this.#pieces.next()))
    this.#close()
  }

  #close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    forgotten.unregister(this)
    this.#use.abort(letGo())
    void endIterator(this.#pieces)
  }
}

function letGo(): CacheError {
  return new CacheError('ERR_CACHE_BODY', 'a stored body was left before its end')
}
