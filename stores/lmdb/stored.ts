import type { ByteRange, Entry } from '../../lib/rfc9111/types.ts'
import { sliceBlocks } from '../shared/body-range.ts'
import type { ChunkedBody } from '../shared/chunked-body.ts'
import type { Body, Stored } from '../store.ts'
import type { RecordHead } from './record-layout.ts'

/** Reads the chunks of a body. */
export type OpenChunks = (stored: StoredInChunks, range: ByteRange) => AsyncIterable<Uint8Array>

/** A stored response, decoded. */
export abstract class StoredInLmdb implements Stored {
  readonly entry: Entry
  readonly head: RecordHead
  readonly name: Uint8Array
  /** Of the body that is kept here. */
  abstract readonly bodyBytes: number
  /** When it was last noted as used. */
  usedAtMs = 0

  constructor(entry: Entry, head: RecordHead, name: Uint8Array) {
    this.entry = entry
    this.head = head
    this.name = name
  }

  abstract open(range?: ByteRange): Body | undefined
}

/** One whose body is in the record, and is kept with it. */
export class StoredInRecord extends StoredInLmdb {
  readonly #body: Uint8Array

  constructor(entry: Entry, head: RecordHead, name: Uint8Array, body: Uint8Array) {
    super(entry, head, name)
    this.#body = body
  }

  get bodyBytes(): number {
    return this.#body.byteLength
  }

  open(range?: ByteRange): Body | undefined {
    return range === undefined ? this.#body : sliceBlocks([this.#body], range)
  }
}

/** One whose body is stored in chunks of its own, which are copied out of the map as they are read. */
export class StoredInChunks extends StoredInLmdb {
  readonly chunks: ChunkedBody<Uint8Array>
  readonly bodyBytes = 0
  readonly #open: OpenChunks

  constructor(entry: Entry, head: RecordHead, name: Uint8Array, chunks: ChunkedBody<Uint8Array>, open: OpenChunks) {
    super(entry, head, name)
    this.chunks = chunks
    this.#open = open
  }

  open(range?: ByteRange): Body | undefined {
    const { byteLength } = this.chunks
    if (range !== undefined && range.end > byteLength) return undefined
    return this.#open(this, range ?? { start: 0, end: byteLength })
  }

  take(range?: ByteRange): Body | undefined {
    return this.open(range)
  }
}
