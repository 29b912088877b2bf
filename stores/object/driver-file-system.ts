/** What fsDriver asks of a file system: a part of `node:fs/promises`. */
export interface DriverFileSystem {
  mkdir(path: string, options: { readonly recursive: boolean; readonly mode: number }): Promise<unknown>
  open(path: string, flags: string, mode?: number): Promise<DriverFileHandle>
  rename(from: string, to: string): Promise<void>
  /** Fails with EEXIST where `to` is there. Without it, the driver has no `ifAbsent`. */
  link?(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  stat(path: string): Promise<{ readonly mtimeMs: number }>
  readdir(
    path: string,
    options: { readonly withFileTypes: true }
  ): Promise<readonly { readonly name: string; isDirectory(): boolean }[]>
}

export interface DriverFileHandle {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>
  write(buffer: Uint8Array, offset: number, length: number): Promise<{ readonly bytesWritten: number }>
  close(): Promise<void>
}

/** Those that are always there. */
export const METHODS = ['mkdir', 'open', 'rename', 'unlink', 'stat', 'readdir'] as const
