import type { ByteRange, Entry } from '../../lib/rfc9111/types.ts'
import { sliceBlocks } from '../shared/body-range.ts'
import type { Body, MaybePromise, Stored } from '../store.ts'
import { type BodySource, openChunks } from './body-reader.ts'

/** A stored response, with its body or the place of it. */
export class StoredInRedis implements Stored {
  readonly entry: Entry
  readonly #body: Uint8Array | undefined
  readonly #chunks: BodySource | undefined

  constructor(entry: Entry, body: Uint8Array | undefined, chunks: BodySource | undefined) {
    this.entry = entry
    this.#body = body
    this.#chunks = chunks
  }

  open(range?: ByteRange): MaybePromise<Body | undefined> {
    if (this.#chunks === undefined) {
      return range === undefined || this.#body === undefined ? this.#body : sliceBlocks([this.#body], range)
    }
    const { byteLength } = this.#chunks
    const { start, end } = range ?? { start: 0, end: byteLength }
    if (end > byteLength) return undefined
    return start < end ? openChunks(this.#chunks, { start, end }) : new Uint8Array()
  }
}
