import { Buffer } from 'node:buffer'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { BodyWriter } from '../store.ts'
import { BodyUpload } from './body-upload.ts'
import type { Commit } from './commit.ts'
import type { ObjectContext } from './context.ts'
import type { ObjectPosition } from './deletion-log.ts'

/** Larger bodies get an object of their own. */
const MAX_INLINE_BYTES = 65_536

export interface ObjectBodyWriterOptions {
  readonly context: ObjectContext
  readonly commit: Commit
  readonly position: ObjectPosition
  readonly maxBytes: number
  /** The length of the body that is to come, where it is known. */
  readonly expectedBytes: number | undefined
  /** Called once. */
  readonly onOver: () => void
}

/** Takes one body: keeps it while it is small, uploads it as it comes once it is not. */
export class ObjectBodyWriter implements BodyWriter {
  readonly #options: ObjectBodyWriterOptions
  #pieces: Uint8Array[] = []
  #upload: BodyUpload | undefined
  #byteLength = 0
  #isOver = false

  constructor(options: ObjectBodyWriterOptions) {
    this.#options = options
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#isOver) return undefined
    this.#byteLength += chunk.byteLength
    if (this.#byteLength > this.#options.maxBytes) return this.abort()
    if (this.#upload === undefined && this.#byteLength <= MAX_INLINE_BYTES) {
      this.#pieces.push(chunk)
      return undefined
    }
    return this.#write(chunk)
  }

  async commit(entry: Entry): Promise<boolean> {
    if (this.#isOver) return false
    this.#isOver = true
    const { commit, position } = this.#options
    let stored = false
    try {
      stored = await commit.place(entry, await this.#finish(), position)
    } finally {
      this.#options.onOver()
      if (stored) this.#upload?.settle()
      else this.#upload?.abort()
    }
    return stored
  }

  async abort(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#pieces = []
    this.#options.onOver()
    this.#upload?.abort()
  }

  async #write(chunk: Uint8Array): Promise<void> {
    try {
      this.#upload ??= await this.#spill()
      await this.#upload.write(chunk)
    } catch (error) {
      // Given up meanwhile: that is no fault.
      if (this.#isOver) return
      await this.abort()
      throw error
    }
  }

  async #spill(): Promise<BodyUpload> {
    const { context, position, expectedBytes, maxBytes } = this.#options
    const pieces = this.#pieces
    this.#pieces = []
    const isKnown = expectedBytes !== undefined && expectedBytes <= maxBytes
    const upload = new BodyUpload(context, position.key, isKnown ? expectedBytes : undefined)
    this.#upload = upload
    for (const piece of pieces) await upload.write(piece)
    return upload
  }

  async #finish() {
    const byteLength = this.#byteLength
    if (this.#upload !== undefined) {
      await this.#upload.finish()
      return { kind: 'object', id: this.#upload.id, byteLength } as const
    }
    const bytes = this.#pieces.length === 1 ? this.#pieces[0] : undefined
    return { kind: 'inline', bytes: bytes ?? Buffer.concat(this.#pieces) } as const
  }
}

/** A larger body may break off, and is then kept as far as it came: its length is not announced. Bytes. */
const MAX_ANNOUNCED_BYTES = 8_388_608

/** The length of the body that is to come, where it is known: that of a part, or the Content-Length, where there is exactly
 * one. Bytes. */
export function expectedBytesOf(entry: Entry): number | undefined {
  if (entry.method === 'HEAD') return undefined
  if (entry.completeLength !== undefined) return storedBytes(entry)
  const lengths = entry.lines.filter(([name]) => name.toLowerCase() === 'content-length')
  const [, digits = ''] = lengths.length === 1 ? (lengths[0] ?? []) : []
  if (!/^\d{1,15}$/.test(digits) || Number(digits) > MAX_ANNOUNCED_BYTES) return undefined
  return Number(digits)
}
