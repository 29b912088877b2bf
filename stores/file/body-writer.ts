import { Buffer } from 'node:buffer'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { Blocks } from '../blocks.ts'
import { attempt } from '../shared/attempt.ts'
import { isMissing } from '../shared/file-errors.ts'
import type { BodyWriter } from '../store.ts'
import { BodyFileWriter } from './body-file-writer.ts'
import type { Commit } from './commit.ts'
import type { LogPosition } from './deletion-log-view.ts'
import type { Folders } from './folders.ts'

/** Larger bodies get a file of their own. */
const MAX_INLINE_BYTES = 65_536

export interface FileBodyWriterOptions {
  readonly folders: Folders
  readonly commit: Commit
  readonly position: LogPosition
  readonly maxBytes: number
  /** The place of this response among all that came. */
  readonly arrival: number
  /** Called once. */
  readonly onOver: () => void
}

/** Takes one body: keeps it while it is small, writes it to a temporary file once it is not. */
export class FileBodyWriter implements BodyWriter {
  readonly #options: FileBodyWriterOptions
  #pieces = new Blocks()
  #file: BodyFileWriter | undefined
  #byteLength = 0
  #isOver = false
  #committing: Promise<boolean> | undefined

  constructor(options: FileBodyWriterOptions) {
    this.#options = options
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#isOver) return undefined
    this.#byteLength += chunk.byteLength
    if (this.#byteLength > this.#options.maxBytes) return this.abort()
    if (this.#file === undefined) this.#pieces.push(chunk)
    if (this.#byteLength <= MAX_INLINE_BYTES) return undefined
    const writing = this.#file === undefined ? this.#spill() : this.#file.write(chunk)
    return writing?.catch(error => this.#fail(error))
  }

  async commit(entry: Entry): Promise<boolean> {
    if (this.#isOver) return false
    this.#isOver = true
    this.#committing = this.#commit(entry)
    return this.#committing
  }

  async abort(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#pieces = new Blocks()
    this.#options.onOver()
    await this.#file?.abort()
  }

  /** Has what is being committed come to its end, and forgets the rest. */
  async close(): Promise<void> {
    if (this.#committing === undefined) await this.abort()
    else await attempt(() => this.#committing)
  }

  async #commit(entry: Entry): Promise<boolean> {
    const { commit, position, arrival } = this.#options
    let stored = false
    try {
      stored = await commit.place(entry, await this.#finish(), position, arrival)
    } catch (error) {
      if (!(await this.#isRetired(error))) throw error
    } finally {
      this.#options.onOver()
      if (!stored) await this.#file?.abort()
    }
    return stored
  }

  async #fail(error: unknown): Promise<void> {
    const isRetired = await this.#isRetired(error)
    await this.abort()
    if (!isRetired) throw error
  }

  /** Whether it is no fault, but came too late: a sweep has ended what was begun so long ago. */
  async #isRetired(error: unknown): Promise<boolean> {
    const { folders, position } = this.#options
    return isMissing(error) && (await folders.isRetired(position.generation))
  }

  async #spill(): Promise<void> {
    const { folders, position } = this.#options
    const pieces = this.#pieces
    this.#pieces = new Blocks()
    this.#file = new BodyFileWriter(folders, position.generation)
    for (const piece of pieces.finish()) await this.#file.write(piece)
  }

  async #finish() {
    const byteLength = this.#byteLength
    if (this.#file !== undefined) {
      return { kind: 'file', path: await this.#file.finish(), id: this.#file.id, byteLength } as const
    }
    const pieces = this.#pieces.finish()
    const bytes = pieces.length === 1 ? pieces[0] : undefined
    return { kind: 'inline', bytes: bytes ?? Buffer.concat(pieces) } as const
  }
}
