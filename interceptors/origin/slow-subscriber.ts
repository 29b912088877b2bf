import { Buffer } from 'node:buffer'
import type { Hash } from 'node:crypto'
import { clearTimeout, setTimeout } from 'node:timers'
import type { StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler, ResponseHead, ResponseSource } from '../undici/downstream-handler.ts'
import type { SharedPrefix } from './shared-body.ts'

export interface SlowSubscriberEvents {
  /** The subscriber has paused or resumed. */
  changedPace(subscriber: SlowSubscriber): void
  /** Everything that was kept for the subscriber has been delivered, and it takes more. */
  wantsRest(subscriber: SlowSubscriber): void
  /** The wait for the rest is over. */
  waitedInVain(subscriber: SlowSubscriber): void
  leftBehind(subscriber: SlowSubscriber): void
}

/** A subscriber that has fallen too far behind the others. When it reads on, it is delivered what was kept for it, and then
 * waits until the rest is available in another way. */
export class SlowSubscriber implements ResponseSource {
  readonly client: DownstreamHandler
  readonly own: StandaloneRequest
  /** How many bytes come before the rest. */
  readonly offset: number
  /** The SHA-256 of those bytes, where it is known. */
  readonly hash: Hash | undefined
  #chunks: readonly Uint8Array[]
  #index = 0
  #isFlushing = false
  #isWaiting = false
  #isReleased = false
  #timer: NodeJS.Timeout | undefined
  readonly #events: SlowSubscriberEvents

  constructor(client: DownstreamHandler, own: StandaloneRequest, prefix: SharedPrefix, events: SlowSubscriberEvents) {
    this.client = client
    this.own = own
    this.offset = prefix.byteLength
    this.hash = prefix.hash
    this.#chunks = prefix.chunks
    this.#events = events
    client.attach(this)
  }

  /** Whether nothing is left to deliver before the rest. */
  get isWaiting(): boolean {
    return this.#isWaiting && !this.#isReleased && !this.client.paused
  }

  pause(): void {
    clearTimeout(this.#timer)
    this.#events.changedPace(this)
  }

  resume(): void {
    this.#events.changedPace(this)
    this.#flush()
  }

  abort(reason: Error): void {
    this.release()
    this.client.fail(reason)
    this.#events.leftBehind(this)
  }

  waitAtMost(timeoutMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#events.waitedInVain(this), timeoutMs)
  }

  finish(trailers: ResponseHead): void {
    this.release()
    this.client.end(trailers)
  }

  /** Ends the wait; nothing more is delivered from here. */
  release(): void {
    clearTimeout(this.#timer)
    this.#chunks = []
    this.#isReleased = true
  }

  #flush(): void {
    if (this.#isFlushing || this.#isReleased) return
    this.#isFlushing = true
    while (!this.client.paused && !this.#isReleased) {
      const piece = this.#chunks[this.#index++]
      if (piece === undefined) break
      this.#deliver(Buffer.from(piece))
    }
    this.#isFlushing = false
    if (this.client.paused || this.#isReleased) return
    this.#chunks = []
    this.#isWaiting = true
    this.#events.wantsRest(this)
  }

  #deliver(bytes: Buffer): void {
    try {
      this.client.data(bytes)
    } catch (error) {
      this.abort(error as Error)
    }
  }
}
