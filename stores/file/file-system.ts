import { constants } from 'node:fs'

/** What a FileStore asks of a file system: a part of `node:fs/promises`, as `memfs` and others offer it too. */
export interface FileSystem {
  mkdir(path: string, options: { readonly recursive: boolean; readonly mode: number }): Promise<unknown>
  open(path: string, flags: string | number, mode?: number): Promise<FileHandle>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  rmdir(path: string): Promise<void>
  lstat(path: string): Promise<FileStats>
  /** Times in seconds since the epoch. */
  lutimes(path: string, atime: number, mtime: number): Promise<void>
  opendir(path: string): Promise<AsyncIterable<DirectoryEntry>>
}

export interface FileHandle {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>
  /** At the end of what is open for appending, where `position` is null. */
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null
  ): Promise<{ readonly bytesWritten: number }>
  stat(): Promise<FileStats>
  sync(): Promise<void>
  close(): Promise<void>
}

export interface FileStats {
  readonly ino: number
  readonly birthtimeMs: number
  readonly size: number
  readonly mtimeMs: number
  readonly uid: number
  readonly mode: number
  isFile(): boolean
  isDirectory(): boolean
}

export interface DirectoryEntry {
  readonly name: string
  isFile(): boolean
  isDirectory(): boolean
}

/** Those that are always there. */
export const METHODS = ['mkdir', 'open', 'rename', 'unlink', 'rmdir', 'lstat', 'lutimes', 'opendir'] as const

/* Where the platform has them: what somebody planted is neither followed, nor waited for if it is a pipe. */
const { O_RDONLY, O_WRONLY, O_APPEND, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

export const TO_READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
export const TO_APPEND = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK
export const TO_CREATE = 'wx'
export const FILE_MODE = 0o600
export const DIRECTORY_MODE = 0o700

/** Writes all of `bytes`; a write may take less than it was given. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let offset = 0
  while (offset < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.byteLength - offset, position + offset)
    offset += bytesWritten
  }
}

/** Fills `buffer` from `position`, as far as there is something to read. Returns the number of bytes. */
export async function readFully(handle: FileHandle, buffer: Uint8Array, position: number): Promise<number> {
  let offset = 0
  while (offset < buffer.byteLength) {
    const { bytesRead } = await handle.read(buffer, offset, buffer.byteLength - offset, position + offset)
    if (bytesRead === 0) break
    offset += bytesRead
  }
  return offset
}

/** What file systems allot. */
const BLOCK_BYTES = 4096

/** What a file of so many bytes occupies on the disk. */
export function occupiedBytes(byteLength: number): number {
  return Math.ceil(byteLength / BLOCK_BYTES) * BLOCK_BYTES
}
