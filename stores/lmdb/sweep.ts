import { Buffer } from 'node:buffer'
import { monotonicMs, nextTurn } from '../../lib/event-loop.ts'
import { GRACE_MS, removeDueBodies } from './body-removal.ts'
import type { Counters } from './counters.ts'
import type { LmdbDatabase } from './database.ts'
import { removeRecord } from './delete.ts'
import { forgetDeletions, isDeleted } from './deletion-log.ts'
import { keyDigestIn, namesAfter } from './layout.ts'
import { hasUse, oldestUses, recordNameIn, recordUse } from './recency.ts'
import { readHead } from './records.ts'
import type { Batch } from './tables.ts'

const SWEEP_EVERY_MS = 600_000
/** How far below the bound eviction goes, so that it does not begin again at once. */
const TARGET = 0.95
/** Beyond this share of the bound, bodies that are being read are removed too. */
const HARD_LIMIT = 1.25
/** Records looked at at once. */
const SLICE = 32
/** How long one write may go on; its commit takes about as long again. */
const SLICE_MS = 1
/** Uses that are gathered before they are written. */
const MAX_UNWRITTEN_USES = 1000

const NO_NAME: Uint8Array = new Uint8Array()

/** Keeps the database within its bounds, in slices of less than a few milliseconds, each a write of its own. */
export class Sweeper {
  readonly #database: LmdbDatabase
  readonly #maxSizeBytes: number
  /** Uses that are not written yet, by the latin1 of the record's name. */
  readonly #uses = new Map<string, { readonly name: Uint8Array; readonly atMs: number }>()
  #evicting: Promise<void> | undefined
  #isStopped = false

  constructor(database: LmdbDatabase, maxSizeBytes: number) {
    this.#database = database
    this.#maxSizeBytes = maxSizeBytes
  }

  noteUse(name: Uint8Array, atMs: number): void {
    this.#uses.set(Buffer.from(name).toString('latin1'), { name, atMs })
    if (this.#uses.size >= MAX_UNWRITTEN_USES) void this.#writeUses().catch(() => {})
  }

  /** Called with the counters after each write. Evicts where too much is stored; where too much is occupied, bodies that
   * were replaced are removed although they may be being read. */
  evictIfFull(counters: Counters): void {
    const isFull = this.#isOver(counters, 1) || counters.usedBytes > this.#maxSizeBytes * HARD_LIMIT
    if (this.#evicting !== undefined || this.#isStopped || !isFull) return
    this.#evicting = this.#evict()
      .catch(() => {})
      .finally(() => {
        this.#evicting = undefined
      })
  }

  /** Does what is due: writes uses down, removes bodies that nobody reads, and sweeps from time to time. */
  async maintain(): Promise<void> {
    await this.#writeUses()
    await this.#removeDueBodies()
    this.#database.refresh()
    const counters = this.#database.counters()
    if (counters !== undefined && counters.sweptAtMs < Date.now() - SWEEP_EVERY_MS) await this.sweep()
  }

  /** Looks at all records: removes what has expired or was deleted, then what is too much. */
  async sweep(): Promise<void> {
    this.#database.refresh()
    const position = this.#database.counters()?.position
    if (position === undefined) return
    for (let last = NO_NAME; !this.#isStopped; ) {
      this.#database.refresh()
      const names = namesAfter(this.#database.tables.records, last, SLICE)
      if (names.length === 0) break
      last = names.at(-1) ?? last
      await this.#inSlices(this.#deadAmong(names), (batch, name) => {
        if (isDead(batch, name)) removeRecord(batch, name)
      })
      await nextTurn()
    }
    if (this.#isStopped) return
    await this.#throughTable((batch, after) => forgetDeletions(batch, position, after))
    await this.#database.write(({ counters }) => {
      counters.sweptAtMs = Date.now()
    })
    await this.#removeDueBodies()
    await this.#evict()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#evicting
    await this.#writeUses().catch(() => {})
  }

  async #writeUses(): Promise<void> {
    const uses = [...this.#uses.values()]
    this.#uses.clear()
    await this.#inSlices(uses, ({ tables }, { name, atMs }) => {
      if (hasUse(tables, name)) recordUse(tables, name, atMs)
    })
  }

  #removeDueBodies(): Promise<void> {
    return this.#throughTable((batch, after) => {
      const isTight = batch.counters.usedBytes > this.#maxSizeBytes * HARD_LIMIT
      return removeDueBodies(batch, isTight ? Date.now() + GRACE_MS : Date.now(), after)
    })
  }

  async #evict(): Promise<void> {
    // What was used a moment ago is not to go first.
    await this.#writeUses()
    let more = true
    while (more && !this.#isStopped) {
      more = await this.#database.write(batch => this.#evictSome(batch))
      await nextTurn()
    }
    await this.#removeDueBodies()
  }

  /** Whether there is more to evict. */
  #evictSome(batch: Batch): boolean {
    const untilMs = monotonicMs() + SLICE_MS
    for (const use of oldestUses(batch.tables, SLICE)) {
      if (!this.#isOver(batch.counters, TARGET)) return false
      if (monotonicMs() > untilMs) return true
      removeRecord(batch, recordNameIn(use))
      void batch.tables.useOrder.remove(use)
    }
    return this.#isOver(batch.counters, TARGET) && oldestUses(batch.tables, 1).length > 0
  }

  /** Calls `work` in a write of its own, again and again, with the name that it went on to. */
  async #throughTable(work: (batch: Batch, after: Uint8Array) => Uint8Array | undefined): Promise<void> {
    let from: Uint8Array | undefined = NO_NAME
    while (from !== undefined && !this.#isStopped) {
      const after: Uint8Array = from
      from = await this.#database.write(batch => work(batch, after))
      await nextTurn()
    }
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

  #isOver({ usedBytes, unreferencedBytes }: Counters, share: number): boolean {
    return usedBytes - unreferencedBytes > this.#maxSizeBytes * share
  }

  #deadAmong(names: readonly Uint8Array[]): readonly Uint8Array[] {
    const { tables } = this.#database
    const counters = this.#database.counters()
    return counters === undefined ? [] : names.filter(name => isDead({ tables, counters }, name))
  }
}

/** Whether a record is damaged, has expired, or was deleted. */
function isDead({ tables, counters }: Pick<Batch, 'tables' | 'counters'>, name: Uint8Array): boolean {
  const head = readHead(tables, name)
  return head === undefined || head.keptUntilMs < Date.now() || isDeleted(tables, counters, keyDigestIn(name), head)
}
