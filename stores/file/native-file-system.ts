import fs from 'node:fs'
import { promisify } from 'node:util'
import type { FileHandle, FileStats, FileSystem } from './file-system.ts'

/** Node's own, through its callbacks: the promises of `node:fs/promises` make opening, reading and closing a small file
 * half as expensive again, and their handles warn when a store is dropped without being closed. */
export const nativeFileSystem: FileSystem = {
  mkdir: fs.promises.mkdir,
  // At once: one entry at a time, Node waits for process.nextTick, which test runners replace.
  opendir: async path => eachOf(await fs.promises.readdir(path, { withFileTypes: true })),
  rmdir: fs.promises.rmdir,
  lutimes: fs.promises.lutimes,
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  open(path, flags, mode) {
    return new Promise((resolve, reject) => {
      fs.open(path, flags, mode, (error, descriptor) => {
        if (error) reject(error)
        else resolve(new NativeFileHandle(descriptor))
      })
    })
  },
  lstat(path) {
    return new Promise((resolve, reject) => {
      fs.lstat(path, (error, stats) => {
        if (error) reject(error)
        else resolve(stats)
      })
    })
  }
}

async function* eachOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

class NativeFileHandle implements FileHandle {
  readonly #descriptor: number

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }> {
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, buffer, offset, length, position, (error, bytesRead) => {
        if (error) reject(error)
        else resolve({ bytesRead })
      })
    })
  }

  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null
  ): Promise<{ readonly bytesWritten: number }> {
    return new Promise((resolve, reject) => {
      fs.write(this.#descriptor, buffer, offset, length, position, (error, bytesWritten) => {
        if (error) reject(error)
        else resolve({ bytesWritten })
      })
    })
  }

  stat(): Promise<FileStats> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#descriptor, (error, stats) => {
        if (error) reject(error)
        else resolve(stats)
      })
    })
  }

  sync(): Promise<void> {
    return promisify(fs.fsync)(this.#descriptor)
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(this.#descriptor, error => {
        if (error) reject(error)
        else resolve()
      })
    })
  }
}
