import { clearTimeout, setTimeout } from 'node:timers'
import { monotonicMs } from '../../lib/event-loop.ts'
import { attempt } from '../shared/attempt.ts'
import type { Folders } from './folders.ts'

const FLUSH_INTERVAL_MS = 600_000
/** A timer that is so late has been lost. */
const LATE_MS = 1000
const MAX_PENDING = 10_000
const BATCH = 16

/** When entries were last used: noted in memory on a hit, and written to the files' modification times now and then, so
 * that it costs a hit next to nothing, and an entry one call in ten minutes. */
export class Recency {
  readonly #folders: Folders
  #pending = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #dueAtMs = Infinity

  constructor(folders: Folders) {
    this.#folders = folders
  }

  note(recordName: string): void {
    this.#pending.set(recordName, Date.now())
    const nowMs = monotonicMs()
    if (this.#pending.size >= MAX_PENDING || nowMs > this.#dueAtMs + LATE_MS) void this.flush()
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => void this.flush(), FLUSH_INTERVAL_MS).unref()
    this.#dueAtMs = nowMs + FLUSH_INTERVAL_MS
  }

  /** What has not been written yet, in milliseconds since the epoch. */
  pendingOf(recordName: string): number {
    return this.#pending.get(recordName) ?? 0
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#dueAtMs = Infinity
    const uses = [...this.#pending]
    this.#pending = new Map()
    if (
      uses.length === 0 ||
      (await attempt(() => this.#folders.requireOwn(this.#folders.entries).then(() => true))) !== true
    )
      return
    for (let i = 0; i < uses.length; i += BATCH) {
      await Promise.all(
        uses.slice(i, i + BATCH).map(([name, usedAtMs]) => {
          const seconds = usedAtMs / 1000
          return attempt(() => this.#folders.fs.lutimes(this.#folders.recordPath(name), seconds, seconds))
        })
      )
    }
  }
}
