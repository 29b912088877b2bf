import { Buffer } from 'node:buffer'
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { uptime } from 'node:os'
import { makeLockFile } from './lock-file.ts'

/** Where things are in LMDB's two meta pages, which a data file begins with. */
const MAGIC_OFFSET = 24
const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const META_BYTES = 168
/** So many bytes at the end may be missing: pages that were freed before they were written. */
const MISSING_BYTES = 1_048_576

interface Meta {
  readonly pageBytes: number
  readonly lastPage: number
  readonly transaction: number
}

/** Makes sure that LMDB can open the data file, if there is one: LMDB ends the process where the file is no database, or cut
 * short. Such a file is set aside as `.damaged`, and so is one that was not on the disk when the operating system crashed.
 * Other processes may be writing to it. Links are not followed. Throws what the file system throws. */
export function prepareDataFile(path: string): void {
  for (const file of [path, lockPathOf(path), notePathOf(path)]) removeForeign(file)
  if (!isIntact(path)) setAside(path)
  if (!existsSync(lockPathOf(path))) makeLockFile(lockPathOf(path))
  noteSynced(path, undefined)
}

export function lockPathOf(path: string): string {
  return `${path}-lock`
}

function notePathOf(path: string): string {
  return `${path}-synced`
}

/** The last transaction in the file; undefined for an empty one. */
export function lastTransactionOf(path: string): number | undefined {
  const file = openSync(path, 'r')
  try {
    return newestMeta(file)?.transaction
  } finally {
    closeSync(file)
  }
}

/** Notes that all transactions up to this one have reached the disk; undefined: no others than were noted before. */
export function noteSynced(path: string, transaction: number | undefined): void {
  const note = readNote(path)
  if (transaction === undefined && note?.boot === bootName()) return
  const temporary = `${notePathOf(path)}.${process.pid}`
  rmSync(temporary, { force: true })
  writeFileSync(temporary, `${bootName()} ${transaction ?? note?.transaction ?? 0}`, { mode: 0o600, flag: 'wx' })
  renameSync(temporary, notePathOf(path))
}

function isIntact(path: string): boolean {
  let file: number
  try {
    file = openSync(path, constants.O_RDWR | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw error
  }
  try {
    const meta = newestMeta(file)
    if (meta === undefined) return false
    const expected = (meta.lastPage + 1) * meta.pageBytes
    // Read after the meta page: another process may make the file longer meanwhile.
    const missingBytes = expected - fstatSync(file).size
    if (missingBytes > MISSING_BYTES) return false
    // Appended, for the same reason: nothing that was just written is overwritten.
    for (let i = missingBytes; i > 0; ) i -= writeSync(file, Buffer.alloc(i))
    const note = readNote(path)
    return note?.boot === bootName() || (note !== undefined && note.transaction >= meta.transaction)
  } finally {
    closeSync(file)
  }
}

function newestMeta(file: number): Meta | undefined {
  const first = readMeta(file, 0)
  const second = first === undefined ? undefined : readMeta(file, first.pageBytes)
  if (first === undefined || second === undefined) return undefined
  return first.transaction > second.transaction ? first : second
}

function readMeta(file: number, offset: number): Meta | undefined {
  const bytes = Buffer.alloc(META_BYTES)
  if (readSync(file, bytes, 0, META_BYTES, offset) < META_BYTES) return undefined
  if (bytes.readUInt32LE(MAGIC_OFFSET) !== MAGIC || bytes.readUInt32LE(MAGIC_OFFSET + 4) !== DATA_VERSION)
    return undefined
  const pageBytes = bytes.readUInt32LE(48)
  if (pageBytes < 512 || pageBytes > 65_536) return undefined
  return { pageBytes, lastPage: Number(bytes.readBigUInt64LE(144)), transaction: Number(bytes.readBigUInt64LE(152)) }
}

/** Renames the data file to `.damaged`, and removes what belongs to it. */
export function setAside(path: string): void {
  rmSync(`${path}.damaged`, { force: true, recursive: true })
  renameSync(path, `${path}.damaged`)
  rmSync(lockPathOf(path), { force: true })
  rmSync(notePathOf(path), { force: true })
}

/** Removes what this store has not made: a link, above all. */
function removeForeign(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found !== undefined && !found.isFile()) rmSync(path, { recursive: true, force: true })
}

function readNote(path: string): { readonly boot: string; readonly transaction: number } | undefined {
  try {
    const [boot = '', transaction] = readFileSync(notePathOf(path), 'latin1').split(' ')
    return { boot, transaction: Number(transaction) }
  } catch {
    return undefined
  }
}

let boot: string | undefined

/** A name that changes whenever the operating system starts. */
export function bootName(): string {
  boot ??= readBootName()
  return boot
}

function readBootName(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return `up-since-${Math.round((Date.now() / 1000 - uptime()) / 600)}`
  }
}
