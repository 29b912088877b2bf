import type { ByteRange, CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { sliceBlocks } from '../body-range.ts'
import type { Body, Lookup, Stored } from '../store.ts'
import type { ChunkedBody, RecordHead } from './record-layout.ts'

/** What has been read of a cache key, and is kept for as long as nobody changes it. */
export interface KnownKey {
  readonly key: CacheKey
  readonly rowName: Uint8Array
  readonly lists: readonly (readonly string[])[]
  readonly stamp: number
  /** The change that it was last found to be true after. */
  changes: number
  /** The position of the deletions that it was last checked against. */
  position: number
  readonly variants: Map<VariantKey, StoredInLmdb>
  byteLength: number
  /** When it was last moved to the front of what is kept. */
  usedAtMs: number
}

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

/** One whose body is in chunks of its own, which are copied out of the map as they are read. */
export class StoredInChunks extends StoredInLmdb {
  readonly chunks: ChunkedBody
  readonly bodyBytes = 0
  readonly #open: OpenChunks

  constructor(entry: Entry, head: RecordHead, name: Uint8Array, chunks: ChunkedBody, open: OpenChunks) {
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

/** Who can tell what a lookup was not about. */
export interface LookupSource {
  position(): number
  hasOthers(known: KnownKey, found: readonly StoredInLmdb[]): boolean
}

export class LookupInLmdb implements Lookup {
  readonly stored: readonly StoredInLmdb[]
  readonly #source: LookupSource
  readonly #known: KnownKey | undefined

  constructor(stored: readonly StoredInLmdb[], source: LookupSource, known: KnownKey | undefined) {
    this.stored = stored
    this.#source = source
    this.#known = known
  }

  get otherVariants(): boolean {
    return this.#known !== undefined && this.#source.hasOthers(this.#known, this.stored)
  }

  asOf(): number {
    return this.#source.position()
  }
}
