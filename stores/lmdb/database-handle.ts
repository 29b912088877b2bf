import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers'
import { monotonicMs, nextTurn } from '../../lib/event-loop.ts'
import { closedError } from '../shared/closed-error.ts'
import { GRACE_MS } from './body-removal.ts'
import { setAsideWithWarning } from './crash-detection.ts'
import { isDamage } from './damage-probe.ts'
import { LmdbDatabase } from './database.ts'
import { openExclusively } from './open-lock.ts'
import { Sweeper } from './sweep.ts'

const MAINTAIN_EVERY_MS = 30_000
const SWEEP_DELAY_MS = 1000
/** How often the directory is looked at, for files that are gone, where nothing is written. */
const CHECK_FILES_EVERY_MS = 1000
/** Where opening fails, it is tried again after so long. */
const RETRY_MS = 1000
/** A timer that is so late has been lost. */
const LATE_MS = 1000
const MAP_BYTES = 1_073_741_824

export interface OpenDatabase {
  readonly database: LmdbDatabase
  readonly sweeper: Sweeper
}

/** Opens the database when it is first needed, anew where its files have gone or were replaced, and maintains it until it is
 * closed. Keeps no process alive. */
export class DatabaseHandle {
  readonly #path: string
  readonly #maxSizeBytes: number
  #current: OpenDatabase | undefined
  #checkFilesAtMs = 0
  #failure: { readonly error: unknown; readonly untilMs: number } | undefined
  #maintenance: NodeJS.Timeout | undefined
  #maintainedAtMs = 0
  #delayedSweep: NodeJS.Timeout | undefined
  #delayedSweepAtMs = 0
  #closing: Promise<void> | undefined
  /** Databases whose files have gone: bodies are still read from them. */
  readonly #replaced = new Set<LmdbDatabase>()
  /** The maintenance that is running. */
  #running: Promise<void> | undefined

  constructor(path: string, maxSizeBytes: number) {
    this.#path = path
    this.#maxSizeBytes = maxSizeBytes
  }

  /** Returns the open database. Throws what opening has failed with; ERR_CACHE_CLOSED after close(). */
  open(): OpenDatabase {
    if (this.#closing !== undefined) throw closedError('LmdbStore')
    if (this.#current !== undefined && this.#isGone(this.#current)) this.#replace(this.#current)
    this.#current ??= this.#open()
    return this.#current
  }

  /** Has this process sweep the database, a little later. */
  sweepSoon(): void {
    const nowMs = monotonicMs()
    const isDue = this.#delayedSweep !== undefined && nowMs < this.#delayedSweepAtMs + LATE_MS
    if (isDue || this.#closing !== undefined) return
    clearTimeout(this.#delayedSweep)
    this.#delayedSweepAtMs = nowMs + SWEEP_DELAY_MS
    this.#delayedSweep = setTimeout(() => {
      this.#delayedSweep = undefined
      this.#run(({ sweeper }) => sweeper.sweep())
    }, SWEEP_DELAY_MS).unref()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #open(): OpenDatabase {
    if (this.#failure !== undefined && this.#failure.untilMs > monotonicMs()) throw this.#failure.error
    try {
      const mapBytes = Math.ceil((2 * this.#maxSizeBytes) / MAP_BYTES + 1) * MAP_BYTES
      const database = openExclusively(this.#path, () => openUndamaged(this.#path, mapBytes))
      const sweeper = new Sweeper(database, this.#maxSizeBytes)
      database.queue.onCommit = counters => {
        sweeper.evictIfFull(counters)
        if (monotonicMs() > this.#maintainedAtMs + MAINTAIN_EVERY_MS + LATE_MS) this.#maintain()
      }
      this.#maintainedAtMs = monotonicMs()
      this.#maintenance = setInterval(() => this.#maintain(), MAINTAIN_EVERY_MS).unref()
      return { database, sweeper }
    } catch (error) {
      this.#failure = { error, untilMs: monotonicMs() + RETRY_MS }
      throw error
    }
  }

  #isGone({ database }: OpenDatabase): boolean {
    const nowMs = monotonicMs()
    if (database.queue.isGone) return true
    if (nowMs < this.#checkFilesAtMs) return false
    this.#checkFilesAtMs = nowMs + CHECK_FILES_EVERY_MS
    return !database.files.areUnchanged()
  }

  /** Gives up a database whose files have gone. It is closed later: bodies may be being read. */
  #replace({ database, sweeper }: OpenDatabase): void {
    this.#current = undefined
    clearInterval(this.#maintenance)
    database.files.setAside()
    void sweeper.stop()
    this.#replaced.add(database)
    setTimeout(() => {
      this.#replaced.delete(database)
      database.close().catch(() => {})
    }, GRACE_MS).unref()
  }

  #maintain(): void {
    this.#maintainedAtMs = monotonicMs()
    this.#run(async ({ database, sweeper }) => {
      await sweeper.maintain()
      await database.sync()
    })
  }

  /** Runs work that only close() waits for, unless other such work is running. What fails is tried again another time. */
  #run(work: (open: OpenDatabase) => Promise<void>): void {
    if (this.#current === undefined || this.#running !== undefined) return
    this.#running = work(this.#current)
      .catch(() => {})
      .finally(() => {
        this.#running = undefined
      })
  }

  async #close(): Promise<void> {
    clearInterval(this.#maintenance)
    clearTimeout(this.#delayedSweep)
    await Promise.all([...this.#replaced].map(database => database.close()))
    if (this.#current === undefined) return
    const { database, sweeper } = this.#current
    // What waits for a turn that has been lost goes on with this one.
    await nextTurn()
    await sweeper.stop()
    await this.#running
    await database.queue.flush()
    await database.sync().catch(() => {})
    await database.close()
  }
}

/** Opens a database; an empty one where LMDB finds damage to what it begins with, which it would find each time again. */
function openUndamaged(path: string, mapBytes: number): LmdbDatabase {
  try {
    return new LmdbDatabase(path, mapBytes)
  } catch (error) {
    if (!isDamage(error)) throw error
    setAsideWithWarning(path, `is damaged (${error.message})`)
    return new LmdbDatabase(path, mapBytes)
  }
}
