import type { Buffer } from 'node:buffer'
import { createHash, type Hash } from 'node:crypto'
import { firstLink, type Link, linkAfter } from './subscriber.ts'

/** What a slow subscriber goes on with. */
export interface SharedPrefix {
  /** Bytes to deliver before the rest; subscribers share them. */
  readonly chunks: readonly Uint8Array[]
  /** How many bytes there are before the rest. */
  readonly byteLength: number
  /** The SHA-256 of those bytes, to be copied before it is continued; undefined: not known. */
  readonly hash: Hash | undefined
}

/** How much of a body's beginning is kept for later subscribers. */
const MAX_PREFIX_BYTES = 65_536

export const NOTHING: SharedPrefix = { chunks: [], byteLength: 0, hash: undefined }

/** The body that subscribers share: one list of chunks, each kept while a subscriber has its place before it, and the hash of
 * everything that was received. */
export class SharedBody {
  /** The place before the chunks that are kept for later subscribers. */
  #first: Link | undefined
  #last = firstLink()
  #receivedBytes = 0
  #hash: Hash | undefined
  /** The last copy of the hash. */
  #hashed: Pick<SharedPrefix, 'byteLength' | 'hash'> = NOTHING

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  get first(): Link | undefined {
    return this.#first
  }

  get last(): Link {
    return this.#last
  }

  /** Whether the hash of the bytes received so far is known. */
  get isKnown(): boolean {
    return this.#hash !== undefined || this.#first !== undefined
  }

  keepPrefix(): void {
    this.#first = this.#last
  }

  dropPrefix(): void {
    this.#first = undefined
  }

  /** Counts a chunk. `isShared`: the hash may be asked for after the beginning has been dropped. */
  count(chunk: Buffer, isShared: boolean): void {
    this.#receivedBytes += chunk.byteLength
    if (this.#receivedBytes > MAX_PREFIX_BYTES && this.#first !== undefined) {
      if (isShared) this.#beginHash()
      this.#first = undefined
    }
    this.#hash?.update(chunk)
  }

  /** Keeps a copy of a chunk that has been counted. */
  append(chunk: Buffer): void {
    this.#last = linkAfter(this.#last, new Uint8Array(chunk))
  }

  /** Returns what follows a subscriber's place; `known` has what is kept for others, by their places. */
  prefixAfter(link: Link, known: Map<Link, readonly Uint8Array[]>): SharedPrefix {
    const chunks = known.get(link) ?? chunksAfter(link)
    known.set(link, chunks)
    return { chunks, byteLength: this.#receivedBytes, hash: this.#hashSoFar() }
  }

  #beginHash(): void {
    this.#hash = createHash('sha256')
    for (let link = this.#first?.next; link !== undefined; link = link.next) this.#hash.update(link.bytes)
  }

  #hashSoFar(): Hash | undefined {
    if (this.#hash === undefined && this.#first !== undefined) this.#beginHash()
    if (this.#hashed.byteLength === this.#receivedBytes) return this.#hashed.hash
    const hash = this.#hash?.copy()
    this.#hashed = { byteLength: this.#receivedBytes, hash }
    return hash
  }
}

function chunksAfter(link: Link): readonly Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let next = link.next; next !== undefined; next = next.next) chunks.push(next.bytes)
  return chunks
}
