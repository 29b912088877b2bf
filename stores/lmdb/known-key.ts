import { Buffer } from 'node:buffer'
import type { ByteRange, CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { sliceBlocks } from '../body-range.ts'
import type { Body, Lookup, Stored } from '../store.ts'
import type { RecordHead } from './record-bytes.ts'

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
}

/** What reads the chunks of a body. */
export type OpenChunks = (stored: StoredInLmdb, range: ByteRange) => AsyncIterable<Uint8Array>

/** A stored response, decoded. */
export class StoredInLmdb implements Stored {
  readonly entry: Entry
  readonly head: RecordHead
  readonly name: Uint8Array
  /** When it was last noted as used. */
  usedAtMs = 0
  readonly #body: Uint8Array | undefined
  readonly #openChunks: OpenChunks

  constructor(entry: Entry, head: RecordHead, name: Uint8Array, body: Uint8Array | undefined, openChunks: OpenChunks) {
    this.entry = entry
    this.head = head
    this.name = name
    this.#body = body
    this.#openChunks = openChunks
  }

  /** Of the body that is kept here. */
  get bodyBytes(): number {
    return this.#body?.byteLength ?? 0
  }

  open(range?: ByteRange): Body | undefined {
    if (this.#body !== undefined) return range === undefined ? this.#body : sliceBlocks([this.#body], range)
    const { body } = this.head
    if (body === undefined) return undefined
    const { byteLength } = body
    if (range !== undefined && range.end > byteLength) return undefined
    return this.#openChunks(this, range ?? { start: 0, end: byteLength })
  }

  /** Chunks have been copied out of the map, what is kept here is. */
  take(range?: ByteRange): Body | undefined {
    const body = this.open(range)
    if (body instanceof Uint8Array) return Buffer.from(body)
    return Array.isArray(body) ? body.map(piece => Buffer.from(piece)) : body
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
