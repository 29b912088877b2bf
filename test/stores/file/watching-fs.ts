// Node's file system, or another, whose calls a test watches or has fail.
import * as nodeFs from 'node:fs/promises'
import type { FileHandle, FileSystem } from 'undici-http-cache/stores/file'

/** 'open /path' and so on; what it throws, the call rejects with. A promise: the call waits for it. */
export type Watcher = (call: string, path: string) => unknown

export function watchFs(watcher: Watcher, fs: FileSystem = nodeFs): FileSystem {
  const watch = async (call: string, path: string) => watcher(call, path)
  return {
    async mkdir(path, options) {
      await watch('mkdir', path)
      return fs.mkdir(path, options)
    },
    async open(path, flags, mode) {
      await watch('open', path)
      return new WatchedHandle(await fs.open(path, flags, mode), path, watcher)
    },
    async rename(from, to) {
      await watch('rename', to)
      return fs.rename(from, to)
    },
    async unlink(path) {
      await watch('unlink', path)
      return fs.unlink(path)
    },
    async rmdir(path) {
      await watch('rmdir', path)
      return fs.rmdir(path)
    },
    async lstat(path) {
      await watch('lstat', path)
      return fs.lstat(path)
    },
    async lutimes(path, atime, mtime) {
      await watch('lutimes', path)
      return fs.lutimes(path, atime, mtime)
    },
    async opendir(path) {
      await watch('opendir', path)
      return fs.opendir(path)
    }
  }
}

class WatchedHandle implements FileHandle {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #watcher: Watcher

  constructor(handle: FileHandle, path: string, watcher: Watcher) {
    this.#handle = handle
    this.#path = path
    this.#watcher = watcher
  }

  async read(buffer: Uint8Array, offset: number, length: number, position: number) {
    await this.#watcher('read', this.#path)
    return this.#handle.read(buffer, offset, length, position)
  }

  async write(buffer: Uint8Array, offset: number, length: number, position: number | null) {
    await this.#watcher('write', this.#path)
    return this.#handle.write(buffer, offset, length, position)
  }

  async stat() {
    await this.#watcher('stat', this.#path)
    return this.#handle.stat()
  }

  async sync() {
    await this.#watcher('sync', this.#path)
    return this.#handle.sync()
  }

  async close() {
    // Nothing is left open, whatever the test says.
    await this.#handle.close()
    await this.#watcher('close', this.#path)
  }
}

/** An error as the file system gives it. */
export function faultOf(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}
