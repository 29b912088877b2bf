import { dirname, sep } from 'node:path'
import { CacheError } from '../../lib/errors.ts'
import { monotonicMs } from '../../lib/event-loop.ts'
import { isMissing, isThereAlready } from '../shared/file-errors.ts'
import { DIRECTORY_MODE, FILE_MODE, type FileHandle, type FileSystem, TO_CREATE, TO_READ } from './file-system.ts'
import { Layout } from './layout.ts'

const WRITABLE_BY_OTHERS = 0o022
/** How old a look at folders may be for who only reads. */
const GLANCE_MS = 1000
const MAX_ATTEMPTS = 5

export interface Temporary {
  readonly path: string
  readonly handle: FileHandle
}

/** When a folder was last looked at; `pending` as long as that goes on. */
interface Look {
  readonly atMs: number
  pending: Promise<void> | undefined
}

/** The folders of one store: makes them, and makes sure that they are nobody else's. */
export class Folders extends Layout {
  readonly fs: FileSystem
  readonly #directory: string
  readonly #sync: boolean
  /** Whether the storage folder has been found to be there, and no one else's. */
  isOurs = false
  /** When the folders of entries, of which there are 256, and those they lie in were last looked at. */
  readonly #looks = new Map<string, Look>()

  constructor(fs: FileSystem, directory: string, serializerName: string, sync: boolean) {
    super(directory, serializerName)
    this.fs = fs
    this.#sync = sync
    this.#directory = directory
  }

  /** Whether the folder of that log is gone: what was begun in it cannot be put in place any more. */
  async isRetired(generation: number): Promise<boolean> {
    try {
      await this.fs.lstat(this.logFolder(generation))
      return false
    } catch (error) {
      return isMissing(error)
    }
  }

  /** Whether there is a storage folder, and nobody else can have written what is in it; rejects with a CacheError,
   * ERR_CACHE_STORE, where somebody can. */
  async isThere(): Promise<boolean> {
    if (this.isOurs) return true
    try {
      await this.requireOwn(this.storage)
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
    this.isOurs = true
    return true
  }

  /** Makes the storage folder where there is none. */
  async prepare(): Promise<void> {
    await this.fs.mkdir(this.#directory, { recursive: true, mode: DIRECTORY_MODE })
    await this.#makeFolder(this.storage)
    this.isOurs = true
  }

  /** Makes sure that what is renamed to `recordPath(name)` from `generation` on stays inside. */
  async prepareShard(name: string, generation: number): Promise<void> {
    const path = this.shardPath(name)
    try {
      await this.requireOwn(path, this.logFolder(generation))
    } catch (error) {
      if (!isMissing(error)) throw error
      await this.makeFolders(path)
    }
  }

  /** Again where they are cleared away just then. */
  async makeFolders(path: string, attempts = MAX_ATTEMPTS): Promise<void> {
    try {
      for (const folder of this.#foldersTo(path)) await this.#makeFolder(folder)
    } catch (error) {
      if (!isMissing(error) || attempts === 1) throw error
      await this.makeFolders(path, attempts - 1)
    }
  }

  /** Rejects with a CacheError, ERR_CACHE_STORE, where a folder on the way from the storage folder to these is none (but,
   * say, a link to one), or not ours alone. */
  async requireOwn(...paths: readonly string[]): Promise<void> {
    const folders = new Set(paths.flatMap(path => this.#foldersTo(path)))
    await Promise.all([...folders].map(folder => this.#requireFolder(folder)))
  }

  /** `requireOwn` for who is about to read in a folder of entries, and content with a look of the last second.
   * undefined: no wait. */
  glance(shardPath: string): Promise<unknown> | undefined {
    const sinceMs = monotonicMs() - GLANCE_MS
    const storage = this.#lookAt(this.storage, sinceMs)
    const entries = this.#lookAt(this.entries, sinceMs)
    const shard = this.#lookAt(shardPath, sinceMs)
    if (storage === undefined && entries === undefined && shard === undefined) return undefined
    return Promise.all([storage, entries, shard])
  }

  /** undefined: it has been looked at since, and found to be in order. */
  #lookAt(folder: string, sinceMs: number): Promise<void> | undefined {
    const last = this.#looks.get(folder)
    if (last !== undefined && last.atMs > sinceMs) return last.pending
    const look: Look = { atMs: sinceMs + GLANCE_MS, pending: undefined }
    this.#looks.set(folder, look)
    look.pending = this.#look(folder, look)
    return look.pending
  }

  async #look(folder: string, look: Look): Promise<void> {
    try {
      await this.#requireFolder(folder)
      look.pending = undefined
    } catch (error) {
      this.#looks.delete(folder)
      if (!isMissing(error)) throw error
    }
  }

  /** A new file for what is begun while that log is the last; rejects with ENOENT where it has been retired. */
  async openTemporary(generation: number): Promise<Temporary> {
    await this.requireOwn(this.logFolder(generation))
    return this.createTemporary(generation)
  }

  /** The same where the folder has just been looked at. */
  async createTemporary(generation: number): Promise<Temporary> {
    const path = this.newTemporary(generation)
    return { path, handle: await this.fs.open(path, TO_CREATE, FILE_MODE) }
  }

  async syncFile(handle: FileHandle): Promise<void> {
    if (this.#sync) await handle.sync()
  }

  /** Makes what was put into a folder last. */
  async syncFolder(path: string): Promise<void> {
    if (!this.#sync) return
    const handle = await this.fs.open(path, TO_READ)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  async #makeFolder(path: string): Promise<void> {
    try {
      await this.#requireFolder(path)
    } catch (error) {
      if (!isMissing(error)) throw error
      await this.#makeMissing(path)
      await this.#requireFolder(path)
    }
  }

  /** Not recursively: Node would say ENOENT of a disk that is read-only. */
  async #makeMissing(path: string): Promise<void> {
    try {
      await this.fs.mkdir(path, { recursive: false, mode: DIRECTORY_MODE })
    } catch (error) {
      if (!isThereAlready(error)) throw error
    }
    await this.syncFolder(dirname(path))
  }

  /** From the storage folder to that one. */
  #foldersTo(path: string): readonly string[] {
    const folders = [this.storage]
    for (let end = this.storage.length; end < path.length; ) {
      const next = path.indexOf(sep, end + 1)
      end = next === -1 ? path.length : next
      folders.push(path.slice(0, end))
    }
    return folders
  }

  async #requireFolder(path: string): Promise<void> {
    const stats = await this.fs.lstat(path)
    const uid = process.geteuid?.()
    if (!stats.isDirectory()) throw new CacheError('ERR_CACHE_STORE', `${path} is not a directory`)
    if (uid === undefined) return
    if (stats.uid !== uid) throw new CacheError('ERR_CACHE_STORE', `${path} belongs to another user`)
    if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new CacheError('ERR_CACHE_STORE', `${path} can be written to by other users`)
    }
  }
}
