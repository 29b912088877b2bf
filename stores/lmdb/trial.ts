import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

const TIMEOUT_MS = 20_000

/** Reads all that is in a database, and writes to it. */
const READER = `
const [, lmdb, path] = process.argv
const { open } = require(lmdb)
const bytes = { encoding: 'binary', keyEncoding: 'binary' }
const root = open({ ...bytes, path, noSubdir: true, noSync: true, maxReaders: 1024, mapSize: 2 ** 31 })
const tables = [...root.getKeys()].map(name => root.openDB(String(name), bytes))
for (const table of tables) for (const { value } of table.getRange()) value.toString('latin1')
root.transactionSync(() => {
  for (const table of tables) table.put(Buffer.alloc(40, 255), Buffer.alloc(1000000))
})
root.transactionSync(() => {
  for (const table of tables) table.remove(Buffer.alloc(40, 255))
})
process.exit(0)
`

/** Whether the process that reads a database is ended by a signal; tried with one made for it. True where none can be made:
 * it is better to lose a cache than to die of it. */
export function endsItsReader(path: string): boolean {
  let lmdb: string
  try {
    // In CommonJS there is no import.meta, in ES modules no __filename.
    lmdb = createRequire(typeof __filename === 'string' ? __filename : import.meta.url).resolve('lmdb')
  } catch {
    return true
  }
  const env = { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' }
  const options = { env, stdio: 'ignore', timeout: TIMEOUT_MS, killSignal: 'SIGKILL', windowsHide: true } as const
  const { status, signal, error } = spawnSync(process.execPath, ['-e', READER, lmdb, path], options)
  // One that takes too long was ended by nothing that it has read.
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT') return false
  return error !== undefined || signal !== null || status !== 0
}
