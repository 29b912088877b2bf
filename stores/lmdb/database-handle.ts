import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers'
import { monotonicMs, nextTurn } from '../../lib/event-loop.ts'
import { closedError } from '../shared/closed-error.ts'
import { GRACE_MS } from './body-removal.ts'
import { setAsideWithWarning } from './crash-detection.ts'
import { isDamage } from './damage-probe.ts'
import { LmdbDatabase } from './database.ts'
import { openAlone } from './open-lock.ts'
import { Sweeper } from './sweep.ts'

const TEND_MS = 30_000
const SWEEP_SOON_MS = 1000
/** What is found out by looking at the directory is found out after so long, without a write. */
const LOOK_MS = 1000
/** Where opening fails, it is tried again after so long. */
const RETRY_MS = 1000
/** A timer that is so late has been lost. */
const LATE_MS = 1000
const MAP_BYTES = 1_073_741_824

export interface Opened {
  readonly database: LmdbDatabase
  readonly sweeper: Sweeper
}

/** Opens the database when it is first needed, anew where its files have gone or were replaced, and tends it until it is
 * closed. Keeps no process alive. */
export class Opening {
  readonly #path: string
  readonly #maxSizeBytes: number
  #opened: Opened | undefined
  #lookAtMs = 0
  #failure: { readonly error: unknown; readonly untilMs: number } | undefined
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Timeout | undefined
  #sweepAtMs = 0
  #tendedAtMs = 0
  #closing: Promise<void> | undefined
  readonly #left = new Set<LmdbDatabase>()
  readonly #background = new Set<Promise<void>>()

  constructor(path: string, maxSizeBytes: number) {
    this.#path = path
    this.#maxSizeBytes = maxSizeBytes
  }

  /** Throws what opening has failed with; ERR_CACHE_CLOSED after close(). */
  opened(): Opened {
    if (this.#closing !== undefined) throw closedError('LmdbStore')
    if (this.#opened !== undefined && this.#isGone(this.#opened)) this.#leave(this.#opened)
    this.#opened ??= this.#open()
    return this.#opened
  }

  /** Has everything looked over, a little later, by this process. */
  sweepSoon(): void {
    const nowMs = monotonicMs()
    const isDue = this.#soon !== undefined && nowMs < this.#sweepAtMs + LATE_MS
    if (isDue || this.#closing !== undefined) return
    clearTimeout(this.#soon)
    this.#sweepAtMs = nowMs + SWEEP_SOON_MS
    this.#soon = setTimeout(() => {
      this.#soon = undefined
      this.#run(async ({ sweeper }) => sweeper.sweep())
    }, SWEEP_SOON_MS).unref()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #open(): Opened {
    if (this.#failure !== undefined && this.#failure.untilMs > monotonicMs()) throw this.#failure.error
    try {
      const mapBytes = Math.ceil((2 * this.#maxSizeBytes) / MAP_BYTES + 1) * MAP_BYTES
      const database = openAlone(this.#path, () => openIntact(this.#path, mapBytes))
      const sweeper = new Sweeper(database, this.#maxSizeBytes)
      database.onCommit = marks => {
        sweeper.evictWhereFull(marks)
        if (monotonicMs() > this.#tendedAtMs + TEND_MS + LATE_MS) this.#tend()
      }
      this.#tendedAtMs = monotonicMs()
      this.#timer = setInterval(() => this.#tend(), TEND_MS).unref()
      return { database, sweeper }
    } catch (error) {
      this.#failure = { error, untilMs: monotonicMs() + RETRY_MS }
      throw error
    }
  }

  #isGone({ database }: Opened): boolean {
    const nowMs = monotonicMs()
    if (database.isGone) return true
    if (nowMs < this.#lookAtMs) return false
    this.#lookAtMs = nowMs + LOOK_MS
    return !database.place.isAsItWas()
  }

  /** Some may be in the midst of a body: it is closed later. */
  #leave({ database, sweeper }: Opened): void {
    this.#opened = undefined
    clearInterval(this.#timer)
    database.place.leave()
    void sweeper.stop()
    this.#left.add(database)
    setTimeout(() => {
      this.#left.delete(database)
      database.close().catch(() => {})
    }, GRACE_MS).unref()
  }

  #tend(): void {
    this.#tendedAtMs = monotonicMs()
    this.#run(tend)
  }

  /** Work that nobody waits for but close(). What fails is tried again another time. */
  #run(work: (opened: Opened) => Promise<void>): void {
    if (this.#opened === undefined || this.#background.size > 0) return
    const done = work(this.#opened)
      .catch(() => {})
      .finally(() => this.#background.delete(done))
    this.#background.add(done)
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
    await Promise.all([...this.#left].map(database => database.close()))
    if (this.#opened === undefined) return
    const { database, sweeper } = this.#opened
    // What waits for a turn that has been lost goes on with this one.
    await nextTurn()
    await sweeper.stop()
    await Promise.all(this.#background)
    await database.flush()
    await database.sync().catch(() => {})
    await database.close()
  }
}

/** Anew, where LMDB finds damage to what it begins with: it would each time again. */
function openIntact(path: string, mapBytes: number): LmdbDatabase {
  try {
    return new LmdbDatabase(path, mapBytes)
  } catch (error) {
    if (!isDamage(error)) throw error
    setAsideWithWarning(path, `is damaged (${error.message})`)
    return new LmdbDatabase(path, mapBytes)
  }
}

async function tend({ database, sweeper }: Opened): Promise<void> {
  await sweeper.tend()
  await database.sync()
}
