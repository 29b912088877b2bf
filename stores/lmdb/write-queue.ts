import { monotonicMs, nextTurn, soon } from '../../lib/event-loop.ts'
import { closedError } from '../shared/closed-error.ts'
import type { Counters } from './counters.ts'
import { lackOfSpace, type WriteKind } from './disk-space.ts'
import type { FileIdentity } from './file-identity.ts'
import type { Batch } from './tables.ts'

/** How long a batch of writes may hold the event loop, and other processes' writes. */
const BATCH_MS = 4

interface Task {
  readonly kind: WriteKind
  /** Returns what is to be called once the batch is committed. */
  run(batch: Batch): () => void
  fail(error: unknown): void
}

/** Gathers the writes of one turn of the event loop, and runs them in the next as one transaction. */
export class WriteQueue {
  readonly #path: string
  readonly #files: FileIdentity
  readonly #transact: (work: (batch: Batch) => void) => Counters
  #tasks: Task[] = []
  #isClosed = false
  /** Whether the files of the database were found to be gone, or replaced: every write fails from then on. */
  isGone = false
  /** Called after a batch has been committed. */
  onCommit: ((counters: Counters) => void) | undefined

  /** `transact` runs its argument in a transaction, and throws what that, or LMDB, throws. */
  constructor(path: string, files: FileIdentity, transact: (work: (batch: Batch) => void) => Counters) {
    this.#path = path
    this.#files = files
    this.#transact = transact
  }

  /** Rejects with what `work` or LMDB throws: a full disk, for one. Then nothing of it is written. */
  write<T>(work: (batch: Batch) => T, kind: WriteKind): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedError('LmdbStore'))
    return new Promise((resolve, reject) => {
      const run = (batch: Batch) => {
        const result = work(batch)
        return () => resolve(result)
      }
      this.#tasks.push({ kind, run, fail: reject })
      soon(this.#runTasks)
    })
  }

  /** Resolves once everything that was asked for is written. */
  async flush(): Promise<void> {
    while (this.#tasks.length > 0) await nextTurn()
  }

  /** Fails what is still to be written, and whatever comes later. */
  close(): void {
    this.#isClosed = true
    for (const task of this.#tasks.splice(0)) task.fail(closedError('LmdbStore'))
  }

  readonly #runTasks = (): void => {
    if (this.#isClosed) return
    const tasks = this.#tasks
    this.#tasks = []
    this.#run(this.#possible(tasks))
    if (this.#tasks.length > 0) soon(this.#runTasks)
  }

  /** Those that there is a file, and space on the disk, for; the others fail. */
  #possible(tasks: Task[]): Task[] {
    this.isGone ||= !this.#files.areUnchanged()
    if (this.isGone) {
      const error = Object.assign(new Error(`ENOENT: gone while it was in use, '${this.#path}'`), { code: 'ENOENT' })
      for (const task of tasks) task.fail(error)
      return []
    }
    const lacks = { storing: lackOfSpace(this.#path, 'storing'), deleting: lackOfSpace(this.#path, 'deleting') }
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
      this.#commit(run => {
        while (count < tasks.length && (count === 0 || monotonicMs() < deadline)) run(tasks[count++])
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
      this.#commit(run => run(task))
    } catch (error) {
      task.fail(error)
    }
  }

  #commit(work: (run: (task: Task | undefined) => void) => void): void {
    const settled: ((() => void) | undefined)[] = []
    const counters = this.#transact(batch => work(task => settled.push(task?.run(batch))))
    for (const settle of settled) settle?.()
    this.onCommit?.(counters)
  }
}
