import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { linkSync, rmSync, writeFileSync } from 'node:fs'

/** A little more than the size of LMDB's lock file for 1024 readers. */
const LOCK_BYTES = 69_632

/** Makes the lock file, unless there is one, with all of its blocks: LMDB would leave gaps in it, and a write into a gap ends
 * the process while the disk is full. Throws what the file system throws. */
export function makeLockFile(path: string): void {
  const temporary = `${path}.${randomBytes(8).toString('hex')}`
  try {
    writeFileSync(temporary, Buffer.alloc(LOCK_BYTES), { mode: 0o600, flag: 'wx' })
    linkSync(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(temporary, { force: true })
  }
}
