import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { endsItsReader } from './damage-probe.ts'
import { bootName, setAside } from './data-file.ts'
import { lackOfRoom } from './disk-space.ts'
import { isAlive } from './open-lock.ts'

/** So many in a row, and the file may be what they have died of. */
const MAX_DEATHS = 2
const PID = /^(\d+)-[\da-f]{16}$/

/** The files that say that this thread has a database open, with the database's path. They go with the process, unless a
 * signal ends it. */
const users = new Map<string, string>()

/** Says that this thread has the database open, until the returned function is called or the process exits. */
export function use(path: string): () => void {
  const user = `${prefixOf(path)}${process.pid}-${randomBytes(8).toString('hex')}`
  writeFileSync(user, bootName(), { mode: 0o600, flag: 'wx' })
  if (users.size === 0) process.on('exit', leaveAll)
  users.set(user, path)
  return () => leave(user)
}

/** Has a data file set aside, and warns, where two processes in a row have died while they had it open, and a third does,
 * which is made to read it: LMDB ends the process that comes upon a damaged page. To be called by who opens it alone. */
export function setAsideWhatKills(path: string, mapBytes: number): void {
  if (countDeaths(path) < MAX_DEATHS) return
  // It would find out nothing but that, if it ended well.
  if (lackOfRoom(path, 'storing') !== undefined) return
  remove(deathsPathOf(path))
  if (existsSync(path) && endsItsReader(path, mapBytes)) setAsideWithWarning(path, 'ends the processes that read it')
}

export function setAsideWithWarning(path: string, what: string): void {
  setAside(path)
  const message = `'${path}' ${what}: it has been set aside as '${path}.damaged', and an empty one takes its place`
  process.emitWarning(message, { type: 'CacheWarning', code: 'CACHE_FILE_DAMAGED' })
}

/** In a row, up to now. All that have died since the last opening are one: they may have died of the same thing. */
function countDeaths(path: string): number {
  let haveDied = false
  const prefix = basename(prefixOf(path))
  for (const name of readdirSync(dirname(path))) {
    const pid = name.startsWith(prefix) ? PID.exec(name.slice(prefix.length))?.[1] : undefined
    if (pid === undefined) continue
    const user = join(dirname(path), name)
    if (users.has(user)) continue
    const isOfThisBoot = read(user) === bootName()
    if (isOfThisBoot && isStillThere(user, Number(pid))) continue
    // An end of the whole system says nothing of this file.
    haveDied ||= isOfThisBoot
    remove(user)
  }
  const before = Number(read(deathsPathOf(path))) || 0
  if (!haveDied) return before
  remove(deathsPathOf(path))
  writeFileSync(deathsPathOf(path), `${before + 1}`, { mode: 0o600, flag: 'wx' })
  return before + 1
}

/** Whether the process that has made a file lives. The same number again, as in containers, may be that of one which has
 * died, or this process, in another thread. */
function isStillThere(user: string, pid: number): boolean {
  if (pid !== process.pid) return isAlive(pid)
  const madeAtMs = statSync(user, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return madeAtMs >= Date.now() - 1000 * process.uptime()
}

/** An orderly end: the row is at an end, too. */
function leave(user: string): void {
  const path = users.get(user)
  if (path === undefined || !users.delete(user)) return
  if (users.size === 0) process.off('exit', leaveAll)
  remove(user)
  remove(deathsPathOf(path))
}

/** Whatever somebody has put there. */
function remove(path: string): void {
  rmSync(path, { force: true, recursive: true })
}

function leaveAll(): void {
  for (const user of [...users.keys()]) {
    try {
      leave(user)
    } catch {
      // Then it counts as one that has died.
    }
  }
}

function prefixOf(path: string): string {
  return `${path}-user-`
}

function deathsPathOf(path: string): string {
  return `${path}-deaths`
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
