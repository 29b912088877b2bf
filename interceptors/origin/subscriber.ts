import { Buffer } from 'node:buffer'
import type { StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler, ResponseSource } from '../undici/downstream-handler.ts'

/** A chunk that several get, in the order in which they came. */
export interface Link {
  readonly bytes: Uint8Array
  /** How many chunks and bytes have come up to its end. */
  readonly weight: number
  next: Link | undefined
}

/** What a chunk takes up beside its bytes. */
const CHUNK_WEIGHT = 128

export const NO_BYTES = new Uint8Array(0)

export function firstLink(): Link {
  return { bytes: NO_BYTES, weight: 0, next: undefined }
}

export function linkAfter(link: Link, bytes: Uint8Array): Link {
  const next = { bytes, weight: link.weight + CHUNK_WEIGHT + bytes.byteLength, next: undefined }
  link.next = next
  return next
}

/** Those whom a member belongs to. */
export interface SubscriberEvents {
  paused(subscriber: Subscriber): void
  resumed(subscriber: Subscriber): void
  left(subscriber: Subscriber, reason: Error): void
}

/** One of those who get a response as it comes. */
export class Subscriber implements ResponseSource {
  readonly client: DownstreamHandler
  /** undefined: that of the exchange. */
  readonly own: StandaloneRequest | undefined
  /** The last chunk that it has got. */
  cursor: Link
  deliveredBytes = 0
  /** Whether it is in one of the lists of those who are served by and by. */
  isListed = false
  /** It gets nothing more from here. */
  isGone = false
  isServed = false
  readonly #events: SubscriberEvents

  constructor(client: DownstreamHandler, own: StandaloneRequest | undefined, cursor: Link, events: SubscriberEvents) {
    this.client = client
    this.own = own
    this.cursor = cursor
    this.#events = events
  }

  pause(): void {
    this.#events.paused(this)
  }

  resume(): void {
    this.#events.resumed(this)
  }

  abort(reason: Error): void {
    this.isGone = true
    this.#events.left(this, reason)
  }

  get takesMore(): boolean {
    return !this.client.paused && !this.client.isFinished && !this.isGone
  }

  /** Delivers copies of what there is, as long as it takes more. True: it has all that there is, and takes more. */
  serve(): boolean {
    while (this.takesMore) {
      const { next } = this.cursor
      if (next === undefined) return true
      this.cursor = next
      this.deliver(Buffer.from(next.bytes))
    }
    return false
  }

  /** As in undici, a handler that throws ends its own response. */
  deliver(bytes: Buffer): void {
    this.deliveredBytes += bytes.byteLength
    try {
      this.client.data(bytes)
    } catch (error) {
      this.abort(error as Error)
    }
  }
}
