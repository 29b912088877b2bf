import { attempt } from '../shared/attempt.ts'
import { bodyFileBytes } from '../shared/body-format.ts'
import { partsOfBodyName } from '../shared/entry-names.ts'
import { HOLLOW_MS, type RecordHead } from '../shared/record-format.ts'
import { isSameVaryList } from '../shared/vary-lists.ts'
import { Ages } from './ages.ts'
import type { FileContext } from './context.ts'
import type { Deletion } from './delete.ts'
import type { FileStats } from './file-system.ts'
import { occupiedBytes } from './file-system.ts'
import { type KeyFiles, listKeys, listShards } from './key-files.ts'

/** What lies about for so long has been left behind. */
export const STALE_MS = 3_600_000
/** How much is left where there was too much: so that it does not begin again at once. */
const TARGET = 0.9
/** Keys looked at before others have their turn. */
const BATCH = 4
const MAX_SORTED = 1024

/** A record, and what it occupies with its body. */
interface Occupant {
  readonly key: string
  readonly name: string
  readonly head: RecordHead
  readonly stats: FileStats
  readonly byteLength: number
}

/** One walk over all that is stored: takes away what is deleted, expired, damaged or left behind, and then, on a second
 * walk, what was not used for longest, until the rest keeps to the limit. Holds the names of one shard at a time. */
export class Sweep {
  readonly #context: FileContext
  readonly #deletion: Deletion
  readonly #maxSizeBytes: number
  readonly #pause: () => Promise<void>
  readonly #nowMs = Date.now()

  /** `pause` lets others have their turn. */
  constructor(context: FileContext, deletion: Deletion, maxSizeBytes: number, pause: () => Promise<void>) {
    this.#context = context
    this.#deletion = deletion
    this.#maxSizeBytes = maxSizeBytes
    this.#pause = pause
  }

  /** Returns the bytes that are occupied in the end. */
  async run(): Promise<number> {
    await this.#context.recency.flush()
    const ages = new Ages(this.#nowMs)
    let total = 0
    await this.#walk(async ({ stats, byteLength }) => {
      ages.add(stats.mtimeMs, byteLength)
      total += byteLength
    })
    return total <= this.#maxSizeBytes ? total : this.#evict(total, ages)
  }

  /** Returns the bytes that are left of the total. */
  async #evict(total: number, ages: Ages): Promise<number> {
    const { bucket, remainingBytes } = ages.cutoff(total - this.#maxSizeBytes * TARGET)
    let found = 0
    let freed = 0
    let remaining = remainingBytes
    const atCutoff: Occupant[] = []
    const evictOldest = async (keep: number) => {
      atCutoff.sort((a, b) => b.stats.mtimeMs - a.stats.mtimeMs)
      while (remaining > 0 && atCutoff.length > keep) {
        const oldest = atCutoff.pop()
        const bytes = oldest === undefined ? 0 : await this.#remove(oldest)
        remaining -= bytes
        freed += bytes
      }
    }
    await this.#walk(async occupant => {
      found += occupant.byteLength
      const { mtimeMs } = occupant.stats
      const its = ages.bucketOf(Math.max(mtimeMs, this.#context.recency.pendingOf(occupant.name)))
      if (its > bucket) freed += await this.#remove(occupant)
      // Once there is room nothing more is to be sorted out.
      else if (its === bucket && remaining > 0 && atCutoff.push(occupant) >= MAX_SORTED) {
        await evictOldest(MAX_SORTED / 2)
      }
    })
    await evictOldest(0)
    // Others may have removed some since, or stored more, which is for them to count.
    return Math.min(total, found) - freed
  }

  async #walk(visit: (occupant: Occupant) => Promise<void>): Promise<void> {
    for (const shard of await listShards(this.#context.folders)) {
      const keys = await listKeys(this.#context.folders, shard)
      for (let i = 0; i < keys.length; i += BATCH) {
        const found = await Promise.all(keys.slice(i, i + BATCH).map(files => this.#sweepKey(files)))
        for (const occupant of found.flat()) await visit(occupant)
        await this.#pause()
      }
    }
  }

  /** Returns what is left of a key. */
  async #sweepKey({ key, records, bodies }: KeyFiles): Promise<readonly Occupant[]> {
    const left: Occupant[] = []
    // The key's own name, which says of the others, comes last: it has been changed before they are put in place.
    for (const name of records.sort().reverse()) {
      const found = await this.#context.records.readHead(name)
      if (found === undefined) continue
      const { stats } = found
      const head = found.parsed?.head
      const leads = head !== undefined && name === key && left.some(other => leadsTo(head, other.head))
      if (leads && this.#isGone(key, head) && !this.#context.deletions.covers(head, key, [])) {
        left.push(await this.#hollow(key, head, stats))
      } else if (head === undefined || this.#isGone(key, head)) {
        await this.#removeUnchanged(key, name, head, stats)
      } else {
        const byteLength = occupiedBytes(stats.size) + occupiedBytes(bodyFileBytes(head.body?.byteLength ?? 0))
        left.push({ key, name, head, stats, byteLength })
      }
    }
    const first = left.find(({ name }) => name === key)
    const reachable: Occupant[] = []
    for (const occupant of left) {
      const isFound = occupant === first || (first !== undefined && leadsTo(first.head, occupant.head))
      if (isFound || !this.#isStale(occupant.stats)) reachable.push(occupant)
      else await this.#remove(occupant)
    }
    for (const name of bodies) await this.#sweepBody(name, reachable)
    return reachable
  }

  /** What is left of the first record of a key, whose response is gone: others are found by it. */
  async #hollow(key: string, head: RecordHead, seen: FileStats): Promise<Occupant> {
    const { folders, mutex } = this.#context
    let stats = seen
    if (head.keptUntilMs !== HOLLOW_MS) {
      await mutex.run(key, async () => {
        const now = await attempt(() => folders.fs.lstat(folders.recordPath(key)))
        if (now === undefined || now.ino !== seen.ino || now.mtimeMs !== seen.mtimeMs) return
        await this.#deletion.hollow(key, head)
        stats = (await attempt(() => folders.fs.lstat(folders.recordPath(key)))) ?? seen
      })
    }
    return { key, name: key, head: { ...head, body: undefined }, stats, byteLength: occupiedBytes(stats.size) }
  }

  /** A body that no record speaks of, and that is not about to get one. */
  async #sweepBody(name: string, reachable: readonly Occupant[]): Promise<void> {
    const { recordName, bodyId } = partsOfBodyName(name) ?? {}
    if (reachable.some(({ name, head }) => name === recordName && head.body?.id === bodyId)) return
    const { folders } = this.#context
    const path = folders.recordPath(name)
    const stats = await attempt(() => folders.fs.lstat(path))
    if (stats !== undefined && this.#isStale(stats)) await attempt(() => folders.fs.unlink(path))
  }

  #isGone(key: string, head: RecordHead): boolean {
    return this.#context.deletions.covers(head, key, head.tags) || head.keptUntilMs < this.#nowMs
  }

  #isStale({ mtimeMs }: FileStats): boolean {
    return this.#nowMs - mtimeMs > STALE_MS
  }

  /** Returns the bytes that are free then. */
  async #remove({ key, name, head, stats, byteLength }: Occupant): Promise<number> {
    return (await this.#removeUnchanged(key, name, head, stats)) ? byteLength : 0
  }

  /** Unless it has been replaced or used since it was looked at; true where it is gone. */
  async #removeUnchanged(key: string, name: string, head: RecordHead | undefined, seen: FileStats): Promise<boolean> {
    const { folders, mutex } = this.#context
    return mutex.run(key, async () => {
      const stats = await attempt(() => folders.fs.lstat(folders.recordPath(name)))
      if (stats === undefined) return true
      if (stats.ino !== seen.ino || stats.mtimeMs !== seen.mtimeMs) return false
      await this.#deletion.unlink(name, head)
      return true
    })
  }
}

/** Whether a lookup comes from the first record of a key to this one. */
function leadsTo(first: RecordHead, head: RecordHead): boolean {
  if (first.variantDigest === head.variantDigest) return false
  return first.lists.some(list => isSameVaryList(list, head.vary))
}
