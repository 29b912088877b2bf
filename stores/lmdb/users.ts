import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { bootName, setAside } from './data-file.ts'
import { isAlive } from './exclusion.ts'
import { endsItsReader } from './trial.ts'

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
 * which is made to read all of it: LMDB ends the process that comes upon a damaged page. To be called by who opens it
 * alone. */
export function setAsideWhatKills(path: string): void {
  const deaths = countDeaths(path)
  if (deaths < MAX_DEATHS) return
  rmSync(deathsPathOf(path), { force: true })
  if (!endsItsReader(path)) return
  setAside(path)
  warnOfDamage(path, 'ends the processes that read it')
}

export function warnOfDamage(path: string, what: string): void {
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
    // The same number again, as in containers, is that of one which has died.
    if (isOfThisBoot && Number(pid) !== process.pid && isAlive(Number(pid))) continue
    // An end of the whole system says nothing of this file.
    haveDied ||= isOfThisBoot
    rmSync(user, { force: true })
  }
  const before = Number(read(deathsPathOf(path)) ?? 0)
  if (!haveDied) return before
  writeFileSync(deathsPathOf(path), `${before + 1}`, { mode: 0o600 })
  return before + 1
}

/** An orderly end: the row is at an end, too. */
function leave(user: string): void {
  const path = users.get(user)
  if (path === undefined || !users.delete(user)) return
  if (users.size === 0) process.off('exit', leaveAll)
  rmSync(user, { force: true })
  rmSync(deathsPathOf(path), { force: true })
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
