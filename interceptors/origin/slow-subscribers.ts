import type { Entry, FieldLines } from '../../lib/rfc9111/types.ts'
import { forEachInSlices } from '../../lib/time-slices.ts'
import { type Reader, ResumedBody } from '../replay/resumed-body.ts'
import type { StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler } from '../undici/downstream-handler.ts'
import { trailersHead } from '../undici/lines-head.ts'
import type { OriginServices } from './origin-services.ts'
import type { SharedPrefix } from './shared-body.ts'
import { SlowSubscriber, type SlowSubscriberEvents } from './slow-subscriber.ts'

export interface SlowSubscribersOptions {
  readonly services: Pick<OriginServices, 'bodies' | 'settings'>
  /** The response whose header section was delivered to each. */
  readonly entry: Entry
  /** The entry that is being stored; undefined: none is. */
  readonly recorded: Entry | undefined
  /** Called when the first of them waits for the response, or the last no longer does. */
  changed(): void
}

/** The subscribers that have fallen behind. Each reads the rest when it reads on: from the store, once that has the response,
 * otherwise from the origin. */
export class SlowSubscribers implements SlowSubscriberEvents {
  readonly #options: SlowSubscribersOptions
  /** Those that wait until it is known whether the response is stored. */
  readonly #waiting = new Set<SlowSubscriber>()
  /** How many of them are not paused. */
  #reading = 0
  #place: 'store' | 'origin' | undefined
  #byteLength: number | undefined
  #trailers: FieldLines = []

  constructor(options: SlowSubscribersOptions) {
    this.#options = options
    if (options.recorded === undefined) this.#place = 'origin'
  }

  /** Whether the response is still received for any of them. */
  get areWaiting(): boolean {
    return this.#waiting.size > 0
  }

  get areReading(): boolean {
    return this.#reading > 0
  }

  /** Takes over a subscriber that is paused. */
  add(client: DownstreamHandler, own: StandaloneRequest, prefix: SharedPrefix): void {
    const subscriber = new SlowSubscriber(client, own, prefix, this)
    if (this.#place === undefined) this.#waiting.add(subscriber)
  }

  /** The response is complete. */
  complete(byteLength: number, trailers: FieldLines): void {
    this.#byteLength = byteLength
    this.#trailers = trailers
  }

  /** Tells where the rest is read from. Later calls change nothing. */
  settle(place: 'store' | 'origin'): void {
    if (this.#place !== undefined) return
    this.#place = place
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    this.#reading = 0
    forEachInSlices(waiting, subscriber => {
      if (subscriber.isWaiting) this.wantsRest(subscriber)
    })
  }

  changedPace(subscriber: SlowSubscriber): void {
    if (!this.#waiting.has(subscriber)) return
    this.#reading += subscriber.client.paused ? -1 : 1
    this.#options.changed()
  }

  wantsRest(subscriber: SlowSubscriber): void {
    if (subscriber.offset === this.#byteLength) {
      this.#remove(subscriber)
      subscriber.finish(trailersHead(this.#trailers))
    } else if (this.#place === undefined) {
      subscriber.waitAtMost(this.#options.services.settings.coalesceTimeoutMs)
    } else {
      subscriber.release()
      if (this.#place === 'store') void this.#readFromStore(subscriber)
      else this.#readFromOrigin(subscriber, subscriber.own)
    }
  }

  waitedInVain(subscriber: SlowSubscriber): void {
    this.#remove(subscriber)
    subscriber.release()
    this.#readFromOrigin(subscriber, subscriber.own)
    this.#options.changed()
  }

  leftBehind(subscriber: SlowSubscriber): void {
    if (this.#remove(subscriber)) this.#options.changed()
  }

  #remove(subscriber: SlowSubscriber): boolean {
    if (!this.#waiting.delete(subscriber)) return false
    if (!subscriber.client.paused) this.#reading--
    return true
  }

  async #readFromStore(subscriber: SlowSubscriber): Promise<void> {
    const { client, own } = subscriber
    const { services, recorded } = this.#options
    const goOn = (reader: Reader) => this.#readFromOrigin(reader, own)
    try {
      if (recorded !== undefined && (await services.bodies.readOn(subscriber, recorded, own, goOn))) return
    } catch (error) {
      client.fail(error as Error)
    }
    if (!client.isFinished) goOn(subscriber)
  }

  #readFromOrigin(reader: Reader, { context, request }: StandaloneRequest): void {
    new ResumedBody(reader, this.#options.entry, context, request.fields).send()
  }
}
