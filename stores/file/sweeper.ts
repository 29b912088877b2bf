import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { attempt } from './faults.ts'
import { readFully, TO_READ, writeFully } from './file-system.ts'
import { removeLeftovers } from './leftovers.ts'
import type { Parts } from './parts.ts'
import type { Removal } from './removal.ts'
import { Sweep } from './sweep.ts'

const INTERVAL_MS = 3_600_000
const FIRST_DELAY_MS = 1000
const RETRY_MS = 10_000
const PAUSE_MS = 2
/** Where more than that beyond the limit has been written, the rest must wait for the sweep. */
const TOLERANCE = 1.25
const SHARE = 16
const LEAST_BYTES = 4_194_304
/** Deletions after which a sweep has another log begin. */
const MAX_LINES = 1024

/** Says when to sweep: once an hour, and as soon as there is too much. In the background it goes on only as long as
 * something else keeps the process alive. */
export class Sweeper {
  readonly #parts: Parts
  readonly #removal: Removal
  readonly #maxSizeBytes: number
  /** As of the last sweep, by whichever process. */
  #total: number | undefined
  #added = 0
  #timer: NodeJS.Timeout | undefined
  #dueAtMs = Infinity
  #running: Promise<void> | undefined
  #waiting = 0
  #wake: (() => void) | undefined
  #learning = false
  #isClosed = false

  constructor(parts: Parts, removal: Removal, maxSizeBytes: number) {
    this.#parts = parts
    this.#removal = removal
    this.#maxSizeBytes = maxSizeBytes
  }

  /** Whether so much has been written that no more should be before a sweep. */
  get isFull(): boolean {
    return (this.#total ?? 0) + this.#added > this.#maxSizeBytes * TOLERANCE
  }

  /** Tells of bytes that were written. */
  added(byteLength: number): void {
    this.#added += byteLength
    if (this.#total === undefined && !this.#learning) this.#parts.background.run(() => this.#learn())
    const share = Math.max(this.#maxSizeBytes / SHARE, LEAST_BYTES)
    if (this.#added > share || (this.#total ?? 0) + this.#added > this.#maxSizeBytes) this.request(0)
  }

  /** Everything has been removed. */
  cleared(): void {
    this.#total = 0
    this.#added = 0
  }

  /** Sweeps in the background, before long. */
  request(delayMs: number): void {
    const dueAtMs = Date.now() + delayMs
    if (this.#isClosed || dueAtMs >= this.#dueAtMs) return
    clearTimeout(this.#timer)
    this.#dueAtMs = dueAtMs
    this.#timer = setTimeout(() => {
      this.#dueAtMs = Infinity
      this.#running ??= this.#sweep().finally(() => {
        this.#running = undefined
      })
      this.#running.catch(() => this.request(RETRY_MS))
    }, delayMs).unref()
  }

  /** Sweeps now, and keeps the process alive for it. */
  async run(): Promise<void> {
    this.#waiting++
    this.#wake?.()
    try {
      while (this.#running !== undefined) await attempt(this.#running)
      this.#running = this.#sweep().finally(() => {
        this.#running = undefined
      })
      await this.#running
    } finally {
      this.#waiting--
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#wake?.()
    if (this.#running !== undefined) await attempt(this.#running)
  }
}
