import type { ByteRange, Entry } from '../../lib/rfc9111/types.ts'
import { attempt, succeeds } from '../shared/attempt.ts'
import { removeEntry } from '../shared/remove-entry.ts'
import type { Body, BodyWriter, CacheStore, MaybePromise, Position, Stored } from '../store.ts'
import type { Copies, Copying } from './copies.ts'

/** A response of the lower tier, which is copied into the upper one as it is read as a whole. */
export class Promoted implements Stored {
  readonly entry: Entry
  readonly #stored: Stored
  readonly #upper: CacheStore
  readonly #asOf: Position
  readonly #isRemoved: () => boolean
  readonly #copies: Copies

  /** `asOf`: where the upper tier stood before the lower one was asked. `isRemoved`: whether it was removed since. */
  constructor(stored: Stored, upper: CacheStore, asOf: Position, isRemoved: () => boolean, copies: Copies) {
    this.entry = stored.entry
    this.#stored = stored
    this.#upper = upper
    this.#asOf = asOf
    this.#isRemoved = isRemoved
    this.#copies = copies
  }

  async open(range?: ByteRange): Promise<Body | undefined> {
    const body = await this.#stored.open(range)
    if (body === undefined || range !== undefined || !this.#fits()) return body
    // A fault of the upper tier does not hinder the body of the lower one.
    const writer = await attempt(() => this.#upper.put(this.entry, { asOf: this.#asOf }))
    if (writer === undefined) return body
    const copy = new Copy(writer, this.entry, { upper: this.#upper, isRemoved: this.#isRemoved, copies: this.#copies })
    if (Symbol.asyncIterator in body) return new CopiedBody(body, copy)
    for (const chunk of [body].flat()) await copy.write(chunk)
    await copy.commit()
    return body
  }

  #fits(): boolean {
    return (this.entry.completeLength ?? Infinity) <= (this.#upper.maxEntrySizeBytes ?? Infinity)
  }
}

interface CopyContext {
  readonly upper: CacheStore
  /** Whether the response was removed since it was looked up. */
  readonly isRemoved: () => boolean
  readonly copies: Copies
}

/** A copy for the upper tier; a fault ends the copy, and nothing else. */
class Copy implements Copying {
  #writer: BodyWriter | undefined
  readonly #entry: Entry
  readonly #context: CopyContext
  #committing: Promise<void> | undefined

  constructor(writer: BodyWriter, entry: Entry, context: CopyContext) {
    this.#writer = writer
    this.#entry = entry
    this.#context = context
    context.copies.add(this)
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#attempt(writer => writer.write(new Uint8Array(chunk)))
  }

  commit(): Promise<void> {
    this.#committing = this.#commit()
    return this.#committing
  }

  async abort(): Promise<void> {
    const writer = this.#writer
    this.#writer = undefined
    await attempt(() => writer?.abort())
    this.#context.copies.delete(this)
  }

  close(): Promise<void> {
    return this.#committing ?? this.abort()
  }

  async #commit(): Promise<void> {
    const { upper, isRemoved, copies } = this.#context
    if (isRemoved()) return this.abort()
    await this.#attempt(writer => writer.commit(this.#entry))
    this.#writer = undefined
    // It may have been removed while it was being committed.
    if (isRemoved()) await attempt(() => removeEntry(upper, this.#entry))
    copies.delete(this)
  }

  async #attempt(call: (writer: BodyWriter) => MaybePromise<unknown>): Promise<void> {
    const writer = this.#writer
    if (writer === undefined) return
    if (!(await succeeds(() => call(writer)))) await this.abort()
  }
}

/** A body that is copied as it is read; the copy is stored once it was read to its end. */
class CopiedBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #copy: Copy

  constructor(body: AsyncIterable<Uint8Array>, copy: Copy) {
    this.#iterator = body[Symbol.asyncIterator]()
    this.#copy = copy
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    try {
      const next = await this.#iterator.next()
      if (next.done) await this.#copy.commit()
      else await this.#copy.write(next.value)
      return next
    } catch (error) {
      await this.#copy.abort()
      throw error
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    await this.#copy.abort()
    await this.#iterator.return?.()
    return { done: true, value: undefined }
  }
}
