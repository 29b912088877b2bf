import { clearTimeout, setTimeout } from 'node:timers'
import { monotonicMs, soon } from '../../lib/event-loop.ts'
import { attempt } from '../shared/attempt.ts'
import { closedError } from '../shared/closed-error.ts'
import type { FileContext } from './context.ts'
import type { Deletion } from './delete.ts'
import { removeLeftovers } from './leftovers.ts'
import { Sweep } from './sweep.ts'
import { readSweepResult, writeSweepResult } from './sweep-result.ts'

const INTERVAL_MS = 3_600_000
const FIRST_DELAY_MS = 1000
const RETRY_MS = 10_000
/** In the background it works for so long, and then lets as much pass. */
const SLICE_MS = 3
/** A timer that is so late has been lost. */
const LATE_MS = 1000
/** Where more than that beyond the limit has been written, the rest must wait for the sweep. */
const TOLERANCE = 1.25
const SHARE = 16
const LEAST_BYTES = 4_194_304
/** Deletions after which a sweep has another log begin. */
const MAX_LINES = 1024

/** Says when to sweep: once an hour, and as soon as there is too much. In the background it goes on only as long as
 * something else keeps the process alive. */
export class SweepSchedule {
  readonly #context: FileContext
  readonly #deletion: Deletion
  readonly #maxSizeBytes: number
  /** As of the last sweep, by whichever process. */
  #total: number | undefined
  #written = 0
  /** How much of that the total says. */
  #counted = 0
  #timer: NodeJS.Timeout | undefined
  #dueAtMs = Infinity
  #running: Promise<void> | undefined
  #waiting = 0
  #pausedAtMs = 0
  #wake: (() => void) | undefined
  #isLearning = false
  #isClosed = false

  constructor(context: FileContext, deletion: Deletion, maxSizeBytes: number) {
    this.#context = context
    this.#deletion = deletion
    this.#maxSizeBytes = maxSizeBytes
  }

  /** Whether so much has been written that no more should be before a sweep. */
  get isFull(): boolean {
    return this.#occupied > this.#maxSizeBytes * TOLERANCE
  }

  /** Tells of bytes that were written. */
  added(byteLength: number): void {
    this.#written += byteLength
    if (this.#total === undefined && !this.#isLearning) this.#context.background.run(() => this.#learn())
    this.#requestIfDue()
  }

  /** Everything has been removed. */
  cleared(): void {
    this.#total = 0
    this.#counted = this.#written
  }

  /** Sweeps in the background, before long. */
  request(delayMs: number): void {
    const nowMs = monotonicMs()
    const dueAtMs = nowMs + delayMs
    if (nowMs > this.#pausedAtMs + LATE_MS) this.#wake?.()
    if (this.#isClosed || (dueAtMs >= this.#dueAtMs && nowMs < this.#dueAtMs + LATE_MS)) return
    clearTimeout(this.#timer)
    this.#dueAtMs = dueAtMs
    this.#timer = setTimeout(() => {
      this.#dueAtMs = Infinity
      // One that is under way asks again at its end where there is reason to.
      if (this.#running === undefined) this.#begin().catch(() => this.request(RETRY_MS))
    }, delayMs).unref()
  }

  /** Sweeps now, and keeps the process alive for it. */
  async run(): Promise<void> {
    this.#waiting++
    this.#wake?.()
    try {
      while (this.#running !== undefined) await attempt(() => this.#running)
      if (this.#isClosed) throw closedError('FileStore')
      await this.#begin()
    } finally {
      this.#waiting--
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#wake?.()
    if (this.#running !== undefined) await attempt(() => this.#running)
  }

  #requestIfDue(): void {
    const share = Math.max(this.#maxSizeBytes / SHARE, LEAST_BYTES)
    if (this.#added > share || this.#occupied > this.#maxSizeBytes) this.request(0)
  }

  /** Since the total was counted, by this process. */
  get #added(): number {
    return this.#written - this.#counted
  }

  get #occupied(): number {
    return (this.#total ?? 0) + this.#added
  }

  #begin(): Promise<void> {
    const running = this.#sweep().finally(() => {
      this.#running = undefined
    })
    this.#running = running
    return running
  }

  async #sweep(): Promise<void> {
    const { folders, deletions } = this.#context
    if (!(await folders.isThere())) return
    const pause = () => this.#pause()
    const written = this.#written
    // In this order: what has been forgotten must neither lie there any more nor be able to come.
    const ordinal = await deletions.endOlder()
    await removeLeftovers(folders, pause)
    const total = await new Sweep(this.#context, this.#deletion, this.#maxSizeBytes, pause).run()
    if (ordinal !== undefined) await deletions.swept(ordinal, MAX_LINES)
    this.#total = total
    // Unless everything has been removed meanwhile.
    this.#counted = Math.max(this.#counted, written)
    await attempt(() => writeSweepResult(this.#context, total))
    this.request(INTERVAL_MS)
    this.#requestIfDue()
  }

  /** Spares a process the walk that another has just made. */
  async #learn(): Promise<void> {
    this.#isLearning = true
    const result = await attempt(() => readSweepResult(this.#context.folders))
    if (result === undefined || Date.now() - result.writtenAtMs > INTERVAL_MS) return this.request(FIRST_DELAY_MS)
    this.#total ??= result.totalBytes
    this.request(INTERVAL_MS)
  }

  async #pause(): Promise<void> {
    await this.#woken(soon)
    if (this.#waiting > 0) return
    if (!this.#isClosed && monotonicMs() - this.#pausedAtMs > SLICE_MS) {
      await this.#woken(wake => setTimeout(wake, SLICE_MS).unref())
      this.#pausedAtMs = monotonicMs()
    }
    if (this.#isClosed) throw closedError('FileStore')
  }

  #woken(arrange: (wake: () => void) => void): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
      arrange(resolve)
    })
  }
}
