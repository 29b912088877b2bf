import { clearTimeout, setTimeout } from 'node:timers'
import { attempt } from './faults.ts'
import type { Tree } from './tree.ts'

const FLUSH_INTERVAL_MS = 600_000
const MAX_PENDING = 10_000
const BATCH = 16

/** When entries were last used: noted in memory on a hit, and written to the files' modification times now and then, so
 * that it costs a hit next to nothing, and an entry one call in ten minutes. */
export class Uses {
  readonly #tree: Tree
  #pending = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(tree: Tree) {
    this.#tree = tree
  }

  note(recordName: string): void {
    this.#pending.set(recordName, Date.now())
    if (this.#pending.size >= MAX_PENDING) void this.flush()
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_INTERVAL_MS).unref()
  }

  /** What has not been written yet, in milliseconds since the epoch. */
  pendingOf(recordName: string): number {
    return this.#pending.get(recordName) ?? 0
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const uses = [...this.#pending]
    this.#pending = new Map()
    if (uses.length === 0 || (await attempt(this.#tree.requireOwn(this.#tree.entries).then(() => true))) !== true)
      return
    for (let i = 0; i < uses.length; i += BATCH) {
      await Promise.all(
        uses.slice(i, i + BATCH).map(([name, usedAtMs]) => {
          const seconds = usedAtMs / 1000
          return attempt(this.#tree.fs.lutimes(this.#tree.recordPath(name), seconds, seconds))
        })
      )
    }
  }
}
