import { type SpawnSyncOptionsWithStringEncoding, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { basename, dirname } from 'node:path'
import { TABLES } from './tables.ts'

/** Less than the age at which others take this process's lock for stale. */
const TIMEOUT_MS = 4_000
/** The signals that end a process which reads beyond the file, or damaged data. */
const SIGNALS: readonly (string | null)[] = ['SIGBUS', 'SIGSEGV', 'SIGABRT']
/** The same on Windows: an access violation, an in-page error, a damaged heap. */
const STATUSES: readonly (number | null)[] = [0xc0000005, 0xc0000006, 0xc0000374]
/** The exit code of the reader where LMDB has reported damage. */
const DAMAGED_STATUS = 85
/** Written before the reader opens the file: what ends it earlier says nothing about the file. */
const BEGUN = 'begun'
/** MDB_PAGE_NOTFOUND, MDB_CORRUPTED, MDB_INVALID. */
const DAMAGE_CODES = [-30797, -30796, -30793]

const TABLE_NAMES = Object.values(TABLES)

/** Reads all tables, writes to each, and reads the bodies last, for two seconds at most: by then it has seen all pages of the
 * tree. */
const READER = `
const [, lmdb, path, mapSize] = process.argv
const { open } = require(lmdb)
require('node:fs').writeSync(1, '${BEGUN}')
try {
  const bytes = { encoding: 'binary', keyEncoding: 'binary' }
  const root = open({ ...bytes, path, noSubdir: true, noSync: true, maxReaders: 1024, mapSize: Number(mapSize) })
  const tables = [${TABLE_NAMES.map(name => `'${name}'`)}].map(name => root.openDB(name, bytes))
  const bodies = tables[${TABLE_NAMES.indexOf(TABLES.bodies)}]
  for (const table of tables) {
    if (table === bodies) for (const key of table.getKeys()) key.toString('latin1')
    else for (const { value } of table.getRange()) value.toString('latin1')
  }
  root.transactionSync(() => {
    for (const table of tables) table.put(Buffer.alloc(40, 255), Buffer.alloc(1000000))
  })
  root.transactionSync(() => {
    for (const table of tables) table.remove(Buffer.alloc(40, 255))
  })
  const end = performance.now() + 2000
  for (const { value } of bodies.getRange()) {
    value.toString('latin1')
    if (performance.now() > end) break
  }
} catch (error) {
  process.exit([${DAMAGE_CODES}].includes(error.code) ? ${DAMAGED_STATUS} : 0)
}
process.exit(0)
`

/** Whether an error of LMDB says that a file is no database, or a damaged one. */
export function isDamage(error: unknown): error is Error {
  return DAMAGE_CODES.includes(Number((error as { code?: unknown } | null)?.code))
}

/** Whether a process that reads the database crashes, or finds damage; tried with a child process. False where that cannot
 * be found out, or takes too long: without proof the database is kept. Holds the event loop. */
export function crashesItsReader(path: string, mapBytes: number): boolean {
  // Any other program, such as an executable made of a bundle, would run itself.
  if (!/^node(js)?(\.exe)?$/i.test(basename(process.execPath))) return false
  const options: SpawnSyncOptionsWithStringEncoding = {
    cwd: dirname(path),
    env: { ...process.env, NODE_OPTIONS: '' },
    encoding: 'latin1',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    windowsHide: true
  }
  try {
    // In CommonJS there is no import.meta, in ES modules no __filename. A bundle may have neither, and no lmdb.
    const lmdb = createRequire(typeof __filename === 'string' ? __filename : import.meta.url).resolve('lmdb')
    const args = ['-e', READER, lmdb, path, `${mapBytes}`]
    const { status, signal, stdout } = spawnSync(process.execPath, args, options)
    if (!stdout.startsWith(BEGUN)) return false
    return SIGNALS.includes(signal) || STATUSES.includes(status) || status === DAMAGED_STATUS
  } catch {
    // Child processes may not be permitted.
    return false
  }
}
