import type { Join } from '../../lib/rfc9111/decide-response.ts'
import type { ByteRange, Entry, FieldLines, Request } from '../../lib/rfc9111/types.ts'
import type { Reason } from '../outcome/reasons.ts'
import type { Destination } from '../replay/body-prefix.ts'
import { ResumedBody } from '../replay/resumed-body.ts'
import type { ForwardPlan } from '../request/forward-plan.ts'
import type { FlightResult, RequestContext } from '../request/request-context.ts'
import type { Flight, Owner } from '../single-flight/flight.ts'
import { type DownstreamHandler, nobodyWaits } from '../undici/downstream-handler.ts'
import { trailersHead } from '../undici/lines-head.ts'
import type { OriginHandler } from '../undici/origin-handler.ts'
import type { BroadcastDemand } from './backpressure.ts'
import { Broadcast } from './broadcast.ts'
import type { OriginServices } from './origin-services.ts'
import { SharedResponse } from './shared-response.ts'
import { SlowSubscribers } from './slow-subscribers.ts'
import { StoreWrite } from './store-write.ts'

export interface ResponseTeeOptions {
  readonly services: OriginServices
  readonly context: RequestContext
  readonly plan: ForwardPlan
  /** The flight whose waiting requests may join the response. */
  readonly flight: Flight | undefined
  readonly handler: OriginHandler
  /** Called when it is known whether the response is stored, and no request waits for it any more; perhaps more than once. */
  onSettled(): void
}

/** Passes the content of one response to its subscribers and to the store. */
export class ResponseTee implements Owner, Destination, BroadcastDemand {
  readonly #options: ResponseTeeOptions
  readonly #broadcast: Broadcast
  #flight: Flight | undefined
  #isOver = false
  #isForStore = false
  #write: StoreWrite | undefined
  isBeingStored = false
  /** undefined unless other requests may join. */
  #shared: SharedResponse | undefined
  /** How many bytes of a stored part the origin is still to send; undefined: it sends a response of its own. */
  #missingBytes: number | undefined

  constructor(options: ResponseTeeOptions) {
    this.#options = options
    this.#flight = options.flight
    this.#broadcast = new Broadcast({
      upstream: options.handler,
      demand: this,
      maxBufferedBytes: options.services.settings.maxBufferedBytes,
      detach: (subscriber, prefix) => {
        this.#shared?.detach(subscriber, prefix)
        this.someoneLeft()
      },
      onStuck: () => this.#flight?.giveUp(),
      onLeft: reason => this.someoneLeft(reason)
    })
  }

  /** Adds the first subscriber; undefined: the response is requested for the store alone. */
  begin(client: DownstreamHandler | undefined): void {
    if (client !== undefined) this.#broadcast.begin(client)
    this.#isForStore = client === undefined
    if (this.#flight !== undefined) this.#flight.owner = this
  }

  /** Continues for the remaining subscribers and waiting requests. Without any, the request is aborted. */
  someoneLeft(reason: Error = nobodyWaits()): void {
    if (this.#isOver) return
    if (this.#broadcast.isEmpty && !this.isShared) this.#options.handler.abort(reason)
    else this.#broadcast.reconsider()
  }

  someoneWaits(): void {
    this.#broadcast.reconsider()
  }

  get isShared(): boolean {
    return this.#isForStore || this.#shared?.slowSubscribers.areWaiting === true || this.#flight?.isAwaited === true
  }

  get isWanted(): boolean {
    if (!this.isBeingStored) return false
    return this.#isForStore || this.#shared?.slowSubscribers.areReading === true || this.#flight?.isAwaited === true
  }

  get isResumable(): boolean {
    return this.#shared?.isResumable ?? false
  }

  /** Gives up the flight, which the next request for the response is to settle. */
  leaveFlight(): Flight | undefined {
    const flight = this.#flight
    this.#flight = undefined
    this.#options.onSettled()
    return flight
  }

  /** Stops storing the response, and continues for its subscribers alone. */
  leaveToReaders(reason: Error): void {
    this.#isForStore = false
    // A response that has been received completely is stored.
    if (!this.#isOver) this.forget()
    this.someoneLeft(reason)
  }

  /** Releases waiting requests, which cannot use the response; without a subscriber the rest is discarded. `isKnown`: the
   * next requests for it need not wait either. */
  shareWithNobody(isKnown: boolean): void {
    if (isKnown) this.#flight?.shareWithNobody()
    if (this.#broadcast.isEmpty) this.#options.handler.discard()
    this.settle('nothing')
  }

  /** Begins to store the response, joined with what is stored. Returns the reason where it cannot be stored. */
  recordOrReason(
    request: Request,
    entry: Entry,
    join: Join | undefined,
    expectedBytes: number | undefined
  ): Reason | undefined {
    const { services, plan, handler } = this.#options
    // The write may settle synchronously.
    this.isBeingStored = true
    const write = StoreWrite.beginOrReason({
      services,
      plan,
      request,
      entry,
      join,
      expectedBytes,
      onDrain: () => handler.resumeForStore(),
      onSettled: stored => this.#recorded(stored)
    })
    if (typeof write !== 'string') this.#write = write
    else this.isBeingStored = false
    return typeof write === 'string' ? write : undefined
  }

  /** Lets other requests join the response. */
  share(entry: Entry, request: Request): void {
    const flight = this.#flight
    if (flight === undefined) return
    const broadcast = this.#broadcast
    const { services, context } = this.#options
    const recorded = this.isBeingStored ? this.#write?.entry : undefined
    const slow = new SlowSubscribers({ services, entry, recorded, changed: () => this.someoneLeft() })
    const shared = new SharedResponse(entry, broadcast, slow, { context, request })
    this.#shared = shared
    broadcast.keepPrefix()
    broadcast.setAdmitting(true)
    flight.share(shared, () => {
      broadcast.setAdmitting(false)
      broadcast.reconsider()
    })
  }

  /** Sets how many bytes the origin is to add to a stored part. */
  expect(missingBytes: number): void {
    this.#missingBytes = missingBytes
  }

  /** False: the origin has sent more than it was to add. */
  receive(chunk: Buffer): boolean {
    if (this.#isOver) return true
    if (this.#missingBytes !== undefined) {
      this.#missingBytes -= chunk.byteLength
      if (this.#missingBytes < 0) return false
    }
    this.pass(chunk)
    return true
  }

  /** False: the origin has sent less than it was to add. */
  end(trailers: FieldLines): boolean {
    if (this.#missingBytes !== undefined && this.#missingBytes !== 0) return false
    this.#shared?.slowSubscribers.complete(this.#broadcast.receivedBytes, trailers)
    if (this.#write === undefined) this.settle('nothing')
    else this.#write.finish(trailers)
    this.#isOver = true
    this.#broadcast.end(trailersHead(trailers))
    return true
  }

  /** Ends the response early. What was received is stored if it may be. Slow subscribers request the rest from the origin; the
   * others are told by `fail`, unless a stored response is served instead. */
  interrupt(): void {
    this.#isOver = true
    this.#write?.interrupt()
    this.isBeingStored = false
    this.#shared?.slowSubscribers.settle('origin')
    this.settle('nothing')
  }

  /** Ends the response of every subscriber with an error. */
  fail(error: Error): void {
    this.#broadcast.fail(error)
  }

  /** Ends the broadcast. Each subscriber requests from the origin what it lacks of the wanted range. */
  handOver(entry: Entry, request: Request, wanted: ByteRange): void {
    if (this.#isOver) return
    this.#isOver = true
    this.forget()
    this.settle('nothing')
    const end = wanted.end === entry.completeLength ? undefined : wanted.end
    this.#shared?.slowSubscribers.settle('origin')
    const leader = { context: this.#options.context, request }
    this.#broadcast.handOver(({ client, deliveredBytes, own = leader }) => {
      const reader = { client, offset: wanted.start + deliveredBytes, end }
      new ResumedBody(reader, entry, own.context, own.request.fields).send()
    })
  }

  /** Stops storing the response, and removes what was written. */
  forget(): void {
    this.#write?.forget()
  }

  /** Tells waiting requests what has become of the response. Later calls do not. */
  settle(result: FlightResult): void {
    this.#flight?.settle(result)
    this.#options.onSettled()
  }

  get isOver(): boolean {
    return this.#isOver
  }

  pass(chunk: Buffer): void {
    if (this.#write?.write(chunk) === false) this.#options.handler.pauseForStore()
    this.#broadcast.receive(chunk)
    // It is too late to join, and nothing will be stored: no request has reason to wait.
    const isAwaited = this.#flight !== undefined && this.#flight.result === undefined
    if (isAwaited && this.#write === undefined && !this.#broadcast.isOpen) this.settle('nothing')
  }

  whenFree(): Promise<void> | undefined {
    return this.#options.handler.whenFree()
  }

  #recorded(stored: boolean): void {
    this.isBeingStored = false
    if (!stored) this.#isForStore = false
    this.#shared?.slowSubscribers.settle(stored ? 'store' : 'origin')
    if (!stored && this.#broadcast.isEmpty && !this.#isOver) this.#options.handler.discard()
    this.settle(stored ? 'stored' : 'nothing')
  }
}
