import { Buffer } from 'node:buffer'
import { attempt } from '../shared/attempt.ts'
import { bodySeed, CHECKSUM_BYTES, CHUNK_BYTES, FRAME_BYTES, sealFrame } from '../shared/body-format.ts'
import { randomName } from '../shared/entry-names.ts'
import { writeFully } from './file-system.ts'
import type { Folders, Temporary } from './folders.ts'

/** Writes a body into a temporary file, chunk by chunk, one chunk being written while the next is collected. */
export class BodyFileWriter {
  readonly id = randomName()
  readonly #folders: Folders
  readonly #seed = bodySeed(this.id)
  readonly #opened: Promise<Temporary>
  #frame: Buffer = Buffer.allocUnsafeSlow(FRAME_BYTES)
  #spare: Buffer | undefined = Buffer.allocUnsafeSlow(FRAME_BYTES)
  #filled = 0
  #index = 0
  #writing: Promise<void> | undefined
  #isClosed = false
  #isAborted = false

  constructor(folders: Folders, generation: number) {
    this.#folders = folders
    this.#opened = folders.openTemporary(generation)
    // Whoever writes next is told.
    this.#opened.catch(() => {})
  }

  /** Takes bytes; a promise where they must wait for others to be written. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    const taken = this.#collect(chunk)
    return taken === chunk.byteLength ? undefined : this.#writeRest(chunk.subarray(taken))
  }

  /** Writes what is left. Returns where the file is. */
  async finish(): Promise<string> {
    await this.#writing
    const { handle, path } = await this.#opened
    if (this.#filled > 0) await this.#writeFrame(this.#frame)
    await this.#folders.syncFile(handle)
    this.#isClosed = true
    await handle.close()
    return path
  }

  /** Removes the file. What waits to be written is not, but what is being written comes to its end first: a descriptor
   * that is closed may be another file's. */
  async abort(): Promise<void> {
    this.#isAborted = true
    if (this.#writing !== undefined) await attempt(() => this.#writing)
    const opened = await attempt(() => this.#opened)
    if (opened === undefined) return
    if (!this.#isClosed) await attempt(() => opened.handle.close())
    this.#isClosed = true
    await attempt(() => this.#folders.fs.unlink(opened.path))
  }

  /** Returns how many bytes there was room for. */
  #collect(chunk: Uint8Array): number {
    const taken = Math.min(chunk.byteLength, CHUNK_BYTES - this.#filled)
    this.#frame.set(taken === chunk.byteLength ? chunk : chunk.subarray(0, taken), this.#filled)
    this.#filled += taken
    if (this.#filled === CHUNK_BYTES && this.#spare !== undefined && this.#writing === undefined) this.#turnOver()
    return taken
  }

  async #writeRest(rest: Uint8Array): Promise<void> {
    while (rest.byteLength > 0) {
      if (this.#filled === CHUNK_BYTES) {
        await this.#writing
        if (this.#isAborted) return
        this.#turnOver()
      }
      rest = rest.subarray(this.#collect(rest))
    }
  }

  /** Begins to write the full frame, and to fill the other. */
  #turnOver(): void {
    const full = this.#frame
    this.#frame = this.#spare ?? Buffer.allocUnsafeSlow(FRAME_BYTES)
    this.#spare = undefined
    const writing = this.#writeFrame(full).then(() => {
      this.#spare = full
      this.#writing = undefined
    })
    // Whoever writes next is told: it stays in #writing.
    writing.catch(() => {})
    this.#writing = writing
  }

  async #writeFrame(frame: Buffer): Promise<void> {
    const index = this.#index++
    const byteLength = this.#filled
    this.#filled = 0
    const { handle } = await this.#opened
    sealFrame(frame, byteLength, index, this.#seed)
    await writeFully(handle, frame.subarray(0, byteLength + CHECKSUM_BYTES), index * FRAME_BYTES)
  }
}
