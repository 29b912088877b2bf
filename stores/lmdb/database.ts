import { Buffer } from 'node:buffer'
import { existsSync } from 'node:fs'
import { type Database, open, type RootDatabase } from 'lmdb'
import { monotonicMs, nextTurn, soon } from '../../lib/event-loop.ts'
import { closedError } from '../shared/closed-error.ts'
import { changesIn, encodeMarks, type Marks, newMarks, parseMarks } from './counters.ts'
import { setAsideWhatKills, use } from './crash-detection.ts'
import { lastTransactionOf, noteSynced, prepareDataFile } from './data-file.ts'
import { lackOfRoom, type WriteKind } from './disk-space.ts'
import { Place } from './file-identity.ts'
import { BYTES, makeDataFile, TABLES } from './new-data-file.ts'
import { closeAlone } from './open-lock.ts'

export type Table = Database<Buffer, Uint8Array>

/** How long a batch of writes may hold the event loop, and other processes' writes. */
const BATCH_MS = 4
const MARKS = Buffer.from('marks')

export type Tables = { readonly [Name in (typeof TABLES)[number]]: Table }

/** A write under way: what it does is done together with all else of its batch, or not at all. */
export interface Batch {
  readonly tables: Tables
  readonly marks: Marks
  /** To be called where records or deletions change. Gives the number of the change. */
  change(): number
}

interface Task {
  readonly kind: WriteKind
  run(batch: Batch): void
  fail(error: unknown): void
}

/** The LMDB environment of one data file. Reads are answered at once from the memory map, as of this turn of the event
 * loop or later; writes wait for the next turn, where they are one transaction. */
export class LmdbDatabase {
  readonly tables: Tables
  readonly #path: string
  /** Where its files are, as of when they were opened. */
  readonly place: Place
  readonly #root: RootDatabase<Buffer, Uint8Array>
  #tasks: Task[] = []
  #current = false
  /** The number of the last change in the map that reads see; undefined: it has to be read. */
  #changes: number | undefined
  #syncedTransaction: number | undefined
  #closed = false
  readonly #leave: () => void
  /** Whether a write has found its files gone, or replaced. */
  isGone = false
  /** Called after a batch has been committed. */
  onCommit: ((marks: Marks) => void) | undefined

  /** Throws what the file system or LMDB throws. */
  constructor(path: string, mapBytes: number) {
    prepareDataFile(path)
    setAsideWhatKills(path, mapBytes)
    // It has gone with the data file.
    prepareDataFile(path)
    const lack = lackOfRoom(path, 'deleting')
    if (lack !== undefined) throw lack
    if (!existsSync(path)) makeDataFile(path)
    this.#path = path
    // Before LMDB reads anything.
    this.#leave = use(path)
    let root: RootDatabase<Buffer, Uint8Array> | undefined
    try {
      root = openRoot(path, mapBytes)
      this.#root = root
      this.place = new Place(path)
      const tables = TABLES.map(name => [name, this.#root.openDB<Buffer, Uint8Array>(name, BYTES)] as const)
      this.tables = Object.fromEntries(tables) as Tables
      // Comes upon the beginning of each: damage to all of the file is found here.
      for (const table of Object.values(this.tables)) table.getKeysCount({ limit: 1 })
      if (this.marks() === undefined) this.#transact(() => {})
    } catch (error) {
      root?.close().catch(() => {})
      this.#leave()
      throw error
    }
  }

  /** To be called before a read: the map as it is now. What other processes write while the current callback runs
   * cannot be known to it, so one look at the map serves it all. */
  refresh(): void {
    if (this.#closed) throw closedError('LmdbStore')
    if (this.#current) return
    this.#root.resetReadTxn()
    this.#current = true
    void Promise.resolve().then(this.#outdate)
  }

  /** The number of the last change; undefined while there was none. */
  changes(): number | undefined {
    if (this.#current && this.#changes !== undefined) return this.#changes
    const bytes = this.tables.marks.getBinaryFast(MARKS)
    this.#changes = bytes === undefined ? undefined : changesIn(bytes)
    return this.#changes
  }

  /** The marks as they are now; undefined where there are none, or damaged ones. */
  marks(): Marks | undefined {
    const bytes = this.tables.marks.getBinaryFast(MARKS)
    return bytes === undefined ? undefined : parseMarks(bytes)
  }

  /** Rejects with what LMDB throws: a full disk, for one. Then nothing of it is written. */
  write<T>(work: (batch: Batch) => T, kind: WriteKind = 'deleting'): Promise<T> {
    if (this.#closed) return Promise.reject(closedError('LmdbStore'))
    return new Promise((resolve, reject) => {
      let result: T
      this.#tasks.push({
        kind,
        run: batch => {
          result = work(batch)
          batches.get(batch)?.push(() => resolve(result))
        },
        fail: reject
      })
      soon(this.#runTasks)
    })
  }

  /** Resolves once everything that was asked for is written. */
  async flush(): Promise<void> {
    while (this.#tasks.length > 0) await nextTurn()
  }

  /** Brings what has been committed to the disk, so that it outlives a crash of the system. */
  async sync(): Promise<void> {
    if (!this.place.isAsItWas()) return
    const transaction = lastTransactionOf(this.#path)
    if (transaction === undefined || transaction === this.#syncedTransaction) return
    await new Promise<void>((resolve, reject) => {
      const root = this.#root as unknown as { sync(done: (error?: Error | null) => void): void }
      root.sync(error => (error ? reject(error) : resolve()))
    })
    noteSynced(this.#path, transaction)
    this.#syncedTransaction = transaction
  }

  /** After flush(); nothing works any more. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const task of this.#tasks.splice(0)) task.fail(closedError('LmdbStore'))
    await closeAlone(this.#path, () => this.#root.close())
    this.#leave()
  }

  readonly #outdate = (): void => {
    this.#current = false
    this.#changes = undefined
  }

  readonly #runTasks = (): void => {
    if (this.#closed) return
    const tasks = this.#tasks
    this.#tasks = []
    this.#run(this.#possible(tasks))
    if (this.#tasks.length > 0) soon(this.#runTasks)
  }

  /** Those that there is a file, and room, for; the others fail. */
  #possible(tasks: Task[]): Task[] {
    this.isGone ||= !this.place.isAsItWas()
    if (this.isGone) {
      const error = Object.assign(new Error(`ENOENT: gone while it was in use, '${this.#path}'`), { code: 'ENOENT' })
      for (const task of tasks) task.fail(error)
      return []
    }
    const lacks = { storing: lackOfRoom(this.#path, 'storing'), deleting: lackOfRoom(this.#path, 'deleting') }
    return tasks.filter(task => {
      const lack = lacks[task.kind]
      if (lack !== undefined) task.fail(lack)
      return lack === undefined
    })
  }

  /** Runs as many as time allows, and puts the others back. Where one fails, each is run alone. */
  #run(tasks: Task[]): void {
    if (tasks.length === 0) return
    const deadline = monotonicMs() + BATCH_MS
    let count = 0
    try {
      this.#transact(batch => {
        while (count < tasks.length && (count === 0 || monotonicMs() < deadline)) tasks[count++]?.run(batch)
      })
    } catch (error) {
      // Before the first of them: it is the database that fails.
      if (count === 0) {
        for (const task of tasks) task.fail(error)
        return
      }
      if (count === 1) tasks[0]?.fail(error)
      else for (const task of tasks.slice(0, count)) this.#runAlone(task)
    }
    if (count < tasks.length) this.#tasks = [...tasks.slice(count), ...this.#tasks]
  }

  #runAlone(task: Task): void {
    try {
      this.#transact(batch => task.run(batch))
    } catch (error) {
      task.fail(error)
    }
  }

  #transact(work: (batch: Batch) => void): void {
    const { tables } = this
    const settled: (() => void)[] = []
    let written: Marks | undefined
    this.#root.transactionSync(() => {
      const marks = this.#marksToWrite()
      let changed = false
      const change = () => {
        if (!changed) marks.changes++
        changed = true
        return marks.changes
      }
      const batch: Batch = { tables, marks, change }
      batches.set(batch, settled)
      work(batch)
      void tables.marks.put(MARKS, encodeMarks(marks))
      written = marks
    })
    this.#outdate()
    this.#root.resetReadTxn()
    for (const settle of settled) settle()
    if (written !== undefined) this.onCommit?.(written)
  }

  /** Where they are damaged nothing that is stored can be trusted. */
  #marksToWrite(): Marks {
    const marks = this.marks()
    if (marks !== undefined) return marks
    const { keys, records, uses, order, deletions, bodies, leaving } = this.tables
    for (const table of [keys, records, uses, order, deletions, bodies, leaving]) table.clearSync()
    return newMarks()
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

/** What is to be told once a batch is committed. */
const batches = new WeakMap<Batch, (() => void)[]>()
