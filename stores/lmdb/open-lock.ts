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
/** How long the lock is waited for. Opening takes about 30 ms, and several processes may wait. The event loop is held. */
const MAX_WAIT_MS = 500
/** The holder of a lock file that is older is not at work any more. */
const STALE_MS = 5_000

/** The locks of this thread, with what it has written into them. It need not wait for itself: LMDB keeps apart what is done
 * in one process. */
const held = new Map<string, string>()

/** Opens a database while no other process opens or closes it: LMDB does not always keep such processes apart, and one that
 * writes at the same time as another may be ended. Makes the directory. Throws a CacheError with ERR_CACHE_STORE where the
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

/** Closes a database while no other process opens or closes it; without the lock where the others take too long. */
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
    // The directory has gone: nobody opens what was in it.
  }
  return false
}

/** Takes the lock. False: another process has it. Throws what the file system throws. */
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

/** Releases the lock, unless it was taken for stale meanwhile, and is another's. */
function release(lock: string): void {
  const content = held.get(lock)
  held.delete(lock)
  try {
    if (readFileSync(lock, 'latin1') === content) rmSync(lock, { force: true })
  } catch {
    // It is removed once it is stale.
  }
}

/** Removes a stale lock. It is renamed first, to see whether it is still the same one: another process may have removed it,
 * and taken the lock. */
function removeStale(lock: string): void {
  const seen = look(lock)
  if (seen === undefined || !isStale(lock, seen)) return
  const aside = `${lock}.${randomBytes(8).toString('hex')}`
  try {
    renameSync(lock, aside)
    if (look(aside)?.ino !== seen.ino) linkSync(aside, lock)
  } catch {
    // Another process was faster.
  }
  rmSync(aside, { force: true, recursive: true })
}

function isStale(lock: string, seen: Stats): boolean {
  const { mtimeMs } = seen
  if (!seen.isFile() || Math.abs(Date.now() - mtimeMs) > STALE_MS) return true
  try {
    const holder = Number.parseInt(readFileSync(lock, 'latin1'), 10)
    // The same process number again, after a restart.
    if (holder === process.pid) return mtimeMs < Date.now() - 1000 * process.uptime()
    return holder > 0 && !isAlive(holder)
  } catch {
    return false
  }
}

function look(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

/** Whether a process of this number runs. */
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
