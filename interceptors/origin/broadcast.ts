import type { Buffer } from 'node:buffer'
import { soon } from '../../lib/event-loop.ts'
import type { DownstreamHandler, ResponseHead } from '../undici/downstream-handler.ts'
import { Slice } from './in-turns.ts'
import { ReaderPatience } from './reader-patience.ts'
import { type Beginning, NOTHING, SharedBody } from './shared-body.ts'
import { type Link, Member, type Membership, type OwnRequest } from './subscriber.ts'

/** What the audience asks of the connection that its response comes through. */
export interface Upstream {
  pause(): void
  resume(): void
}

/** What becomes of the response beside its readers here. */
export interface Surroundings {
  /** Whether anybody else has a part in it. */
  readonly isShared: boolean
  /** Whether somebody else waits for it just now. */
  readonly isWanted: boolean
  readonly isBeingStored: boolean
  /** Whether the rest can be asked for by Range and If-Range. */
  readonly isResumable: boolean
}

export interface AudienceOptions {
  readonly upstream: Upstream
  readonly surroundings: Surroundings
  /** How far one may fall behind. */
  readonly maxBufferedBytes: number
  /** Takes over one that has fallen behind. */
  leaveBehind(member: Member, beginning: Beginning): void
  /** One that sets the pace is paused, and could not have the rest in another way: others wait in vain. */
  onStuck(): void
  /** One has left before the end, and is told so after this. */
  onLeft(reason: Error): void
}

/** Those who get one response as it comes, each at its own pace. One alone sets that of the connection; of several, the
 * fastest does. Who falls further behind than is buffered is left behind, to have the rest in another way. What is kept for
 * all of them is one list of chunks, in which each has its place. */
export class Audience implements Membership {
  readonly #options: AudienceOptions
  readonly #members = new Set<Member>()
  /** How many of them are not paused. */
  #readers = 0
  /** Have all that has come. */
  #idle: Member[] = []
  /** Are to be served, from that index on. */
  #waiting: Member[] = []
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
  readonly #late = new Set<Member>()
  /** Nobody is too far behind before so much has come. */
  #nextLateWeight = Infinity
  readonly #patience = new ReaderPatience(this)
  /** All have been paused for so long that the store goes on alone. */
  #isStoreAhead = false
  #isStuck = false
  #isPaused = false

  constructor(options: AudienceOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  get receivedBytes(): number {
    return this.#body.receivedBytes
  }

  /** Whether others can join. */
  get isOpen(): boolean {
    return this.#body.first !== undefined
  }

  /** Keeps the beginning of what comes: others may join. */
  keepBeginning(): void {
    this.#body.keepBeginning()
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
  join(client: DownstreamHandler, own: OwnRequest, greet: () => void): boolean {
    const { first } = this.#body
    if (first === undefined) return false
    this.#hasJoined = true
    const member = this.#add(client, own, first)
    try {
      greet()
      this.#serve(member)
    } catch (error) {
      member.abort(error as Error)
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
    if (only !== undefined && this.#members.size === 1 && !this.isOpen && only.takesMore) {
      only.deliver(chunk)
      return
    }
    if (this.#members.size === 0 && !this.isOpen) return
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
    this.#waiting = [...this.#members]
    this.#served = 0
    this.#goOn()
  }

  /** Has each get the rest in another way, after so many bytes. */
  handOver(take: (member: Member) => void): void {
    this.#finish()
    const members = [...this.#members]
    this.#members.clear()
    for (const member of members) {
      member.isGone = true
      take(member)
    }
  }

  // Membership

  paused(member: Member): void {
    if (!this.#members.has(member)) return
    this.#readers--
    this.#nextLateWeight = Math.min(this.#nextLateWeight, this.#latestWeight(member) + 1)
    this.#pace()
  }

  resumed(member: Member): void {
    this.#readers++
    this.#isStoreAhead = false
    if (!member.isListed) this.#serve(member)
    if (this.#late.has(member) && this.#body.last.weight <= this.#latestWeight(member)) this.#late.delete(member)
    this.#pace()
  }

  left(member: Member, reason: Error): void {
    if (this.#remove(member)) this.#options.onLeft(reason)
    member.client.fail(reason)
    this.#paceSoon()
  }

  #add(client: DownstreamHandler, own: OwnRequest | undefined, cursor: Link): Member {
    const member = new Member(client, own, cursor, this)
    client.attach(member)
    this.#members.add(member)
    if (client.paused) this.#nextLateWeight = Math.min(this.#nextLateWeight, this.#latestWeight(member) + 1)
    else this.#readers++
    return member
  }

  #remove(member: Member): boolean {
    if (!this.#members.delete(member)) return false
    this.#late.delete(member)
    if (!member.client.paused) this.#readers--
    return true
  }

  /** Delivers what there is to one. */
  #serve(member: Member): void {
    if (member.isServed) return
    member.isServed = true
    const hasAll = this.#failure === undefined && member.serve()
    member.isServed = false
    if (!this.#members.has(member)) return
    if (this.#failure !== undefined) {
      this.#remove(member)
      member.client.fail(this.#failure)
    } else if (hasAll && this.#trailers !== undefined) {
      this.#remove(member)
      member.client.end(this.#trailers)
    } else if (hasAll) {
      this.#list(member)
    }
  }

  #list(member: Member): void {
    if (member.isListed) return
    member.isListed = true
    this.#idle.push(member)
  }

  /** Has all who have had everything so far served again. */
  #serveAll(): void {
    if (this.#waiting.length === 0) this.#waiting = this.#idle
    else for (const member of this.#idle) this.#waiting.push(member)
    this.#idle = []
  }

  /** Serves those whose turn it is, the rest of them in later turns of the event loop. */
  #goOn(): void {
    if (this.#isServing) return
    this.#isServing = true
    const slice = new Slice()
    while (this.#served < this.#waiting.length && !slice.isOver) {
      const member = this.#waiting[this.#served++] as Member
      member.isListed = false
      this.#serve(member)
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
    this.#patience.stop()
  }

  /** Alone, nobody is too far behind. */
  get #isShared(): boolean {
    return this.#members.size > 1 || this.#options.surroundings.isShared
  }

  #latestWeight(member: Member): number {
    return member.cursor.weight + this.#options.maxBufferedBytes
  }

  /** Leaves those behind who have fallen too far behind, or notes that they are waited for. */
  #leaveBehind(): void {
    if (this.#body.last.weight < this.#nextLateWeight || !this.#isShared) return
    this.#nextLateWeight = Infinity
    const known = new Map<Link, readonly Uint8Array[]>()
    for (const member of this.#members) {
      if (!member.client.paused) continue
      const latestWeight = this.#latestWeight(member)
      if (this.#body.last.weight <= latestWeight)
        this.#nextLateWeight = Math.min(this.#nextLateWeight, latestWeight + 1)
      else if (this.#mayBeLeft(member)) this.#leave(member, known)
      else this.#late.add(member)
    }
  }

  /** Whether it can have the rest in another way, which is to be taken: a second request for the whole only after a while. */
  #mayBeLeft({ deliveredBytes }: Member): boolean {
    const { isResumable, isBeingStored } = this.#options.surroundings
    if (isResumable) return true
    const isKnown = this.#body.isKnown || deliveredBytes === 0
    return isKnown && (isBeingStored || this.#patience.isSpent)
  }

  /** Those who have stopped at the same place share what is kept for them. */
  #leave(member: Member, known: Map<Link, readonly Uint8Array[]>): void {
    this.#remove(member)
    member.isGone = true
    if (member.deliveredBytes === 0) return this.#options.leaveBehind(member, NOTHING)
    this.#options.leaveBehind(member, this.#body.beginningAfter(member.cursor, known))
  }

  #pace(): void {
    if (this.#isOver) return
    this.#leaveBehind()
    const { surroundings, upstream } = this.#options
    const isRead = this.#readers > 0 || this.#members.size === 0
    const isWanted = isRead || this.#isStoreAhead || surroundings.isWanted
    const isHeldUp = this.#late.size > 0
    const isWaitedFor = (isHeldUp || (!isWanted && surroundings.isBeingStored)) && this.#isShared && !this.#isStuck
    this.#patience.wait(isWaitedFor, isHeldUp, this.#readers > 0)
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
    else this.#patience.spend()
    this.#late.clear()
    this.#nextLateWeight = 0
    this.#leaveBehind()
    if (this.#late.size > 0) {
      this.#isStuck = true
      this.#options.onStuck()
    }
    this.#pace()
  }
}
