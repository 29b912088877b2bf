import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { crashesItsReader } from './damage-probe.ts'
import { bootName, setAside } from './data-file.ts'
import { lackOfSpace } from './disk-space.ts'
import { isAlive } from './open-lock.ts'

/** After so many crashes in a row, the file may be their cause. */
const MAX_CRASHES = 2
const PID = /^(\d+)-[\da-f]{16}$/

/** The files by which this thread is registered as a user of a database, with the database's path. They are removed as the
 * process exits, unless a signal ends it. */
const users = new Map<string, string>()

/** Registers this thread as one that has the database open, until the returned function is called or the process exits. */
export function registerUser(path: string): () => void {
  const user = `${prefixOf(path)}${process.pid}-${randomBytes(8).toString('hex')}`
  writeFileSync(user, bootName(), { mode: 0o600, flag: 'wx' })
  if (users.size === 0) process.on('exit', unregisterAll)
  users.set(user, path)
  return () => unregister(user)
}

/** Sets a data file aside, and warns, where two processes in a row have crashed while they had it open, and a third does,
 * which is made to read it: LMDB ends the process that comes upon a damaged page. To be called under the lock for
 * opening. */
export function setAsideIfItCrashes(path: string, mapBytes: number): void {
  if (countCrashes(path) < MAX_CRASHES) return
  // Without space on the disk the third would end without having read everything.
  if (lackOfSpace(path, 'storing') !== undefined) return
  remove(crashesPathOf(path))
  if (existsSync(path) && crashesItsReader(path, mapBytes)) setAsideWithWarning(path, 'ends the processes that read it')
}

export function setAsideWithWarning(path: string, what: string): void {
  setAside(path)
  const message = `'${path}' ${what}: it has been set aside as '${path}.damaged', and an empty one takes its place`
  process.emitWarning(message, { type: 'CacheWarning', code: 'CACHE_FILE_DAMAGED' })
}

/** Counts the crashes in a row up to now. All since the last opening are one: they may have the same cause. */
function countCrashes(path: string): number {
  let haveCrashed = false
  const prefix = basename(prefixOf(path))
  for (const name of readdirSync(dirname(path))) {
    const pid = name.startsWith(prefix) ? PID.exec(name.slice(prefix.length))?.[1] : undefined
    if (pid === undefined) continue
    const user = join(dirname(path), name)
    if (users.has(user)) continue
    const isOfThisBoot = read(user) === bootName()
    if (isOfThisBoot && isStillThere(user, Number(pid))) continue
    // A crash of the whole system says nothing about this file.
    haveCrashed ||= isOfThisBoot
    remove(user)
  }
  const before = Number(read(crashesPathOf(path))) || 0
  if (!haveCrashed) return before
  remove(crashesPathOf(path))
  writeFileSync(crashesPathOf(path), `${before + 1}`, { mode: 0o600, flag: 'wx' })
  return before + 1
}

/** Whether the process that has made a file still runs. With this process's own number, as in containers, it may have been
 * another one, which has crashed, or be another thread of this one. */
function isStillThere(user: string, pid: number): boolean {
  if (pid !== process.pid) return isAlive(pid)
  const madeAtMs = statSync(user, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return madeAtMs >= Date.now() - 1000 * process.uptime()
}

/** Removes the registration, and the count of crashes: this user has not crashed. */
function unregister(user: string): void {
  const path = users.get(user)
  if (path === undefined || !users.delete(user)) return
  if (users.size === 0) process.off('exit', unregisterAll)
  remove(user)
  remove(crashesPathOf(path))
}

/** Removes whatever somebody has put there. */
function remove(path: string): void {
  rmSync(path, { force: true, recursive: true })
}

function unregisterAll(): void {
  for (const user of [...users.keys()]) {
    try {
      unregister(user)
    } catch {
      // Then it counts as a crash.
    }
  }
}

function prefixOf(path: string): string {
  return `${path}-user-`
}

function crashesPathOf(path: string): string {
  return `${path}-deaths`
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
