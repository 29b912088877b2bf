import type { Buffer } from 'node:buffer'
import { attempt } from '../shared/attempt.ts'
import { bodyFileBytes } from '../shared/body-format.ts'
import { ignoreAbsent, isMissing } from '../shared/file-errors.ts'
import { MAX_RECORD_BYTES } from '../shared/record-format.ts'
import { occupiedBytes, writeFully } from './file-system.ts'
import type { Folders } from './folders.ts'

const MAX_ATTEMPTS = 10

/** A body that has been received: as it is, or in a temporary file. */
export type ReceivedBody =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly path: string; readonly id: string; readonly byteLength: number }

/** Writes temporary files and renames them: what is found in its place is whole. */
export class RecordWriter {
  readonly #folders: Folders
  readonly #onWritten: (byteLength: number) => void

  /** `onWritten` is told how much room has been taken, in bytes. */
  constructor(folders: Folders, onWritten: (byteLength: number) => void) {
    this.#folders = folders
    this.#onWritten = onWritten
  }

  /** Makes sure that nothing which is written from now on for that name comes to lie elsewhere. */
  async prepare(name: string, generation: number): Promise<void> {
    await this.#folders.prepareShard(name, generation)
  }

  /** Puts a record in its place, its body's file first; after `prepare`. False where the record is too large, or the
   * generation has been retired: a deletion may have been forgotten since that this record would have to know of. */
  async put(name: string, bytes: Buffer, generation: number, body?: ReceivedBody): Promise<boolean> {
    if (bytes.byteLength > MAX_RECORD_BYTES) return false
    const made: string[] = []
    try {
      const temporary = await this.#writeTemporary(bytes, generation)
      made.push(temporary)
      if (body?.kind === 'file') {
        const path = this.#folders.bodyPath(name, body.id)
        await this.#move(body.path, path, name, generation)
        made.push(path)
        this.#onWritten(occupiedBytes(bodyFileBytes(body.byteLength)))
      }
      await this.#move(temporary, this.#folders.recordPath(name), name, generation)
      await ignoreAbsent(this.#folders.syncFolder(this.#folders.shardPath(name)))
      this.#onWritten(occupiedBytes(bytes.byteLength))
      return true
    } catch (error) {
      for (const path of made) await attempt(() => this.#folders.fs.unlink(path))
      if (isMissing(error) && (await this.#folders.isRetired(generation))) return false
      throw error
    }
  }

  async #writeTemporary(bytes: Buffer, generation: number): Promise<string> {
    const { path, handle } = await this.#folders.createTemporary(generation)
    try {
      try {
        await writeFully(handle, bytes, 0)
        await this.#folders.syncFile(handle)
      } finally {
        await handle.close()
      }
    } catch (error) {
      await attempt(() => this.#folders.fs.unlink(path))
      throw error
    }
    return path
  }

  /** Again where the folder was cleared away just then. */
  async #move(from: string, to: string, name: string, generation: number, attempts = MAX_ATTEMPTS): Promise<void> {
    try {
      await this.#folders.fs.rename(from, to)
    } catch (error) {
      if (!isMissing(error) || attempts === 1) throw error
      await this.#folders.prepareShard(name, generation)
      await this.#move(from, to, name, generation, attempts - 1)
    }
  }
}
