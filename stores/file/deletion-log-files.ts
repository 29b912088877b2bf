import { Buffer } from 'node:buffer'
import { attempt } from '../shared/attempt.ts'
import { isAbsent, isMissing, isTaken } from '../shared/file-errors.ts'
import { DeletionView, LINE_BYTES, LOG_HEADER_BYTES } from './deletion-log-view.ts'
import {
  DIRECTORY_MODE,
  FILE_MODE,
  type FileHandle,
  type FileStats,
  readFully,
  TO_CREATE,
  TO_READ,
  writeFully
} from './file-system.ts'
import type { Folders } from './folders.ts'
import { generationIn } from './layout.ts'

const PIECE_BYTES = 2048 * LINE_BYTES

/** The folders of the logs of deletions, numbered. Each holds one log, and what was begun to be written while that log
 * was the last: without its folder, it can no longer be put in place. */
export class LogFiles {
  readonly #folders: Folders

  constructor(folders: Folders) {
    this.#folders = folders
  }

  /** Those whose folders are there, in ascending order, and the last number that is taken, if by something else. */
  async list(): Promise<{ readonly folders: readonly number[]; readonly last: number }> {
    const folders: number[] = []
    let last = 0
    try {
      await this.#folders.requireOwn(this.#folders.storage)
      for await (const entry of await this.#folders.fs.opendir(this.#folders.storage)) {
        const generation = generationIn(entry.name)
        if (generation === undefined) continue
        last = Math.max(last, generation)
        if (entry.isDirectory()) folders.push(generation)
      }
    } catch (error) {
      if (!isAbsent(error)) throw error
    }
    return { folders: folders.sort((a, b) => a - b), last }
  }

  /** undefined where there is no such log. */
  async stat(generation: number): Promise<FileStats | undefined> {
    try {
      const stats = await this.#folders.fs.lstat(this.#folders.logPath(generation))
      return stats.isFile() ? stats : undefined
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  /** A log, read to its end; undefined where it is none. */
  async load(generation: number): Promise<DeletionView | undefined> {
    const handle = await this.#open(generation)
    if (handle === undefined) return undefined
    try {
      const header = Buffer.alloc(LOG_HEADER_BYTES)
      const byteLength = await readFully(handle, header, 0)
      const view = DeletionView.parse(header.subarray(0, byteLength), generation)
      if (view === undefined) return undefined
      await readLines(handle, view)
      // Half a line at the end, and none that is appended could be told any more.
      return (await handle.stat()).size % LINE_BYTES === 0 ? view : undefined
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    } finally {
      await handle.close()
    }
  }

  /** Reads what has been added to a log. */
  async readOn(view: DeletionView): Promise<void> {
    const handle = await this.#open(view.generation)
    if (handle === undefined) return
    try {
      await readLines(handle, view)
    } finally {
      await handle.close()
    }
  }

  /** Begins a generation with this log, whole or not at all. Nothing happens where another process has done so. */
  async publish(generation: number, pieces: Iterable<Uint8Array>): Promise<void> {
    const { fs, storage } = this.#folders
    await this.#folders.prepare()
    const { folder: draft, log } = this.#folders.newDraft()
    await fs.mkdir(draft, { recursive: false, mode: DIRECTORY_MODE })
    try {
      const handle = await fs.open(log, TO_CREATE, FILE_MODE)
      try {
        let position = 0
        for (const piece of pieces) {
          await writeFully(handle, piece, position)
          position += piece.byteLength
        }
        await this.#folders.syncFile(handle)
      } finally {
        await handle.close()
      }
      await this.#folders.syncFolder(draft)
      if ((await this.stat(generation)) === undefined) {
        await fs.rename(draft, this.#folders.logFolder(generation))
        await this.#folders.syncFolder(storage)
        return
      }
    } catch (error) {
      const isThere = isTaken(error) && (await attempt(() => this.stat(generation))) !== undefined
      if (!isThere) {
        await attempt(() => fs.unlink(log))
        await attempt(() => fs.rmdir(draft))
        throw error
      }
    }
    await attempt(() => fs.unlink(log))
    await attempt(() => fs.rmdir(draft))
  }

  /** Ends what was begun in generations before this one. False where that failed. */
  async retire(before: number): Promise<boolean> {
    let succeeded = true
    for (const generation of (await this.list()).folders) {
      if (generation >= before) break
      try {
        await this.#folders.fs.rename(this.#folders.logFolder(generation), this.#folders.newTrash())
      } catch (error) {
        // Another process may have been faster.
        if (!isMissing(error)) succeeded = false
      }
    }
    return succeeded
  }

  async #open(generation: number): Promise<FileHandle | undefined> {
    try {
      return await this.#folders.fs.open(this.#folders.logPath(generation), TO_READ)
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }
}

/** In pieces that do not keep anybody waiting; what is not a whole line is left. */
async function readLines(handle: FileHandle, view: DeletionView): Promise<void> {
  const piece = Buffer.alloc(PIECE_BYTES)
  for (;;) {
    const byteLength = await readFully(handle, piece, view.sizeBytes)
    view.read(piece.subarray(0, byteLength - (byteLength % LINE_BYTES)))
    if (byteLength < PIECE_BYTES) return
  }
}
