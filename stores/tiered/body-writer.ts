import type { Entry } from '../../lib/rfc9111/types.ts'
import type { BodyWriter } from '../store.ts'

export interface WriterEvents {
  stored(entry: Entry): void
  /** Called where the lower tier has stored the response, and the upper one has not. */
  missingAbove(entry: Entry): Promise<unknown>
}

/** Writes a response to both tiers. The lower one decides whether it is stored. */
export class WriteThroughWriter implements BodyWriter {
  #upper: BodyWriter | undefined
  readonly #lower: BodyWriter
  readonly #events: WriterEvents

  constructor(upper: BodyWriter | undefined, lower: BodyWriter, events: WriterEvents) {
    this.#upper = upper
    this.#lower = lower
    this.#events = events
  }

  async write(chunk: Uint8Array): Promise<void> {
    const copy = this.#upper === undefined ? chunk : new Uint8Array(chunk)
    await Promise.all([this.#forUpper(writer => writer.write(copy)), this.#lower.write(chunk)])
  }

  async commit(entry: Entry): Promise<boolean> {
    let isStored: boolean
    try {
      isStored = await this.#lower.commit(entry)
    } catch (error) {
      await this.#abortUpper()
      throw error
    }
    if (!isStored) {
      await this.#abortUpper()
      return false
    }
    this.#events.stored(entry)
    let isAbove = false
    await this.#forUpper(async writer => {
      isAbove = await writer.commit(entry)
    })
    // The upper tier may still hold an older response.
    if (!isAbove) await this.#events.missingAbove(entry)
    return true
  }

  async abort(): Promise<void> {
    await Promise.all([this.#abortUpper(), this.#lower.abort()])
  }

  async #forUpper(call: (writer: BodyWriter) => unknown): Promise<void> {
    if (this.#upper === undefined) return
    try {
      await call(this.#upper)
    } catch {
      await this.#abortUpper()
    }
  }

  async #abortUpper(): Promise<void> {
    const upper = this.#upper
    this.#upper = undefined
    try {
      await upper?.abort()
    } catch {
      // Nothing that was not committed can be found.
    }
  }
}
