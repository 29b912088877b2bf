import type { Buffer } from 'node:buffer'
import { createHash, type Hash } from 'node:crypto'
import { clearTimeout, setTimeout } from 'node:timers'
import { monotonicMs, soon } from '../lib/event-loop.ts'
import type { Client, Head } from './client.ts'
import { Slice } from './in-turns.ts'
import { firstLink, type Link, linkAfter, Member, type Membership, type OwnRequest } from './member.ts'

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

/** What one that has fallen behind goes on with. */
export interface Beginning {
  /** To be delivered before the rest: bytes that others have as well. */
  readonly pieces: readonly Uint8Array[]
  /** How many bytes there are before the rest. */
  readonly byteLength: number
  /** The SHA-256 of those, to be copied before it is gone on with; undefined: not known. */
  readonly hash: Hash | undefined
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

/** So much of a response's beginning is kept for those who come later. */
const MAX_BEGINNING_BYTES = 65_536

/** How long those who are late hold up others, all in all; and how long all may be paused before the store goes on. */
const PATIENCE_MS = 1000

const NOTHING: Beginning = { pieces: [], byteLength: 0, hash: undefined }

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
  /** The chunks from the first on, for those who come later. */
  #first: Link | undefined
  #last = firstLink()
  #receivedBytes = 0
  #hasJoined = false
  #hash: Hash | undefined
  /** The last copy that was made of it. */
  #hashed: Pick<Beginning, 'byteLength' | 'hash'> = NOTHING
  #trailers: Head | undefined
  #failure: Error | undefined
  #isOver = false
  /** Others are being let in: what comes has to wait for them. */
  #isOpening = false
  /** Have fallen too far behind, and are waited for. */
  readonly #late = new Set<Member>()
  /** Nobody is too far behind before so much has come. */
  #nextLateWeight = Infinity
  #patienceMs = PATIENCE_MS
  #timer: NodeJS.Timeout | undefined
  /** Since when those who are too late are waited for; undefined: they are not. */
  #waitsSinceMs: number | undefined
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
    return this.#receivedBytes
  }

  /** Whether others can join. */
  get isOpen(): boolean {
    return this.#first !== undefined
  }

  /** Keeps the beginning of what comes: others may join. */
  keepBeginning(): void {
    this.#first = this.#last
  }

  /** Until they are in, nothing more is to come. */
  letIn(isOpening: boolean): void {
    this.#isOpening = isOpening
  }

  /** The first of them, for whom nothing has come yet. */
  begin(client: Client): void {
    this.#list(this.#add(client, undefined, this.#last))
    this.#pace()
  }

  /** Another, from the first byte on; `greet` delivers the header section. False: it is too late. */
  join(client: Client, own: OwnRequest, greet: () => void): boolean {
    if (this.#first === undefined) return false
    this.#hasJoined = true
    const member = this.#add(client, own, this.#first)
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
    this.#receivedBytes += chunk.byteLength
    if (this.#receivedBytes > MAX_BEGINNING_BYTES && this.#first !== undefined) {
      if (this.#hasJoined) this.#beginHash()
      this.#first = undefined
    }
    this.#hash?.update(chunk)
    const [only] = this.#idle
    if (only !== undefined && this.#members.size === 1 && this.#first === undefined && only.takesMore) {
      only.deliver(chunk)
      return
    }
    if (this.#members.size === 0 && this.#first === undefined) return
    // Made before anybody is given the chunk, and might write into it.
    this.#last = linkAfter(this.#last, new Uint8Array(chunk))
    const isFirstInLine = !this.#isServing && this.#waiting.length === 0
    this.#serveAll()
    const first = isFirstInLine ? this.#waiting[0] : undefined
    if (first?.takesMore && first.cursor.next === this.#last) {
      first.cursor = this.#last
      first.deliver(chunk)
    }
    this.#goOn()
  }

  end(trailers: Head): void {
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
    this.#readers--
    this.#nextLateWeight = Math.min(this.#nextLateWeight, this.#latestWeight(member) + 1)
    this.#pace()
  }

  resumed(member: Member): void {
    this.#readers++
    this.#isStoreAhead = false
    if (!member.isListed) this.#serve(member)
    if (this.#late.has(member) && this.#last.weight <= this.#latestWeight(member)) this.#late.delete(member)
    this.#pace()
  }

  left(member: Member, reason: Error): void {
    if (this.#remove(member)) this.#options.onLeft(reason)
    member.client.fail(reason)
    this.#paceSoon()
  }

  #add(client: Client, own: OwnRequest | undefined, cursor: Link): Member {
    const member = new Member(client, own, cursor, this)
    this.#members.add(member)
    if (client.paused) this.#nextLateWeight = Math.min(this.#nextLateWeight, this.#latestWeight(member) + 1)
    else this.#readers++
    client.source = member
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
    this.#first = undefined
    clearTimeout(this.#timer)
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
    if (this.#last.weight < this.#nextLateWeight || !this.#isShared) return
    this.#nextLateWeight = Infinity
    const known = new Map<Link, readonly Uint8Array[]>()
    for (const member of this.#members) {
      if (!member.client.paused) continue
      const latestWeight = this.#latestWeight(member)
      if (this.#last.weight <= latestWeight) this.#nextLateWeight = Math.min(this.#nextLateWeight, latestWeight + 1)
      else if (this.#mayBeLeft(member)) this.#leave(member, known)
      else this.#late.add(member)
    }
  }

  /** Whether it can have the rest in another way, which is to be taken: a second request for the whole only after a while. */
  #mayBeLeft({ deliveredBytes }: Member): boolean {
    const { isResumable, isBeingStored } = this.#options.surroundings
    if (isResumable) return true
    const isKnown = this.#hash !== undefined || this.#first !== undefined || deliveredBytes === 0
    return isKnown && (isBeingStored || this.#patienceMs <= 0)
  }

  /** Those who have stopped at the same place share what is kept for them. */
  #leave(member: Member, known: Map<Link, readonly Uint8Array[]>): void {
    this.#remove(member)
    member.isGone = true
    if (member.deliveredBytes === 0) return this.#options.leaveBehind(member, NOTHING)
    const pieces = known.get(member.cursor) ?? piecesAfter(member.cursor)
    known.set(member.cursor, pieces)
    this.#options.leaveBehind(member, { pieces, byteLength: this.#receivedBytes, hash: this.#hashSoFar() })
  }

  #beginHash(): void {
    this.#hash = createHash('sha256')
    for (let link = this.#first?.next; link !== undefined; link = link.next) this.#hash.update(link.bytes)
  }

  /** Of what has come. */
  #hashSoFar(): Hash | undefined {
    if (this.#hash === undefined && this.#first !== undefined) this.#beginHash()
    if (this.#hashed.byteLength === this.#receivedBytes) return this.#hashed.hash
    const hash = this.#hash?.copy()
    this.#hashed = { byteLength: this.#receivedBytes, hash }
    return hash
  }

  #pace(): void {
    if (this.#isOver) return
    this.#leaveBehind()
    const { surroundings, upstream } = this.#options
    const isRead = this.#readers > 0 || this.#members.size === 0
    const isWanted = isRead || this.#isStoreAhead || surroundings.isWanted
    const isHeldUp = this.#late.size > 0
    this.#setTimer((isHeldUp || (!isWanted && surroundings.isBeingStored)) && this.#isShared && !this.#isStuck)
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

  /** Runs while others, or the store, have to wait for readers who are paused. */
  #setTimer(isRunning: boolean): void {
    if (isRunning !== (this.#timer !== undefined)) this.#switchTimer(isRunning)
    // A connection that is paused keeps no process alive for those who read.
    if (this.#readers > 0) this.#timer?.ref()
    else this.#timer?.unref()
  }

  #switchTimer(isRunning: boolean): void {
    if (isRunning) {
      const isForLate = this.#late.size > 0
      this.#waitsSinceMs = isForLate ? monotonicMs() : undefined
      const ms = isForLate ? Math.max(0, this.#patienceMs) : PATIENCE_MS
      this.#timer = setTimeout(() => this.#timeOver(), ms)
    } else {
      clearTimeout(this.#timer)
      this.#timer = undefined
      if (this.#waitsSinceMs !== undefined) this.#patienceMs -= monotonicMs() - this.#waitsSinceMs
    }
  }

  #timeOver(): void {
    this.#timer = undefined
    if (this.#late.size === 0) this.#isStoreAhead = true
    else this.#patienceMs = 0
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

function piecesAfter(link: Link): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let next = link.next; next !== undefined; next = next.next) pieces.push(next.bytes)
  return pieces
}
