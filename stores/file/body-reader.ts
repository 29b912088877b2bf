import { Buffer } from 'node:buffer'
import { CacheError } from '../../lib/errors.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import { attempt } from '../shared/attempt.ts'
import { bodyFileBytes, bodySeed, CHECKSUM_BYTES, CHUNK_BYTES, FRAME_BYTES, openFrame } from '../shared/body-format.ts'
import { isAbsent } from '../shared/file-errors.ts'
import { type FileHandle, type FileSystem, readFully, TO_READ } from './file-system.ts'

export interface BodySource {
  readonly fs: FileSystem
  readonly path: string
  readonly bodyId: string
  readonly byteLength: number
  /** Called where the file is not there, or does not hold the bytes that were written. */
  readonly onDamage: () => void
}

/** Closes what was opened and never read. */
const forgotten = new FinalizationRegistry<FileHandle>(handle => {
  void attempt(() => handle.close())
})

/** Opens a body's file; undefined where there is none, or its length or the first chunk to be read is not what was
 * written. What is opened stays readable, whatever becomes of the file. */
export async function openBody(source: BodySource, range: ByteRange): Promise<BodyReader | undefined> {
  let handle: FileHandle
  try {
    handle = await source.fs.open(source.path, TO_READ)
  } catch (error) {
    if (!isAbsent(error)) throw error
    source.onDamage()
    return undefined
  }
  const reader = new BodyReader(source, handle, range)
  try {
    const { size } = await handle.stat()
    if (size === bodyFileBytes(source.byteLength) && (await reader.begin())) return reader
  } catch (error) {
    await reader.return()
    if (!isAbsent(error)) throw error
  }
  await reader.return()
  source.onDamage()
  return undefined
}

/** The chunks of a body, each verified before it is given; the next is read while one is being used. */
export class BodyReader implements AsyncIterableIterator<Uint8Array> {
  readonly #source: BodySource
  readonly #handle: FileHandle
  readonly #range: ByteRange
  readonly #seed: number
  #index: number
  #ahead: Promise<Uint8Array | undefined> | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #open = true

  constructor(source: BodySource, handle: FileHandle, range: ByteRange) {
    this.#source = source
    this.#handle = handle
    this.#range = range
    this.#seed = bodySeed(source.bodyId)
    this.#index = Math.floor(range.start / CHUNK_BYTES)
    forgotten.register(this, handle, this)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Reads the first chunk; false where it is damaged. */
  async begin(): Promise<boolean> {
    if (this.#isPastEnd) return true
    const first = await readChunk(this.#source, this.#handle, this.#index, this.#seed)
    this.#ahead = Promise.resolve(first)
    return first !== undefined
  }

  /** Rejects with a CacheError, ERR_CACHE_BODY, where the next chunk is damaged or cannot be read. */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const turn = this.#turn.then(() => this.#step())
    this.#turn = turn.catch(() => {})
    return turn
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    await this.#close()
    return { done: true, value: undefined }
  }

  get #isPastEnd(): boolean {
    return this.#index * CHUNK_BYTES >= this.#range.end
  }

  async #step(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#open || this.#ahead === undefined) return this.return()
    let chunk: Uint8Array | undefined
    try {
      chunk = await this.#ahead
    } catch (cause) {
      await this.#close()
      throw new CacheError('ERR_CACHE_BODY', 'a stored body cannot be read', { cause })
    }
    if (!this.#open) return this.return()
    if (chunk === undefined) {
      await this.#close()
      this.#source.onDamage()
      throw new CacheError('ERR_CACHE_BODY', 'a stored body is damaged')
    }
    const offset = this.#index * CHUNK_BYTES
    const { start, end } = this.#range
    this.#index++
    this.#readAhead()
    return { done: false, value: chunk.subarray(Math.max(start - offset, 0), end - offset) }
  }

  #readAhead(): void {
    if (this.#isPastEnd) {
      this.#ahead = undefined
      void this.#close()
      return
    }
    this.#ahead = readChunk(this.#source, this.#handle, this.#index, this.#seed)
    // Whoever takes the next step is told.
    this.#ahead.catch(() => {})
  }

  async #close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    forgotten.unregister(this)
    // A descriptor that is closed may be another file's before the reading has come to an end.
    if (this.#ahead !== undefined) await attempt(() => this.#ahead)
    await attempt(() => this.#handle.close())
  }
}

/** No method: what reads ahead must not keep a forgotten reader. */
async function readChunk(
  { byteLength }: BodySource,
  handle: FileHandle,
  index: number,
  seed: number
): Promise<Uint8Array | undefined> {
  const chunkBytes = Math.min(CHUNK_BYTES, byteLength - index * CHUNK_BYTES)
  const frame = Buffer.allocUnsafeSlow(chunkBytes + CHECKSUM_BYTES)
  const bytesRead = await readFully(handle, frame, index * FRAME_BYTES)
  return bytesRead === frame.byteLength ? openFrame(frame, index, seed) : undefined
}
