import type { Join } from '../lib/rfc9111/decide-response.ts'
import { isResumable } from '../lib/rfc9111/parts.ts'
import type { ByteRange, Entry, FieldLines, Request } from '../lib/rfc9111/types.ts'
import { Audience } from './audience.ts'
import type { HttpCache } from './cache.ts'
import { type Client, type Head, nobodyWaits } from './client.ts'
import type { Crew, Flight, Landing } from './flights.ts'
import type { OriginHandler } from './origin-handler.ts'
import { trailersHead } from './origin-head.ts'
import type { Outcome } from './outcome.ts'
import type { Ask, Plan } from './plan.ts'
import { Recording } from './recording.ts'
import { RestOfBody } from './rest-of-body.ts'
import type { Destination } from './stored-beginning.ts'
import { Straggler } from './straggler.ts'

export interface DeliveryOptions {
  readonly cache: HttpCache
  readonly ask: Ask
  readonly plan: Plan
  /** Others may read along. */
  readonly flight: Flight | undefined
  readonly handler: OriginHandler
  /** It is known whether the response is stored, and nobody waits for it any more. May be called again. */
  onLanded(): void
}

/** The content of one response on its way to those who read it, and to the store. */
export class Delivery implements Crew, Destination {
  readonly #options: DeliveryOptions
  readonly #audience: Audience
  readonly #stragglers = new Set<Straggler>()
  #flight: Flight | undefined
  #isOver = false
  #isForStore = false
  #recording: Recording | undefined
  /** How much the origin has promised to add to what was stored; undefined: its body stands for itself. */
  #missingBytes: number | undefined

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#flight = options.flight
    this.#audience = new Audience({
      upstream: options.handler,
      maxBufferedBytes: options.cache.settings.maxBufferedBytes,
      isWantedElsewhere: () => [...this.#stragglers].some(({ client }) => !client.paused),
      onLeft: reason => this.someoneLeft(reason)
    })
  }

  /** The first of those who read; undefined: it is fetched for the store alone. */
  begin(client: Client | undefined): void {
    const flight = this.#flight
    if (client !== undefined) this.#audience.begin(client)
    this.#isForStore = client === undefined
    if (flight !== undefined) flight.crew = this
  }

  /** Goes on for those who are left, as long as there are any. */
  someoneLeft(reason: Error = nobodyWaits()): void {
    const isRead = !this.#audience.isEmpty || this.#stragglers.size > 0 || this.#flight?.isAwaited
    const isWanted = this.#isForStore || isRead
    if (!isWanted && !this.#isOver) this.#options.handler.abort(reason)
  }

  /** Leaves those who wait to the next request. */
  leaveFlight(): Flight | undefined {
    const flight = this.#flight
    this.#flight = undefined
    this.#options.onLanded()
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
    if (this.#audience.isEmpty) this.#options.handler.discard()
    this.land('nothing')
  }

  /** Has what comes stored, joined with what is. A word: why not. */
  recordOrReason(
    request: Request,
    entry: Entry,
    join: Join | undefined,
    expectedBytes: number | undefined
  ): string | undefined {
    const { cache, plan, handler } = this.#options
    const recording = Recording.beginOrReason({
      cache,
      plan,
      request,
      entry,
      join,
      expectedBytes,
      onDrain: () => handler.resumeForStore(),
      onSettled: stored => this.#recorded(stored)
    })
    if (typeof recording === 'string') return recording
    this.#recording = recording
    // Of what may turn out too large, only the origin could give them the rest.
    if (expectedBytes !== undefined || isResumable(entry)) {
      this.#audience.letLeave((client, offset) => this.#leaveBehind(client, offset))
    }
    return undefined
  }

  /** Lets others read along. */
  share(entry: Entry, request: Request): void {
    if (this.#recording === undefined) this.#leaveToOrigin(entry, request)
    const audience = this.#audience
    if (this.#flight === undefined) return
    audience.keepBeginning()
    this.#flight.share({
      entry,
      isOpen: () => audience.isOpen,
      join: (client, head, outcome) => this.#admit(client, head, outcome)
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
    if (this.#recording === undefined) this.land('nothing')
    else this.#recording.finish(trailers)
    this.#isOver = true
    this.#audience.end(trailersHead(trailers))
    return true
  }

  /** Nothing more comes. What has come is stored if it may be. Who has fallen behind is told; the others by `fail`, unless
   * something stored takes the response's place. */
  interrupt(error: Error): void {
    this.#isOver = true
    for (const { client } of this.#stragglers) client.fail(error)
    this.#stragglers.clear()
    this.#recording?.interrupt()
    this.land('nothing')
  }

  /** Tells those who read that nothing more comes. */
  fail(error: Error): void {
    this.#audience.fail(error)
  }

  /** Nothing more comes this way: each who reads asks the origin for what it lacks of those bytes of the response. */
  handOver(entry: Entry, request: Request, wanted: ByteRange): void {
    if (this.#isOver) return
    this.#isOver = true
    this.forget()
    this.land('nothing')
    const end = wanted.end === entry.completeLength ? undefined : wanted.end
    this.#audience.handOver((client, deliveredBytes) => {
      const reader = { client, offset: wanted.start + deliveredBytes, end }
      new RestOfBody(reader, entry, this.#options.ask, request.fields).send()
    })
  }

  /** Nothing of it is to be stored. */
  forget(): void {
    this.#recording?.forget()
  }

  /** Tells those who wait what has become of the response; later calls tell them nothing. */
  land(landing: Landing): void {
    this.#flight?.land(landing)
    this.#options.onLanded()
  }

  // Destination of what is stored already

  get isOver(): boolean {
    return this.#isOver
  }

  pass(chunk: Buffer): void {
    if (this.#recording?.write(chunk) === false) this.#options.handler.pauseForStore()
    this.#audience.receive(chunk)
    // Too late to join, and nothing will be stored: nobody has reason to wait.
    const isAwaited = this.#flight !== undefined && this.#flight.landing === undefined
    if (isAwaited && this.#recording === undefined && !this.#audience.isOpen) this.land('nothing')
  }

  whenFree(): Promise<void> | undefined {
    return this.#options.handler.whenFree()
  }

  #admit(client: Client, head: Head, outcome: Outcome): boolean {
    return this.#audience.join(client, () => {
      client.settle(outcome)
      if (!client.isStarted) client.start()
      client.head(head)
    })
  }

  /** Where nothing is stored, one that does not keep up gets the rest from the origin, if that may serve it. */
  #leaveToOrigin(entry: Entry, request: Request): void {
    if (!isResumable(entry)) return
    const { ask } = this.#options
    this.#audience.letLeave((client, offset) => {
      new RestOfBody({ client, offset }, entry, ask, request.fields).send()
    })
  }

  /** One that does not keep up reads on in another way, once it is known whether the response is stored. */
  #leaveBehind(client: Client, offset: number): void {
    const straggler: Straggler = new Straggler(client, offset, {
      paceChanged: () => this.#audience.reconsider(),
      left: () => {
        if (!this.#stragglers.delete(straggler)) return
        this.someoneLeft()
        this.#audience.reconsider()
      }
    })
    this.#stragglers.add(straggler)
  }

  #recorded(stored: boolean): void {
    this.#audience.letLeave(undefined)
    if (!stored && this.#recording !== undefined) this.#leaveToOrigin(this.#recording.entry, this.#recording.request)
    const stragglers = [...this.#stragglers]
    this.#stragglers.clear()
    for (const straggler of stragglers) void this.#readOn(straggler, stored)
    if (!stored && this.#audience.isEmpty && !this.#isOver) this.#options.handler.discard()
    this.land(stored ? 'stored' : 'nothing')
  }

  /** The rest for one who has fallen behind: from the store, or else from the origin. */
  async #readOn(straggler: Straggler, isStored: boolean): Promise<void> {
    const { cache, ask } = this.#options
    if (this.#recording === undefined || straggler.client.isFinished) return
    const { request, entry } = this.#recording
    if (isStored && (await cache.bodies.readOn(straggler, entry, ask, request))) return
    if (!straggler.client.isFinished) new RestOfBody(straggler, entry, ask, request.fields).send()
  }
}
