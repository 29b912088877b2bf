import { Buffer } from 'node:buffer'
import { monotonicMs, nextTurn } from '../../lib/event-loop.ts'
import { reap } from './body-removal.ts'
import type { Marks } from './counters.ts'
import type { Batch, LmdbDatabase } from './database.ts'
import { forgetDeletions, isDeleted } from './deletion-log.ts'
import { keyDigestIn, namesAfter } from './layout.ts'
import { nameInPlace, oldestPlaces, readRecord, removeRecord, use } from './records.ts'

const SWEEP_EVERY_MS = 600_000
/** How far below the bound eviction goes, so that it does not begin again at once. */
const TARGET = 0.95
/** Beyond this, bodies that are being read go too. */
const HARD_LIMIT = 1.25
/** Records looked at in one go. */
const SLICE = 32
/** How long one write may go on; its commit takes about as long again. */
const SLICE_MS = 1

const NO_NAME: Uint8Array = new Uint8Array()

/** Keeps the database within its bounds, in slices of less than a few milliseconds, each a write of its own. */
export class Sweeper {
  readonly #database: LmdbDatabase
  readonly #maxSizeBytes: number
  /** Uses that are not yet written, by the latin1 of the record's name. */
  readonly #uses = new Map<string, { readonly name: Uint8Array; readonly atMs: number }>()
  #evicting: Promise<void> | undefined
  #closed = false

  constructor(database: LmdbDatabase, maxSizeBytes: number) {
    this.#database = database
    this.#maxSizeBytes = maxSizeBytes
  }

  used(name: Uint8Array, atMs: number): void {
    this.#uses.set(Buffer.from(name).toString('latin1'), { name, atMs })
    if (this.#uses.size >= 1000) void this.noteUses().catch(() => {})
  }

  /** Writes down what was used, in slices. */
  async noteUses(): Promise<void> {
    const uses = [...this.#uses.values()]
    this.#uses.clear()
    await this.#inSlices(uses, ({ tables }, { name, atMs }) => {
      if (tables.uses.getBinaryFast(name) !== undefined) use(tables, name, atMs)
    })
  }

  /** Called with the marks after each write: evicts where there is too much, and what was replaced goes without grace
   * where that is too much. */
  evictWhereFull(marks: Marks): void {
    const isFull = this.#isOver(marks, 1) || marks.usedBytes > this.#maxSizeBytes * HARD_LIMIT
    if (this.#evicting !== undefined || this.#closed || !isFull) return
    this.#evicting = this.#evict()
      .catch(() => {})
      .finally(() => {
        this.#evicting = undefined
      })
  }

  /** What is to be done now and then: bodies that nobody reads, and, where it is time, everything. */
  async tend(): Promise<void> {
    await this.noteUses()
    await this.reap()
    this.#database.refresh()
    const marks = this.#database.marks()
    if (marks !== undefined && marks.sweptAtMs < Date.now() - SWEEP_EVERY_MS) await this.sweep()
  }

  async reap(): Promise<void> {
    let from: Uint8Array | undefined = NO_NAME
    while (from !== undefined && !this.#closed) {
      const start: Uint8Array = from
      from = await this.#database.write(batch => reap(batch, this.#reapBefore(batch), start))
      await nextTurn()
    }
  }

  /** Looks everything over: removes what has expired or was deleted, then what is too much. */
  async sweep(): Promise<void> {
    this.#database.refresh()
    const position = this.#database.marks()?.position
    if (position === undefined) return
    for (let last = NO_NAME; !this.#closed; ) {
      this.#database.refresh()
      const names = namesAfter(this.#database.tables.records, last, SLICE)
      if (names.length === 0) break
      last = names.at(-1) ?? last
      const dead = this.#deadAmong(names)
      await this.#inSlices(dead, (batch, name) => {
        if (isDead(batch, name, Date.now())) removeRecord(batch, name, Date.now())
      })
      await nextTurn()
    }
    if (this.#closed) return
    let from: Uint8Array | undefined = NO_NAME
    while (from !== undefined && !this.#closed) {
      const after: Uint8Array = from
      from = await this.#database.write(batch => forgetDeletions(batch, position, Date.now(), after))
      await nextTurn()
    }
    await this.#database.write(({ marks }) => {
      marks.sweptAtMs = Date.now()
    })
    await this.reap()
    await this.#evict()
  }

  async stop(): Promise<void> {
    this.#closed = true
    await this.#evicting
    await this.noteUses().catch(() => {})
  }

  async #evict(): Promise<void> {
    // What was used a moment ago is not to go first.
    await this.noteUses()
    let more = true
    while (more && !this.#closed) {
      more = await this.#database.write(batch => this.#evictSome(batch))
      await nextTurn()
    }
    await this.reap()
  }

  #evictSome(batch: Batch): boolean {
    const untilMs = monotonicMs() + SLICE_MS
    for (const place of oldestPlaces(batch.tables, SLICE)) {
      if (!this.#isOver(batch.marks, TARGET)) return false
      if (monotonicMs() > untilMs) return true
      removeRecord(batch, nameInPlace(place), Date.now())
      void batch.tables.order.remove(place)
    }
    return this.#isOver(batch.marks, TARGET) && oldestPlaces(batch.tables, 1).length > 0
  }

  async #inSlices<T>(items: readonly T[], work: (batch: Batch, item: T) => void): Promise<void> {
    for (let next = 0; next < items.length; ) {
      const start = next
      next = await this.#database.write(batch => {
        const untilMs = monotonicMs() + SLICE_MS
        let i = start
        for (const item of items.slice(start)) {
          if (i > start && monotonicMs() > untilMs) break
          work(batch, item)
          i++
        }
        return i
      })
    }
  }

  #isOver({ usedBytes, leavingBytes }: Marks, share: number): boolean {
    return usedBytes - leavingBytes > this.#maxSizeBytes * share
  }

  #reapBefore({ marks }: Batch): number {
    const isTight = marks.usedBytes > this.#maxSizeBytes * HARD_LIMIT
    return isTight ? Date.now() + 60_000 : Date.now()
  }

  #deadAmong(names: readonly Uint8Array[]): readonly Uint8Array[] {
    const { tables } = this.#database
    const marks = this.#database.marks()
    if (marks === undefined) return []
    const nowMs = Date.now()
    return names.filter(name => isDead({ tables, marks }, name, nowMs))
  }
}

function isDead({ tables, marks }: Pick<Batch, 'tables' | 'marks'>, name: Uint8Array, nowMs: number): boolean {
  const head = readRecord(tables, name)?.head
  return head === undefined || head.keptUntilMs < nowMs || isDeleted(tables, marks, keyDigestIn(name), head)
}
