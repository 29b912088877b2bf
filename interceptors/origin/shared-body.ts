import type { Buffer } from 'node:buffer'
import { createHash, type Hash } from 'node:crypto'
import { firstLink, type Link, linkAfter } from './subscriber.ts'

/** What one that has fallen behind goes on with. */
export interface SharedPrefix {
  /** To be delivered before the rest: bytes that others have as well. */
  readonly chunks: readonly Uint8Array[]
  /** How many bytes there are before the rest. */
  readonly byteLength: number
  /** The SHA-256 of those, to be copied before it is gone on with; undefined: not known. */
  readonly hash: Hash | undefined
}

/** So much of a response's beginning is kept for those who come later. */
const MAX_PREFIX_BYTES = 65_536

export const NOTHING: SharedPrefix = { chunks: [], byteLength: 0, hash: undefined }

/** What has come of a body that several read: one list of chunks, kept as long as one of them has its place in it, and the
 * hash of all that was before. */
export class SharedBody {
  /** What the chunks come after that are kept for those who come later. */
  #first: Link | undefined
  #last = firstLink()
  #receivedBytes = 0
  #hash: Hash | undefined
  /** The last copy that was made of it. */
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

  /** Whether a hash of what has come can be had. */
  get isKnown(): boolean {
    return this.#hash !== undefined || this.#first !== undefined
  }

  keepPrefix(): void {
    this.#first = this.#last
  }

  dropPrefix(): void {
    this.#first = undefined
  }

  /** Counts what comes. `isShared`: its hash may be asked for when the beginning is no longer kept. */
  count(chunk: Buffer, isShared: boolean): void {
    this.#receivedBytes += chunk.byteLength
    if (this.#receivedBytes > MAX_PREFIX_BYTES && this.#first !== undefined) {
      if (isShared) this.#beginHash()
      this.#first = undefined
    }
    this.#hash?.update(chunk)
  }

  /** Keeps a copy of what has been counted. */
  append(chunk: Buffer): void {
    this.#last = linkAfter(this.#last, new Uint8Array(chunk))
  }

  /** For one that has stopped there; `known` has what is kept for others, by their place. */
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
