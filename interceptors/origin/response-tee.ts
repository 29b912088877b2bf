import type { Join } from '../../lib/rfc9111/decide-response.ts'
import { isResumable } from '../../lib/rfc9111/parts.ts'
import type { ByteRange, Entry, FieldLines, Request } from '../../lib/rfc9111/types.ts'
import type { Outcome } from '../outcome/outcome.ts'
import type { Reason } from '../outcome/reasons.ts'
import type { Destination } from '../replay/body-prefix.ts'
import { ResumedBody } from '../replay/resumed-body.ts'
import type { ForwardPlan } from '../request/forward-plan.ts'
import type { FlightResult, RequestContext, StandaloneRequest } from '../request/request-context.ts'
import type { Flight, Owner } from '../single-flight/flight.ts'
import { type DownstreamHandler, nobodyWaits, type ResponseHead } from '../undici/downstream-handler.ts'
import { trailersHead } from '../undici/lines-head.ts'
import type { OriginHandler } from '../undici/origin-handler.ts'
import type { BroadcastDemand } from './backpressure.ts'
import { Broadcast } from './broadcast.ts'
import type { OriginServices } from './origin-services.ts'
import type { SharedPrefix } from './shared-body.ts'
import { SlowSubscribers } from './slow-subscribers.ts'
import { StoreWrite } from './store-write.ts'
import type { Subscriber } from './subscriber.ts'

export interface ResponseTeeOptions {
  readonly services: OriginServices
  readonly context: RequestContext
  readonly plan: ForwardPlan
  /** Others may read along. */
  readonly flight: Flight | undefined
  readonly handler: OriginHandler
  /** It is known whether the response is stored, and nobody waits for it any more. May be called again. */
  onSettled(): void
}

/** The content of one response on its way to those who read it, and to the store. */
export class ResponseTee implements Owner, Destination, BroadcastDemand {
  readonly #options: ResponseTeeOptions
  readonly #broadcast: Broadcast
  #flight: Flight | undefined
  #isOver = false
  #isForStore = false
  #write: StoreWrite | undefined
  isBeingStored = false
  // Where others may read along
  #leader: StandaloneRequest | undefined
  #slowSubscribers: SlowSubscribers | undefined
  #isResumable = false
  /** How much the origin has promised to add to what was stored; undefined: its body stands for itself. */
  #missingBytes: number | undefined

  constructor(options: ResponseTeeOptions) {
    this.#options = options
    this.#flight = options.flight
    this.#broadcast = new Broadcast({
      upstream: options.handler,
      demand: this,
      maxBufferedBytes: options.services.settings.maxBufferedBytes,
      detach: (subscriber, prefix) => this.#detach(subscriber, prefix),
      onStuck: () => this.#flight?.giveUp(),
      onLeft: reason => this.someoneLeft(reason)
    })
  }

  /** The first of those who read; undefined: it is fetched for the store alone. */
  begin(client: DownstreamHandler | undefined): void {
    const flight = this.#flight
    if (client !== undefined) this.#broadcast.begin(client)
    this.#isForStore = client === undefined
    if (flight !== undefined) flight.owner = this
  }

  // Of the flight's crew, with those who wait

  /** Goes on for those who are left, as long as there are any. */
  someoneLeft(reason: Error = nobodyWaits()): void {
    if (this.#isOver) return
    if (this.#broadcast.isEmpty && !this.isShared) this.#options.handler.abort(reason)
    else this.#broadcast.reconsider()
  }

  someoneWaits(): void {
    this.#broadcast.reconsider()
  }

  // Surroundings of those who read

  get isShared(): boolean {
    return this.#isForStore || this.#slowSubscribers?.areWaiting === true || this.#flight?.isAwaited === true
  }

  get isWanted(): boolean {
    if (!this.isBeingStored) return false
    return this.#isForStore || this.#slowSubscribers?.areReading === true || this.#flight?.isAwaited === true
  }

  get isResumable(): boolean {
    return this.#isResumable
  }

  /** Leaves those who wait to the next request. */
  leaveFlight(): Flight | undefined {
    const flight = this.#flight
    this.#flight = undefined
    this.#options.onSettled()
    return flight
  }

  /** It is not wanted for the store any more: goes on for those who read. */
  leaveToReaders(reason: Error): void {
    this.#isForStore = false
    // What has come whole is stored.
    if (!this.#isOver) this.forget()
    this.someoneLeft(reason)
  }

  /** Others would wait in vain; without anybody who reads, the rest is of no use. `isKnown`: the next requests for it
   * need not wait either. */
  shareWithNobody(isKnown: boolean): void {
    if (isKnown) this.#flight?.shareWithNobody()
    if (this.#broadcast.isEmpty) this.#options.handler.discard()
    this.settle('nothing')
  }

  /** Has what comes stored, joined with what is. A word: why not. */
  recordOrReason(
    request: Request,
    entry: Entry,
    join: Join | undefined,
    expectedBytes: number | undefined
  ): Reason | undefined {
    const { services, plan, handler } = this.#options
    // It may be settled at once.
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

  /** Lets others read along. */
  share(entry: Entry, request: Request): void {
    const flight = this.#flight
    if (flight === undefined) return
    const broadcast = this.#broadcast
    const { services, context } = this.#options
    const recorded = this.isBeingStored ? this.#write?.entry : undefined
    this.#isResumable = isResumable(entry)
    this.#leader = { context, request }
    this.#slowSubscribers = new SlowSubscribers({ services, entry, recorded, changed: () => this.someoneLeft() })
    broadcast.keepPrefix()
    broadcast.setAdmitting(true)
    const stream = {
      entry,
      isOpen: () => broadcast.isOpen,
      join: (client: DownstreamHandler, own: StandaloneRequest, head: ResponseHead, outcome: Outcome) =>
        this.#admit(client, own, head, outcome)
    }
    flight.share(stream, () => {
      broadcast.setAdmitting(false)
      broadcast.reconsider()
    })
  }

  /** So much is to come, after what is stored already. */
  expect(missingBytes: number): void {
    this.#missingBytes = missingBytes
  }

  /** False: more than there should be. */
  receive(chunk: Buffer): boolean {
    if (this.#isOver) return true
    if (this.#missingBytes !== undefined) {
      this.#missingBytes -= chunk.byteLength
      if (this.#missingBytes < 0) return false
    }
    this.pass(chunk)
    return true
  }

  /** False: less than there should be. */
  end(trailers: FieldLines): boolean {
    if (this.#missingBytes !== undefined && this.#missingBytes !== 0) return false
    this.#slowSubscribers?.complete(this.#broadcast.receivedBytes, trailers)
    if (this.#write === undefined) this.settle('nothing')
    else this.#write.finish(trailers)
    this.#isOver = true
    this.#broadcast.end(trailersHead(trailers))
    return true
  }

  /** Nothing more comes. What has come is stored if it may be. Who has fallen behind asks for itself, as it would have done
   * alone; the others are told by `fail`, unless something stored takes the response's place. */
  interrupt(): void {
    this.#isOver = true
    this.#write?.interrupt()
    this.isBeingStored = false
    this.#slowSubscribers?.settle('origin')
    this.settle('nothing')
  }

  /** Tells those who read that nothing more comes. */
  fail(error: Error): void {
    this.#broadcast.fail(error)
  }

  /** Nothing more comes this way: each who reads asks the origin for what it lacks of those bytes of the response. */
  handOver(entry: Entry, request: Request, wanted: ByteRange): void {
    if (this.#isOver) return
    this.#isOver = true
    this.forget()
    this.settle('nothing')
    const end = wanted.end === entry.completeLength ? undefined : wanted.end
    this.#slowSubscribers?.settle('origin')
    const leader = { context: this.#options.context, request }
    this.#broadcast.handOver(({ client, deliveredBytes, own = leader }) => {
      const reader = { client, offset: wanted.start + deliveredBytes, end }
      new ResumedBody(reader, entry, own.context, own.request.fields).send()
    })
  }

  /** Nothing of it is to be stored. */
  forget(): void {
    this.#write?.forget()
  }

  /** Tells those who wait what has become of the response; later calls tell them nothing. */
  settle(result: FlightResult): void {
    this.#flight?.settle(result)
    this.#options.onSettled()
  }

  // Destination of what is stored already

  get isOver(): boolean {
    return this.#isOver
  }

  pass(chunk: Buffer): void {
    if (this.#write?.write(chunk) === false) this.#options.handler.pauseForStore()
    this.#broadcast.receive(chunk)
    // Too late to join, and nothing will be stored: nobody has reason to wait.
    const isAwaited = this.#flight !== undefined && this.#flight.result === undefined
    if (isAwaited && this.#write === undefined && !this.#broadcast.isOpen) this.settle('nothing')
  }

  whenFree(): Promise<void> | undefined {
    return this.#options.handler.whenFree()
  }

  #admit(client: DownstreamHandler, own: StandaloneRequest, head: ResponseHead, outcome: Outcome): boolean {
    return this.#broadcast.join(client, own, () => {
      client.settle(outcome)
      if (!client.isStarted) client.start()
      client.head(head)
    })
  }

  #detach({ client, own = this.#leader }: Subscriber, prefix: SharedPrefix): void {
    if (own !== undefined) this.#slowSubscribers?.add(client, own, prefix)
    this.someoneLeft()
  }

  #recorded(stored: boolean): void {
    this.isBeingStored = false
    if (!stored) this.#isForStore = false
    this.#slowSubscribers?.settle(stored ? 'store' : 'origin')
    if (!stored && this.#broadcast.isEmpty && !this.#isOver) this.#options.handler.discard()
    this.settle(stored ? 'stored' : 'nothing')
  }
}
