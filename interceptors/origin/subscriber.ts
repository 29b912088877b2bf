import { Buffer } from 'node:buffer'
import type { StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler, ResponseSource } from '../undici/downstream-handler.ts'

/** A chunk of a body, linked with the next one. */
export interface Link {
  readonly bytes: Uint8Array
  /** The weight of all chunks up to the end of this one. */
  readonly weight: number
  next: Link | undefined
}

/** The weight of a chunk beside its bytes. */
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

/** Whoever a subscriber reports to. */
export interface SubscriberEvents {
  paused(subscriber: Subscriber): void
  resumed(subscriber: Subscriber): void
  left(subscriber: Subscriber, reason: Error): void
}

/** A client that is delivered a response while it is received. */
export class Subscriber implements ResponseSource {
  readonly client: DownstreamHandler
  /** undefined: the request of the exchange. */
  readonly own: StandaloneRequest | undefined
  /** The last chunk that was delivered. */
  cursor: Link
  deliveredBytes = 0
  /** Whether it is in a list of the delivery queue. */
  isListed = false
  /** Nothing more is delivered from here. */
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

  /** Delivers copies of the chunks that are there, while the client takes them. True: all are delivered, and it takes more. */
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
