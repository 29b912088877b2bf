import { Buffer } from 'node:buffer'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { Blocks } from '../blocks.ts'
import { attempt } from '../shared/attempt.ts'
import { isMissing } from '../shared/file-errors.ts'
import type { BodyWriter } from '../store.ts'
import { BodySink } from './body-file-writer.ts'
import type { Placement } from './commit.ts'
import type { LogPosition } from './deletion-log-view.ts'
import type { Tree } from './folders.ts'

/** Larger bodies get a file of their own. */
const MAX_INLINE_BYTES = 65_536

export interface EntryWriterOptions {
  readonly tree: Tree
  readonly placement: Placement
  readonly position: LogPosition
  readonly maxBytes: number
  /** The place of this response among all that came. */
  readonly arrival: number
  /** Called once. */
  readonly onOver: () => void
}

/** Takes one body: keeps it while it is small, writes it to a temporary file once it is not. */
export class EntryWriter implements BodyWriter {
  readonly #options: EntryWriterOptions
  #pieces = new Blocks()
  #sink: BodySink | undefined
  #byteLength = 0
  #isOver = false
  #committing: Promise<boolean> | undefined

  constructor(options: EntryWriterOptions) {
    this.#options = options
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#isOver) return undefined
    this.#byteLength += chunk.byteLength
    if (this.#byteLength > this.#options.maxBytes) return this.abort()
    if (this.#sink === undefined) this.#pieces.push(chunk)
    if (this.#byteLength <= MAX_INLINE_BYTES) return undefined
    const writing = this.#sink === undefined ? this.#spill() : this.#sink.write(chunk)
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
    await this.#sink?.abort()
  }

  /** Has what is being committed come to its end, and forgets the rest. */
  async close(): Promise<void> {
    if (this.#committing === undefined) await this.abort()
    else await attempt(() => this.#committing)
  }

  async #commit(entry: Entry): Promise<boolean> {
    const { placement, position, arrival } = this.#options
    let stored = false
    try {
      stored = await placement.place(entry, await this.#finish(), position, arrival)
    } catch (error) {
      if (!(await this.#isRetired(error))) throw error
    } finally {
      this.#options.onOver()
      if (!stored) await this.#sink?.abort()
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
    const { tree, position } = this.#options
    return isMissing(error) && (await tree.isRetired(position.generation))
  }

  async #spill(): Promise<void> {
    const { tree, position } = this.#options
    const pieces = this.#pieces
    this.#pieces = new Blocks()
    this.#sink = new BodySink(tree, position.generation)
    for (const piece of pieces.finish()) await this.#sink.write(piece)
  }

  async #finish() {
    const byteLength = this.#byteLength
    if (this.#sink !== undefined) {
      return { kind: 'file', path: await this.#sink.finish(), id: this.#sink.id, byteLength } as const
    }
    const pieces = this.#pieces.finish()
    const bytes = pieces.length === 1 ? pieces[0] : undefined
    return { kind: 'inline', bytes: bytes ?? Buffer.concat(pieces) } as const
  }
}
