import { randomBytes } from 'node:crypto'
import nodeFs from 'node:fs'
import { dirname, join } from 'node:path'
import { isUint8Array } from 'node:util/types'
import { ignoreAbsent, isMissing, isThereAlready } from '../shared/file-errors.ts'
import { acceptDirectory, acceptFileSystem } from '../shared/file-options.ts'
import { Semaphore } from '../shared/semaphore.ts'
import type { GetObjectOptions, ObjectBody, ObjectDriver, PutObjectOptions } from './driver.ts'
import { type DriverFileHandle, type DriverFileSystem, METHODS } from './driver-file-system.ts'
import { FileBody } from './file-body.ts'

export interface FsDriverOptions {
  /** Where the objects go; made, for its owner alone, if it is not there. A path or a file: URL. */
  readonly directory: string | URL
  /** The file system: Node's own by default, or anything that looks like `node:fs/promises`, or has it as `promises`. */
  readonly fs?: DriverFileSystem | { readonly promises: DriverFileSystem }
}

/** Files that are being written, before they have their names. No store's prefix begins like this. */
const UPLOADS = '~uploads'
const STALE_MS = 86_400_000
/** Files that are opened at the same time. */
const MAX_OPENING = 64
const SMALL_BYTES = 81_920

/** An ObjectDriver for the files of a folder: on a disk, on a network's, in memory. A file is written under another name and
 * then renamed, or linked, into its place. For a disk, a FileStore is faster, and bounded in bytes.
 * Throws a TypeError with ERR_CACHE_OPTION for a bad option. */
export function fsDriver(options: FsDriverOptions): ObjectDriver {
  const { directory, fs } = Object(options)
  return new FsDriver(
    acceptFileSystem<DriverFileSystem>(fs ?? nodeFs, METHODS),
    acceptDirectory(directory),
    fs === undefined
  )
}

class FsDriver implements ObjectDriver {
  readonly capabilities
  readonly #fs: DriverFileSystem
  readonly #directory: string
  readonly #semaphore = new Semaphore(MAX_OPENING)

  constructor(fs: DriverFileSystem, directory: string, isNative: boolean) {
    this.#fs = fs
    this.#directory = directory
    // Who else sees the files of another file system is not known.
    this.capabilities = { ranges: true, streams: true, ifAbsent: typeof fs.link === 'function', shared: isNative }
  }

  async get(name: string, { start = 0, end = Infinity }: GetObjectOptions): Promise<ObjectBody | undefined> {
    await this.#semaphore.acquire()
    try {
      const handle = await this.#fs.open(this.#pathOf(name), 'r')
      const body = new FileBody(handle, start, end)
      const first = await body.read(SMALL_BYTES)
      if (first.byteLength < SMALL_BYTES) await body.return()
      return first.byteLength < SMALL_BYTES ? first : body.startingWith(first)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    } finally {
      this.#semaphore.release()
    }
  }

  async put(name: string, body: ObjectBody, { ifAbsent = false, signal }: PutObjectOptions): Promise<boolean> {
    const temporary = join(this.#directory, UPLOADS, randomBytes(16).toString('hex'))
    const path = this.#pathOf(name)
    try {
      await this.#write(temporary, body)
      signal.throwIfAborted()
      if (!ifAbsent || this.#fs.link === undefined) await this.#inFolder(path, () => this.#fs.rename(temporary, path))
      else await this.#inFolder(path, async () => this.#fs.link?.(temporary, path))
      return true
    } catch (error) {
      if (ifAbsent && isThereAlready(error)) return false
      throw error
    } finally {
      await ignoreAbsent(this.#fs.unlink(temporary))
    }
  }

  async delete(name: string): Promise<void> {
    await ignoreAbsent(this.#fs.unlink(this.#pathOf(name)))
  }

  async *list(prefix: string): AsyncGenerator<string, undefined> {
    yield* this.#list(prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix)
  }

  async tidy(): Promise<void> {
    for (const name of await this.#namesIn(UPLOADS)) {
      const path = join(this.#directory, UPLOADS, name)
      if (Date.now() - (await this.#fs.stat(path)).mtimeMs > STALE_MS) await ignoreAbsent(this.#fs.unlink(path))
    }
  }

  async *#list(folder: string, prefix: string): AsyncGenerator<string, undefined> {
    for (const entry of await this.#namesIn(folder)) {
      const name = folder + entry
      if (!name.startsWith(prefix)) continue
      if (name.endsWith('/')) yield* this.#list(name, prefix)
      else yield name
    }
  }

  /** In order, folders with a slash. */
  async #namesIn(folder: string): Promise<readonly string[]> {
    try {
      const entries = await this.#fs.readdir(join(this.#directory, folder), { withFileTypes: true })
      return entries.map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort()
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }

  async #write(path: string, body: ObjectBody): Promise<void> {
    const handle = await this.#inFolder(path, () => this.#fs.open(path, 'wx', 0o600))
    try {
      if (isUint8Array(body)) await writeFully(handle, body)
      else for await (const piece of body) await writeFully(handle, piece)
    } finally {
      await handle.close()
    }
  }

  /** Makes the folder where it turns out to be missing. */
  async #inFolder<T>(path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!isMissing(error)) throw error
      await this.#fs.mkdir(dirname(path), { recursive: true, mode: 0o700 })
      return work()
    }
  }

  #pathOf(name: string): string {
    return join(this.#directory, ...name.split('/'))
  }
}

async function writeFully(handle: DriverFileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength; ) {
    offset += (await handle.write(bytes, offset, bytes.byteLength - offset)).bytesWritten
  }
}
