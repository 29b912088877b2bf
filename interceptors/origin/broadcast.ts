import type { Buffer } from 'node:buffer'
import { soon } from '../../lib/event-loop.ts'
import { Slice } from '../../lib/time-slices.ts'
import type { StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler, ResponseHead } from '../undici/downstream-handler.ts'
import { GracePeriod } from './grace-period.ts'
import { NOTHING, SharedBody, type SharedPrefix } from './shared-body.ts'
import { type Link, Subscriber, type SubscriberEvents } from './subscriber.ts'

/** What the audience asks of the connection that its response comes through. */
export interface Upstream {
  pause(): void
  resume(): void
}

/** What becomes of the response beside its readers here. */
export interface BroadcastDemand {
  /** Whether anybody else has a part in it. */
  readonly isShared: boolean
  /** Whether somebody else waits for it just now. */
  readonly isWanted: boolean
  readonly isBeingStored: boolean
  /** Whether the rest can be asked for by Range and If-Range. */
  readonly isResumable: boolean
}

export interface BroadcastOptions {
  readonly upstream: Upstream
  readonly demand: BroadcastDemand
  /** How far one may fall behind. */
  readonly maxBufferedBytes: number
  /** Takes over one that has fallen behind. */
  detach(subscriber: Subscriber, prefix: SharedPrefix): void
  /** One that sets the pace is paused, and could not have the rest in another way: others wait in vain. */
  onStuck(): void
  /** One has left before the end, and is told so after this. */
  onLeft(reason: Error): void
}

/** Those who get one response as it comes, each at its own pace. One alone sets that of the connection; of several, the
 * fastest does. Who falls further behind than is buffered is left behind, to have the rest in another way. What is kept for
 * all of them is one list of chunks, in which each has its place. */
export class Broadcast implements SubscriberEvents {
  readonly #options: BroadcastOptions
  readonly #subscribers = new Set<Subscriber>()
  /** How many of them are not paused. */
  #readers = 0
  /** Have all that has come. */
  #idle: Subscriber[] = []
  /** Are to be served, from that index on. */
  #waiting: Subscriber[] = []
  #served = 0
  #isServing = false
  readonly #body = new SharedBody()
  #hasJoined = false
  #trailers: ResponseHead | undefined
  #failure: Error | undefined
  #isOver = false
  /** Others are being let in: what comes has to wait for them. */
  #isOpening = false
  /** Have fallen too far behind, and are waited for. */
  readonly #late = new Set<Subscriber>()
  /** Nobody is too far behind before so much has come. */
  #nextLateWeight = Infinity
  readonly #gracePeriod = new GracePeriod(this)
  /** All have been paused for so long that the store goes on alone. */
  #isStoreAhead = false
  #isStuck = false
  #isPaused = false

  constructor(options: BroadcastOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#subscribers.size === 0
  }

  get receivedBytes(): number {
    return this.#body.receivedBytes
  }

  /** Whether others can join. */
  get isOpen(): boolean {
    return this.#body.first !== undefined
  }

  /** Keeps the beginning of what comes: others may join. */
  keepPrefix(): void {
    this.#body.keepPrefix()
  }

  /** Until they are in, nothing more is to come. */
  letIn(isOpening: boolean): void {
    this.#isOpening = isOpening
  }

  /** The first of them, for whom nothing has come yet. */
  begin(client: DownstreamHandler): void {
    this.#list(this.#add(client, undefined, this.#body.last))
    this.#pace()
  }

  /** Another, from the first byte on; `greet` delivers the header section. False: it is too late. */
  join(client: DownstreamHandler, own: StandaloneRequest, greet: () => void): boolean {
    const { first } = this.#body
    if (first === undefined) return false
    this.#hasJoined = true
    const subscriber = this.#add(client, own, first)
    try {
      greet()
      this.#serve(subscriber)
    } catch (error) {
      subscriber.abort(error as Error)
    }
    this.#paceSoon()
    return true
  }

  /** What is wanted elsewhere has changed, or what can be had there. */
  reconsider(): void {
    this.#late.clear()
    this.#nextLateWeight = 0
    this.#isStuck = false
    this.#paceSoon()
  }

  receive(chunk: Buffer): void {
    const body = this.#body
    body.count(chunk, this.#hasJoined)
    const [only] = this.#idle
    if (only !== undefined && this.#subscribers.size === 1 && !this.isOpen && only.takesMore) {
      only.deliver(chunk)
      return
    }
    if (this.#subscribers.size === 0 && !this.isOpen) return
    // Made before anybody is given the chunk, and might write into it.
    body.append(chunk)
    const isFirstInLine = !this.#isServing && this.#waiting.length === 0
    this.#serveAll()
    const first = isFirstInLine ? this.#waiting[0] : undefined
    if (first?.takesMore && first.cursor.next === body.last) {
      first.cursor = body.last
      first.deliver(chunk)
    }
    this.#goOn()
  }

  end(trailers: ResponseHead): void {
    this.#trailers = trailers
    this.#finish()
    this.#serveAll()
    this.#goOn()
  }

  fail(error: Error): void {
    this.#failure = error
    this.#finish()
    this.#idle = []
    this.#waiting = [...this.#subscribers]
    this.#served = 0
    this.#goOn()
  }

  /** Has each get the rest in another way, after so many bytes. */
  handOver(take: (subscriber: Subscriber) => void): void {
    this.#finish()
    const subscribers = [...this.#subscribers]
    this.#subscribers.clear()
    for (const subscriber of subscribers) {
      subscriber.isGone = true
      take(subscriber)
    }
  }

  // Membership

  paused(subscriber: Subscriber): void {
    if (!this.#subscribers.has(subscriber)) return
    this.#readers--
    this.#nextLateWeight = Math.min(this.#nextLateWeight, this.#latestWeight(subscriber) + 1)
    this.#pace()
  }

  resumed(subscriber: Subscriber): void {
    this.#readers++
    this.#isStoreAhead = false
    if (!subscriber.isListed) this.#serve(subscriber)
    if (this.#late.has(subscriber) && this.#body.last.weight <= this.#latestWeight(subscriber))
      this.#late.delete(subscriber)
    this.#pace()
  }

  left(subscriber: Subscriber, reason: Error): void {
    if (this.#remove(subscriber)) this.#options.onLeft(reason)
    subscriber.client.fail(reason)
    this.#paceSoon()
  }

  #add(client: DownstreamHandler, own: StandaloneRequest | undefined, cursor: Link): Subscriber {
    const subscriber = new Subscriber(client, own, cursor, this)
    client.attach(subscriber)
    this.#subscribers.add(subscriber)
    if (client.paused) this.#nextLateWeight = Math.min(this.#nextLateWeight, this.#latestWeight(subscriber) + 1)
    else this.#readers++
    return subscriber
  }

  #remove(subscriber: Subscriber): boolean {
    if (!this.#subscribers.delete(subscriber)) return false
    this.#late.delete(subscriber)
    if (!subscriber.client.paused) this.#readers--
    return true
  }

  /** Delivers what there is to one. */
  #serve(subscriber: Subscriber): void {
    if (subscriber.isServed) return
    subscriber.isServed = true
    const hasAll = this.#failure === undefined && subscriber.serve()
    subscriber.isServed = false
    if (!this.#subscribers.has(subscriber)) return
    if (this.#failure !== undefined) {
      this.#remove(subscriber)
      subscriber.client.fail(this.#failure)
    } else if (hasAll && this.#trailers !== undefined) {
      this.#remove(subscriber)
      subscriber.client.end(this.#trailers)
    } else if (hasAll) {
      this.#list(subscriber)
    }
  }

  #list(subscriber: Subscriber): void {
    if (subscriber.isListed) return
    subscriber.isListed = true
    this.#idle.push(subscriber)
  }

  /** Has all who have had everything so far served again. */
  #serveAll(): void {
    if (this.#waiting.length === 0) this.#waiting = this.#idle
    else for (const subscriber of this.#idle) this.#waiting.push(subscriber)
    this.#idle = []
  }

  /** Serves those whose turn it is, the rest of them in later turns of the event loop. */
  #goOn(): void {
    if (this.#isServing) return
    this.#isServing = true
    const slice = new Slice()
    while (this.#served < this.#waiting.length && !slice.isOver) {
      const subscriber = this.#waiting[this.#served++] as Subscriber
      subscriber.isListed = false
      this.#serve(subscriber)
    }
    this.#isServing = false
    if (this.#served < this.#waiting.length) {
      soon(() => this.#goOn())
    } else {
      this.#waiting = []
      this.#served = 0
    }
    this.#pace()
  }

  #finish(): void {
    this.#isOver = true
    this.#body.dropBeginning()
    this.#gracePeriod.stop()
  }

  /** Alone, nobody is too far behind. */
  get #isShared(): boolean {
    return this.#subscribers.size > 1 || this.#options.demand.isShared
  }

  #latestWeight(subscriber: Subscriber): number {
    return subscriber.cursor.weight + this.#options.maxBufferedBytes
  }

  /** Leaves those behind who have fallen too far behind, or notes that they are waited for. */
  #detach(): void {
    if (this.#body.last.weight < this.#nextLateWeight || !this.#isShared) return
    this.#nextLateWeight = Infinity
    const known = new Map<Link, readonly Uint8Array[]>()
    for (const subscriber of this.#subscribers) {
      if (!subscriber.client.paused) continue
      const latestWeight = this.#latestWeight(subscriber)
      if (this.#body.last.weight <= latestWeight)
        this.#nextLateWeight = Math.min(this.#nextLateWeight, latestWeight + 1)
      else if (this.#mayBeLeft(subscriber)) this.#leave(subscriber, known)
      else this.#late.add(subscriber)
    }
  }

  /** Whether it can have the rest in another way, which is to be taken: a second request for the whole only after a while. */
  #mayBeLeft({ deliveredBytes }: Subscriber): boolean {
    const { isResumable, isBeingStored } = this.#options.demand
    if (isResumable) return true
    const isKnown = this.#body.isKnown || deliveredBytes === 0
    return isKnown && (isBeingStored || this.#gracePeriod.isSpent)
  }

  /** Those who have stopped at the same place share what is kept for them. */
  #leave(subscriber: Subscriber, known: Map<Link, readonly Uint8Array[]>): void {
    this.#remove(subscriber)
    subscriber.isGone = true
    if (subscriber.deliveredBytes === 0) return this.#options.detach(subscriber, NOTHING)
    this.#options.detach(subscriber, this.#body.beginningAfter(subscriber.cursor, known))
  }

  #pace(): void {
    if (this.#isOver) return
    this.#detach()
    const { demand, upstream } = this.#options
    const isRead = this.#readers > 0 || this.#subscribers.size === 0
    const isWanted = isRead || this.#isStoreAhead || demand.isWanted
    const isHeldUp = this.#late.size > 0
    const isWaitedFor = (isHeldUp || (!isWanted && demand.isBeingStored)) && this.#isShared && !this.#isStuck
    this.#gracePeriod.wait(isWaitedFor, isHeldUp, this.#readers > 0)
    const isBusy = this.#isOpening || this.#waiting.length > 0
    const shouldPause = isBusy || isHeldUp || !isWanted
    if (shouldPause === this.#isPaused) return
    this.#isPaused = shouldPause
    if (shouldPause) upstream.pause()
    else upstream.resume()
  }

  /** For what may happen in a callback of another response: undici bears no connection to be resumed while it parses what
   * comes by another. */
  #paceSoon(): void {
    void Promise.resolve().then(() => this.#pace())
  }

  /** Those who are paused have been waited for as long as they may be. */
  timeOver(): void {
    if (this.#late.size === 0) this.#isStoreAhead = true
    else this.#gracePeriod.spend()
    this.#late.clear()
    this.#nextLateWeight = 0
    this.#detach()
    if (this.#late.size > 0) {
      this.#isStuck = true
      this.#options.onStuck()
    }
    this.#pace()
  }
}
