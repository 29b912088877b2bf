import { setTimeout as sleep } from 'node:timers/promises'
import { CacheError } from '../../lib/errors.ts'
import { monotonicMs } from '../../lib/event-loop.ts'
import { isAbsent } from '../shared/file-errors.ts'
import { SharedRun } from '../shared/shared-run.ts'
import { LogFiles } from './deletion-log-files.ts'
import { DeletionView, encodeLine, LINE_BYTES, type LogPosition } from './deletion-log-view.ts'
import { type FileStats, TO_APPEND } from './file-system.ts'
import type { Folders } from './folders.ts'

const MAX_ATTEMPTS = 20
/** How old a look at the log may be for a reader, and how long a deletion takes at the least. */
const MOMENT_MS = 1
/** A log with more lines makes room for another; one with fewer does so only when that is asked for. */
const MAX_LINES = 65_536

/** What all processes have deleted, and in which order, counted by a log that they all append to.
 *
 * A record says where the log stood when its request began. It is there only as long as the log says of no deletion after
 * that which reaches it: so a deletion is one line appended, wins whatever else goes on, and needs no lock and no clock.
 * Every reader looks at the length of the log; readers at the same time, and shortly after, share that look. */
export class DeletionLog {
  readonly #folders: Folders
  readonly #files: LogFiles
  #view: DeletionView | undefined
  #file: FileStats | undefined
  /** The last number that was taken when there was no log. */
  #lastTaken = 0
  #lookedAtMs = -Infinity
  #lookingSinceMs = -Infinity
  readonly #looks = new SharedRun(() => this.#look())

  constructor(folders: Folders) {
    this.#folders = folders
    this.#files = new LogFiles(folders)
  }

  /** As of the last refresh; undefined where nothing has been stored yet. */
  get position(): LogPosition | undefined {
    return this.#view?.position
  }

  /** Takes notice of every deletion that was over before the call. */
  refresh(): Promise<void> {
    return this.#looks.run()
  }

  /** As `refresh`, but content with a look that began a moment ago: deleting takes longer than that. undefined: no wait. */
  glance(): Promise<void> | undefined {
    if (this.#view === undefined) return this.refresh()
    const sinceMs = monotonicMs() - MOMENT_MS
    if (this.#lookedAtMs > sinceMs) return undefined
    const { running } = this.#looks
    return running !== undefined && this.#lookingSinceMs > sinceMs ? running : this.refresh()
  }

  /** Where the log stands now; begins one where there is none. */
  async now(): Promise<LogPosition> {
    return (await this.#ready()).position
  }

  /** Whether what was asked for at this position has been deleted, as of the last refresh. */
  covers(position: Pick<LogPosition, 'epoch' | 'ordinal'>, key: string, tags: readonly string[]): boolean {
    return this.#view?.covers(position, key, tags) ?? true
  }

  /** Deletes; returns when nobody finds what is deleted any more. `meanwhile` is done before that. */
  async add(kind: 'key' | 'tag' | 'all', name?: string, meanwhile?: () => Promise<unknown>): Promise<void> {
    const writtenAtMs = await this.#write(kind, name)
    await meanwhile?.()
    while (monotonicMs() - writtenAtMs <= MOMENT_MS) await sleep(MOMENT_MS)
  }

  async #write(kind: 'key' | 'tag' | 'all', name: string | undefined): Promise<number> {
    for (let i = 0; i < MAX_ATTEMPTS; i++) {
      const view = await this.#ready()
      if (!(await this.#append(view, encodeLine(kind, name)))) continue
      await this.refresh()
      // What follows the seal of a log counts for nothing.
      if (this.#view !== view) continue
      if (view.lineCount > MAX_LINES) await this.#seal(view)
      return monotonicMs()
    }
    throw new CacheError('ERR_CACHE_STORE', `the log of deletions in ${this.#folders.storage} cannot be written`)
  }

  /** Ends what was begun before the current log. Returns the ordinal that nothing which is yet to be put in place can be
   * older than; undefined where that cannot be said. */
  async endOlder(): Promise<number | undefined> {
    await this.refresh()
    const view = this.#view
    if (view === undefined) return undefined
    return (await this.#files.retire(view.generation)) ? view.base : undefined
  }

  /** Says that nothing is left of what was deleted before `ordinal`, and begins another log after `maxLines`. */
  async swept(ordinal: number, maxLines: number): Promise<void> {
    const view = this.#view
    if (view === undefined) return
    if (view.remembers(ordinal)) await this.#append(view, encodeLine('swept', undefined, ordinal))
    if (view.lineCount > maxLines) await this.#seal(view)
  }

  async #look(): Promise<void> {
    this.#lookingSinceMs = monotonicMs()
    await this.#catchUp()
    this.#lookedAtMs = this.#lookingSinceMs
  }

  async #ready(): Promise<DeletionView> {
    for (let i = 0; i < MAX_ATTEMPTS; i++) {
      await this.refresh()
      if (this.#view !== undefined) return this.#view
      // Not after another that has begun since: who began that one will not look for this one.
      const generation = this.#lastTaken + 1
      await this.#files.publish(generation, DeletionView.begin(generation).next(generation))
    }
    throw new CacheError('ERR_CACHE_STORE', `there is no log of deletions to be had in ${this.#folders.storage}`)
  }

  async #catchUp(): Promise<void> {
    const view = this.#view
    if (view === undefined) return this.#discover()
    const stats = await this.#files.stat(view.generation)
    if (stats === undefined || !isSame(stats, this.#file)) return this.#discover()
    if (stats.size === view.sizeBytes && stats.mtimeMs === this.#file?.mtimeMs) return
    // Changed in place, or cut short.
    if (stats.size <= view.sizeBytes) return this.#discover()
    this.#file = stats
    await this.#files.readOn(view)
    if (view.isSealed) await this.#advance(view)
    else if (view.sizeBytes < stats.size) await this.#discover()
  }

  /** Finds the last log. One that is none, or of another make, leaves nothing to be found: who writes next begins a new
   * epoch. */
  async #discover(): Promise<void> {
    const { folders, last } = await this.#files.list()
    const file = last === folders.at(-1) ? await this.#files.stat(last) : undefined
    const view = file === undefined ? undefined : await this.#files.load(last)
    this.#file = file
    this.#view = view
    this.#lastTaken = last
    if (view?.isSealed) await this.#advance(view)
  }

  /** Goes on from a sealed log to the next, which is begun here if whoever sealed it could not. */
  async #advance(sealed: DeletionView): Promise<void> {
    const generation = sealed.generation + 1
    if ((await this.#files.stat(generation)) === undefined) {
      await this.#files.publish(generation, sealed.next(generation))
    }
    await this.#discover()
  }

  async #seal(view: DeletionView): Promise<void> {
    await this.#append(view, encodeLine('sealed'))
    await this.refresh()
  }

  async #append(view: DeletionView, line: Uint8Array): Promise<boolean> {
    try {
      await this.#folders.requireOwn(this.#folders.logFolder(view.generation))
      const handle = await this.#folders.fs.open(this.#folders.logPath(view.generation), TO_APPEND)
      try {
        await handle.write(line, 0, LINE_BYTES, null)
        await this.#folders.syncFile(handle)
      } finally {
        await handle.close()
      }
      return true
    } catch (error) {
      if (isAbsent(error)) return false
      throw error
    }
  }
}

function isSame(a: FileStats | undefined, b: FileStats | undefined): boolean {
  return a !== undefined && b !== undefined && a.ino === b.ino && a.birthtimeMs === b.birthtimeMs
}
