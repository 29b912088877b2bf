import { randomBytes } from 'node:crypto'
import { linkSync, rmSync } from 'node:fs'
import { open } from 'lmdb'
import { lockPathOf } from './data-file.ts'
import { makeLockFile } from './lock-file.ts'
import { BYTES, TABLES } from './tables.ts'

/** Makes a data file with empty tables under another name, then links it to its own: LMDB may harm a process that opens a
 * file which another is still making. Throws what the file system or LMDB throws. */
export function makeDataFile(path: string): void {
  const temporary = `${path}.${randomBytes(8).toString('hex')}`
  const options = { path: temporary, noSubdir: true, noSync: true, permissionsMode: 0o600 }
  try {
    makeLockFile(lockPathOf(temporary))
    const root = open(options as Parameters<typeof open>[0])
    for (const name of Object.values(TABLES)) root.openDB(name, BYTES)
    // The file is closed on return, and nobody else uses it.
    root.close().catch(() => {})
    linkSync(temporary, path)
  } finally {
    rmSync(temporary, { force: true })
    rmSync(lockPathOf(temporary), { force: true })
  }
}
