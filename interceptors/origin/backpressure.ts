import { GracePeriod } from './grace-period.ts'
import { NOTHING, type SharedBody, type SharedPrefix } from './shared-body.ts'
import type { Link, Subscriber } from './subscriber.ts'

/** The connection that a response comes through. */
export interface Upstream {
  pause(): void
  resume(): void
}

/** Who needs the response besides the subscribers of its broadcast. */
export interface BroadcastDemand {
  /** Whether anything else takes part in the response: the store, slow subscribers or waiting requests. */
  readonly isShared: boolean
  /** Whether any of those needs more of the response now. */
  readonly isWanted: boolean
  readonly isBeingStored: boolean
  /** Whether the rest can be requested by Range and If-Range. */
  readonly isResumable: boolean
}

export interface BackpressureOptions {
  readonly upstream: Upstream
  readonly demand: BroadcastDemand
  /** How far a paused subscriber may fall behind what has been received. */
  readonly maxBufferedBytes: number
  /** Takes over a slow subscriber, which has been removed from the broadcast. */
  detach(subscriber: Subscriber, prefix: SharedPrefix): void
  /** A paused subscriber holds up the connection, and cannot get the rest in another way. */
  onStuck(): void
}

/** The broadcast whose connection is paused and resumed. */
export interface BackpressureOwner {
  readonly subscribers: ReadonlySet<Subscriber>
  /** Whether chunks that have been received are still to be delivered. */
  readonly isBusy: boolean
  remove(subscriber: Subscriber): void
}

/** Pauses and resumes the connection of a broadcast. A single subscriber sets its pace; of several, the fastest does. A slow
 * subscriber, which has fallen behind by more than `maxBufferedBytes`, is detached where it can get the rest in another way;
 * otherwise the connection waits for it, for the grace period at most. */
export class Backpressure {
  readonly #options: BackpressureOptions
  readonly #owner: BackpressureOwner
  readonly #body: SharedBody
  /** How many subscribers are not paused. */
  #readers = 0
  /** Slow subscribers that the connection waits for. */
  readonly #late = new Set<Subscriber>()
  /** No subscriber is slow before the last chunk has this weight. */
  #nextLateWeight = Infinity
  readonly #gracePeriod = new GracePeriod(this)
  /** All have been paused for so long that the response continues for the store. */
  #isStoreAhead = false
  #isStuck = false
  #isPaused = false
  #isStopped = false

  constructor(options: BackpressureOptions, owner: BackpressureOwner, body: SharedBody) {
    this.#options = options
    this.#owner = owner
    this.#body = body
  }

  added(subscriber: Subscriber): void {
    if (subscriber.client.paused) this.#noteLimit(subscriber)
    else this.#readers++
  }

  removed(subscriber: Subscriber): void {
    this.#late.delete(subscriber)
    if (!subscriber.client.paused) this.#readers--
  }

  paused(subscriber: Subscriber): void {
    this.#readers--
    this.#noteLimit(subscriber)
    this.update()
  }

  resumed(): void {
    this.#readers++
    this.#isStoreAhead = false
  }

  /** A subscriber that resumed has been given what it takes. */
  served(subscriber: Subscriber): void {
    if (this.#late.has(subscriber) && this.#body.last.weight <= this.#limitOf(subscriber)) this.#late.delete(subscriber)
    this.update()
  }

  /** The demand has changed. */
  reconsider(): void {
    this.#late.clear()
    this.#nextLateWeight = 0
    this.#isStuck = false
    this.updateSoon()
  }

  /** Detaches slow subscribers, then pauses or resumes the connection. */
  update(): void {
    if (this.#isStopped) return
    this.#detachSlow()
    const { demand, upstream } = this.#options
    const isRead = this.#readers > 0 || this.#owner.subscribers.size === 0
    const isWanted = isRead || this.#isStoreAhead || demand.isWanted
    const isHeldUp = this.#late.size > 0
    const isWaitedFor = (isHeldUp || (!isWanted && demand.isBeingStored)) && this.#isShared && !this.#isStuck
    this.#gracePeriod.wait(isWaitedFor, isHeldUp, this.#readers > 0)
    const shouldPause = this.#owner.isBusy || isHeldUp || !isWanted
    if (shouldPause === this.#isPaused) return
    this.#isPaused = shouldPause
    if (shouldPause) upstream.pause()
    else upstream.resume()
  }

  /** Updates in a microtask, for what may happen in a callback of another response: undici does not permit a connection to be
   * resumed while it parses the data of another. */
  updateSoon(): void {
    void Promise.resolve().then(() => this.update())
  }

  /** The connection has ended. */
  stop(): void {
    this.#isStopped = true
    this.#gracePeriod.stop()
  }

  /** The grace period is over. */
  timeOver(): void {
    if (this.#late.size === 0) this.#isStoreAhead = true
    else this.#gracePeriod.spend()
    this.#late.clear()
    this.#nextLateWeight = 0
    this.#detachSlow()
    if (this.#late.size > 0) {
      this.#isStuck = true
      this.#options.onStuck()
    }
    this.update()
  }

  /** A single subscriber for which alone the response comes is never slow. */
  get #isShared(): boolean {
    return this.#owner.subscribers.size > 1 || this.#options.demand.isShared
  }

  /** The weight of the last chunk beyond which the subscriber, if paused, is slow. */
  #limitOf(subscriber: Subscriber): number {
    return subscriber.cursor.weight + this.#options.maxBufferedBytes
  }

  #noteLimit(subscriber: Subscriber): void {
    this.#nextLateWeight = Math.min(this.#nextLateWeight, this.#limitOf(subscriber) + 1)
  }

  #detachSlow(): void {
    const { weight } = this.#body.last
    if (weight < this.#nextLateWeight || !this.#isShared) return
    this.#nextLateWeight = Infinity
    const known = new Map<Link, readonly Uint8Array[]>()
    for (const subscriber of this.#owner.subscribers) {
      if (!subscriber.client.paused) continue
      if (weight <= this.#limitOf(subscriber)) this.#noteLimit(subscriber)
      else if (this.#mayDetach(subscriber)) this.#detach(subscriber, known)
      else this.#late.add(subscriber)
    }
  }

  /** Whether the subscriber can get the rest in another way. A second request for the whole response is made only once the
   * grace period has been spent. */
  #mayDetach({ deliveredBytes }: Subscriber): boolean {
    const { isResumable, isBeingStored } = this.#options.demand
    if (isResumable) return true
    const isKnown = this.#body.isKnown || deliveredBytes === 0
    return isKnown && (isBeingStored || this.#gracePeriod.isSpent)
  }

  /** Subscribers that have stopped at the same chunk share what is kept for them. */
  #detach(subscriber: Subscriber, known: Map<Link, readonly Uint8Array[]>): void {
    this.#owner.remove(subscriber)
    subscriber.isGone = true
    if (subscriber.deliveredBytes === 0) return this.#options.detach(subscriber, NOTHING)
    this.#options.detach(subscriber, this.#body.prefixAfter(subscriber.cursor, known))
  }
}
