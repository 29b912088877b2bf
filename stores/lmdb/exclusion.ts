import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CacheError } from '../../lib/errors.ts'

const STEP_MS = 2
/** Opening takes some 30 ms, and several processes may be about to. */
const PATIENCE_MS = 2_000
/** Whoever has left it for so long is not at work any more. */
const STALE_MS = 5_000

/** Locks of this thread: it would wait for itself, and LMDB keeps apart what goes on in one process. */
const held = new Set<string>()

/** Opens a database while no other process opens or closes it: LMDB does not keep such processes apart in every moment, and
 * what two of them write at once ends one of them. Makes the directory. Throws a CacheError with ERR_CACHE_STORE where
 * others take too long, and what the file system throws. */
export function openAlone<T>(path: string, open: () => T): T {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const lock = lockOf(path)
  if (held.has(lock)) return open()
  for (const end = performance.now() + PATIENCE_MS; !take(lock); pause()) {
    if (performance.now() < end) continue
    throw new CacheError('ERR_CACHE_STORE', `another process takes too long to open or close '${path}'`)
  }
  try {
    return open()
  } finally {
    giveBack(lock)
  }
}

/** Closes a database while no other process opens or closes it, or a little later all the same. */
export async function closeAlone(path: string, close: () => Promise<void>): Promise<void> {
  const lock = lockOf(path)
  const isAlone = await takeInTime(lock)
  try {
    await close()
  } finally {
    if (isAlone) giveBack(lock)
  }
}

function lockOf(path: string): string {
  return `${path}-opening`
}

async function takeInTime(lock: string): Promise<boolean> {
  try {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(STEP_MS)) {
      if (take(lock)) return true
    }
  } catch {
    // Where there is no folder any more, nobody opens what was in it.
  }
  return false
}

/** False: another process has it. Throws what the file system throws. */
function take(lock: string): boolean {
  try {
    writeFileSync(lock, `${process.pid}`, { flag: 'wx', mode: 0o600 })
    held.add(lock)
    return true
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === 'EEXIST'
    // On a full disk it is made, and stays empty.
    if (!isTaken || isStale(lock)) rmSync(lock, { force: true, recursive: true })
    if (!isTaken) throw error
    return false
  }
}

function giveBack(lock: string): void {
  held.delete(lock)
  rmSync(lock, { force: true })
}

function isStale(lock: string): boolean {
  try {
    if (Math.abs(Date.now() - statSync(lock).mtimeMs) > STALE_MS) return true
    const holder = Number(readFileSync(lock, 'latin1'))
    return holder > 0 && !isAlive(holder)
  } catch {
    return false
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STEP_MS)
}
