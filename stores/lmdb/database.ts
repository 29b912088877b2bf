import { Buffer } from 'node:buffer'
import { existsSync } from 'node:fs'
import { open, type RootDatabase } from 'lmdb'
import { closedError } from '../shared/closed-error.ts'
import { type Counters, changesIn, encodeCounters, newCounters, parseCounters } from './counters.ts'
import { registerUser, setAsideIfItCrashes } from './crash-detection.ts'
import { lastTransactionOf, noteSynced, prepareDataFile } from './data-file.ts'
import { lackOfSpace, type WriteKind } from './disk-space.ts'
import { FileIdentity } from './file-identity.ts'
import { makeDataFile } from './new-data-file.ts'
import { closeExclusively } from './open-lock.ts'
import { type Batch, BYTES, TABLES, type Tables } from './tables.ts'
import { WriteQueue } from './write-queue.ts'

/** The name of the counters in their table. */
const COUNTERS = Buffer.from('marks')

/** What opens the database where it is not open. Throws what opening has failed with. */
export interface DatabaseSource {
  open(): { readonly database: LmdbDatabase }
}

/** The LMDB environment of one data file. Reads are answered at once from the memory map, as of this turn of the event
 * loop or later; writes wait for the next turn, where they are one transaction. */
export class LmdbDatabase {
  readonly tables: Tables
  /** Which files it has open. */
  readonly files: FileIdentity
  readonly queue: WriteQueue
  readonly #path: string
  readonly #root: RootDatabase<Buffer, Uint8Array>
  /** Whether reads see the map as of this callback. */
  #isCurrent = false
  /** The number of the last change in the map that reads see; undefined: it has to be read. */
  #changes: number | undefined
  #syncedTransaction: number | undefined
  #isClosed = false
  readonly #unregister: () => void

  /** Throws what the file system or LMDB throws. */
  constructor(path: string, mapBytes: number) {
    prepareDataFile(path)
    setAsideIfItCrashes(path, mapBytes)
    // It has gone with the data file.
    prepareDataFile(path)
    const lack = lackOfSpace(path, 'deleting')
    if (lack !== undefined) throw lack
    if (!existsSync(path)) makeDataFile(path)
    this.#path = path
    // Before LMDB reads anything.
    this.#unregister = registerUser(path)
    let root: RootDatabase<Buffer, Uint8Array> | undefined
    try {
      root = openRoot(path, mapBytes)
      this.#root = root
      this.files = new FileIdentity(path)
      this.tables = openTables(root)
      // Comes upon the beginning of each: damage to all of the file is found here.
      for (const table of Object.values(this.tables)) table.getKeysCount({ limit: 1 })
      this.queue = new WriteQueue(path, this.files, work => this.#transact(work))
      if (this.counters() === undefined) this.#transact(() => {})
    } catch (error) {
      root?.close().catch(() => {})
      this.#unregister()
      throw error
    }
  }

  /** To be called before a read: the map as it is now. What other processes write while the current callback runs
   * cannot be known to it, so one look at the map serves it all. */
  refresh(): void {
    if (this.#isClosed) throw closedError('LmdbStore')
    if (this.#isCurrent) return
    this.#root.resetReadTxn()
    this.#isCurrent = true
    void Promise.resolve().then(this.#outdate)
  }

  /** The number of the last change; undefined while there was none. */
  changes(): number | undefined {
    if (this.#isCurrent && this.#changes !== undefined) return this.#changes
    const bytes = this.tables.counters.getBinaryFast(COUNTERS)
    this.#changes = bytes === undefined ? undefined : changesIn(bytes)
    return this.#changes
  }

  /** The counters as they are now; undefined where there are none, or damaged ones. */
  counters(): Counters | undefined {
    const bytes = this.tables.counters.getBinaryFast(COUNTERS)
    return bytes === undefined ? undefined : parseCounters(bytes)
  }

  /** Rejects with what `work` or LMDB throws: a full disk, for one. Then nothing of it is written. */
  write<T>(work: (batch: Batch) => T, kind: WriteKind = 'deleting'): Promise<T> {
    return this.queue.write(work, kind)
  }

  /** Brings what has been committed to the disk, so that it outlives a crash of the system. */
  async sync(): Promise<void> {
    if (!this.files.areUnchanged()) return
    const transaction = lastTransactionOf(this.#path)
    if (transaction === undefined || transaction === this.#syncedTransaction) return
    await new Promise<void>((resolve, reject) => {
      const root = this.#root as unknown as { sync(done: (error?: Error | null) => void): void }
      root.sync(error => (error ? reject(error) : resolve()))
    })
    noteSynced(this.#path, transaction)
    this.#syncedTransaction = transaction
  }

  /** Closes the files; nothing works any more. To be called after `queue.flush()`. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.queue.close()
    await closeExclusively(this.#path, () => this.#root.close())
    this.#unregister()
  }

  readonly #outdate = (): void => {
    this.#isCurrent = false
    this.#changes = undefined
  }

  /** Returns the counters after it. */
  #transact(work: (batch: Batch) => void): Counters {
    const { tables } = this
    const counters = this.#root.transactionSync(() => {
      const counters = this.#countersToChange()
      let isChanged = false
      const change = () => {
        if (!isChanged) counters.changes++
        isChanged = true
        return counters.changes
      }
      work({ tables, counters, change })
      void tables.counters.put(COUNTERS, encodeCounters(counters))
      return counters
    })
    this.#outdate()
    this.#root.resetReadTxn()
    return counters
  }

  /** Where they are damaged nothing that is stored can be trusted. */
  #countersToChange(): Counters {
    const counters = this.counters()
    if (counters !== undefined) return counters
    for (const table of Object.values(this.tables)) if (table !== this.tables.counters) table.clearSync()
    return newCounters()
  }
}

/** Not synced with each transaction: a crash of a process harms nothing, and one of the system is found out at the next
 * opening. A fsync would hold the event loop. */
function openRoot(path: string, mapBytes: number): RootDatabase<Buffer, Uint8Array> {
  const options = { path, noSubdir: true, noSync: true, mapSize: mapBytes, maxReaders: 1024, permissionsMode: 0o600 }
  return open<Buffer, Uint8Array>({ ...BYTES, ...options } as Parameters<typeof open>[0]) as RootDatabase<
    Buffer,
    Uint8Array
  >
}

function openTables(root: RootDatabase<Buffer, Uint8Array>): Tables {
  const opened = Object.entries(TABLES).map(([name, stored]) => [name, root.openDB<Buffer, Uint8Array>(stored, BYTES)])
  return Object.fromEntries(opened) as Tables
}
