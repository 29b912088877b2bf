import { randomBytes } from 'node:crypto'
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync
} from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CacheError } from '../../lib/errors.ts'
import { monotonicMs } from '../../lib/event-loop.ts'

const STEP_MS = 2
/** Opening takes some 30 ms, and several processes may be about to. Nothing else happens meanwhile. */
const MAX_WAIT_MS = 500
/** Whoever has left it for so long is not at work any more. */
const STALE_MS = 5_000

/** Locks of this thread, and what it has written there: it would wait for itself, and LMDB keeps apart what goes on in one
 * process. */
const held = new Map<string, string>()

/** Opens a database while no other process opens or closes it: LMDB does not keep such processes apart in every moment, and
 * what two of them write at once ends one of them. Makes the directory. Throws a CacheError with ERR_CACHE_STORE where
 * others take too long, and what the file system throws. */
export function openExclusively<T>(path: string, open: () => T): T {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const lock = lockOf(path)
  if (held.has(lock)) return open()
  for (const end = monotonicMs() + MAX_WAIT_MS; !take(lock); pause()) {
    if (monotonicMs() < end) continue
    throw new CacheError('ERR_CACHE_STORE', `another process takes too long to open or close '${path}'`)
  }
  try {
    return open()
  } finally {
    release(lock)
  }
}

/** Closes a database while no other process opens or closes it; all the same where others take too long. */
export async function closeExclusively(path: string, close: () => Promise<void>): Promise<void> {
  const lock = lockOf(path)
  const isAlone = await tryToTake(lock)
  try {
    await close()
  } finally {
    if (isAlone) release(lock)
  }
}

function lockOf(path: string): string {
  return `${path}-opening`
}

async function tryToTake(lock: string): Promise<boolean> {
  try {
    for (const end = monotonicMs() + MAX_WAIT_MS; monotonicMs() < end; await sleep(STEP_MS)) {
      if (take(lock)) return true
    }
  } catch {
    // Where there is no folder any more, nobody opens what was in it.
  }
  return false
}

/** False: another has it. Throws what the file system throws. */
function take(lock: string): boolean {
  const file = create(lock)
  if (file === undefined) {
    removeStale(lock)
    return false
  }
  const content = `${process.pid} ${randomBytes(8).toString('hex')}`
  try {
    writeSync(file, content)
  } catch (error) {
    rmSync(lock, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
  held.set(lock, content)
  return true
}

function create(lock: string): number | undefined {
  try {
    return openSync(lock, 'wx', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  }
}

/** Unless it was taken for stale meanwhile, and is another's. */
function release(lock: string): void {
  const content = held.get(lock)
  held.delete(lock)
  try {
    if (readFileSync(lock, 'latin1') === content) rmSync(lock, { force: true })
  } catch {
    // It goes when it is stale.
  }
}

/** Out of the way first, to see whether it is still the same one: another may have removed it, and begun. */
function removeStale(lock: string): void {
  const seen = look(lock)
  if (seen === undefined || !isStale(lock, seen)) return
  const aside = `${lock}.${randomBytes(8).toString('hex')}`
  try {
    renameSync(lock, aside)
    if (look(aside)?.ino !== seen.ino) linkSync(aside, lock)
  } catch {
    // Another has been faster.
  }
  rmSync(aside, { force: true, recursive: true })
}

function isStale(lock: string, seen: Stats): boolean {
  const { mtimeMs } = seen
  if (!seen.isFile() || Math.abs(Date.now() - mtimeMs) > STALE_MS) return true
  try {
    const holder = Number.parseInt(readFileSync(lock, 'latin1'), 10)
    // The same number again, after a restart.
    if (holder === process.pid) return mtimeMs < Date.now() - 1000 * process.uptime()
    return holder > 0 && !isAlive(holder)
  } catch {
    return false
  }
}

function look(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STEP_MS)
}
