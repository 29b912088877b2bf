import type { Buffer } from 'node:buffer'
import type { StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler, ResponseHead } from '../undici/downstream-handler.ts'
import { Backpressure, type BackpressureOptions, type BackpressureOwner } from './backpressure.ts'
import { DeliveryQueue, type DeliveryQueueOwner } from './delivery-queue.ts'
import { SharedBody } from './shared-body.ts'
import { type Link, Subscriber, type SubscriberEvents } from './subscriber.ts'

export interface BroadcastOptions extends BackpressureOptions {
  /** A subscriber has aborted before the end. It is told so after this. */
  onLeft(reason: Error): void
}

/** Delivers one response to several subscribers while it is received, to each at its own pace. The chunks are kept in one
 * list, in which each subscriber has its place, until all have been given them. */
export class Broadcast implements SubscriberEvents, BackpressureOwner, DeliveryQueueOwner {
  readonly subscribers = new Set<Subscriber>()
  readonly #options: BroadcastOptions
  readonly #body = new SharedBody()
  readonly #queue: DeliveryQueue
  readonly #backpressure: Backpressure
  #hasJoined = false
  #trailers: ResponseHead | undefined
  #failure: Error | undefined
  /** Waiting requests are being told of the response, and join one after the other. */
  #isAdmitting = false

  constructor(options: BroadcastOptions) {
    this.#options = options
    this.#queue = new DeliveryQueue(this)
    this.#backpressure = new Backpressure(options, this, this.#body)
  }

  get isEmpty(): boolean {
    return this.subscribers.size === 0
  }

  get receivedBytes(): number {
    return this.#body.receivedBytes
  }

  /** Whether others can join. */
  get isOpen(): boolean {
    return this.#body.first !== undefined
  }

  /** Keeps the beginning of the content, so that others may join. */
  keepPrefix(): void {
    this.#body.keepPrefix()
  }

  /** Holds back the connection while waiting requests join. */
  setAdmitting(isAdmitting: boolean): void {
    this.#isAdmitting = isAdmitting
  }

  /** Adds the first subscriber, before anything is received. */
  begin(client: DownstreamHandler): void {
    this.#queue.addIdle(this.#add(client, undefined, this.#body.last))
    this.#backpressure.update()
  }

  /** Adds another subscriber, from the first byte on; `greet` delivers the header section. False: it is too late. */
  join(client: DownstreamHandler, own: StandaloneRequest, greet: () => void): boolean {
    const { first } = this.#body
    if (first === undefined) return false
    this.#hasJoined = true
    const subscriber = this.#add(client, own, first)
    try {
      greet()
      this.serve(subscriber)
    } catch (error) {
      subscriber.abort(error as Error)
    }
    this.#backpressure.updateSoon()
    return true
  }

  /** The demand has changed. */
  reconsider(): void {
    this.#backpressure.reconsider()
  }

  receive(chunk: Buffer): void {
    const body = this.#body
    body.count(chunk, this.#hasJoined)
    const { idle } = this.#queue
    if (idle !== undefined && this.subscribers.size === 1 && !this.isOpen && idle.takesMore) {
      idle.deliver(chunk)
      return
    }
    if (this.subscribers.size === 0 && !this.isOpen) return
    // The copy comes first: a subscriber may write into the chunk that it is given.
    body.append(chunk)
    const first = this.#queue.wake()
    if (first?.takesMore && first.cursor.next === body.last) {
      first.cursor = body.last
      first.deliver(chunk)
    }
    this.#queue.run()
  }

  end(trailers: ResponseHead): void {
    this.#trailers = trailers
    this.#finish()
    this.#queue.wake()
    this.#queue.run()
  }

  fail(error: Error): void {
    this.#failure = error
    this.#finish()
    this.#queue.reset(this.subscribers)
    this.#queue.run()
  }

  /** Ends the broadcast, and gives each subscriber to `take`. */
  handOver(take: (subscriber: Subscriber) => void): void {
    this.#finish()
    const subscribers = [...this.subscribers]
    this.subscribers.clear()
    for (const subscriber of subscribers) {
      subscriber.isGone = true
      take(subscriber)
    }
  }

  // SubscriberEvents

  paused(subscriber: Subscriber): void {
    if (this.subscribers.has(subscriber)) this.#backpressure.paused(subscriber)
  }

  resumed(subscriber: Subscriber): void {
    this.#backpressure.resumed()
    if (!subscriber.isListed) this.serve(subscriber)
    this.#backpressure.served(subscriber)
  }

  left(subscriber: Subscriber, reason: Error): void {
    const isSubscribed = this.subscribers.has(subscriber)
    this.remove(subscriber)
    if (isSubscribed) this.#options.onLeft(reason)
    subscriber.client.fail(reason)
    this.#backpressure.updateSoon()
  }

  // BackpressureOwner

  get isBusy(): boolean {
    return this.#isAdmitting || this.#queue.isBusy
  }

  remove(subscriber: Subscriber): void {
    if (this.subscribers.delete(subscriber)) this.#backpressure.removed(subscriber)
  }

  // DeliveryQueueOwner

  serve(subscriber: Subscriber): void {
    if (subscriber.isServed) return
    subscriber.isServed = true
    const hasAll = this.#failure === undefined && subscriber.serve()
    subscriber.isServed = false
    if (!this.subscribers.has(subscriber)) return
    if (this.#failure !== undefined) {
      this.remove(subscriber)
      subscriber.client.fail(this.#failure)
    } else if (hasAll && this.#trailers !== undefined) {
      this.remove(subscriber)
      subscriber.client.end(this.#trailers)
    } else if (hasAll) {
      this.#queue.addIdle(subscriber)
    }
  }

  queueRan(): void {
    this.#backpressure.update()
  }

  #add(client: DownstreamHandler, own: StandaloneRequest | undefined, cursor: Link): Subscriber {
    const subscriber = new Subscriber(client, own, cursor, this)
    client.attach(subscriber)
    this.subscribers.add(subscriber)
    this.#backpressure.added(subscriber)
    return subscriber
  }

  #finish(): void {
    this.#body.dropPrefix()
    this.#backpressure.stop()
  }
}
