import { Buffer } from 'node:buffer'
import type { Client, Head, Source } from './client.ts'

/** What the audience asks of the connection that its response comes through. */
export interface Upstream {
  pause(): void
  resume(): void
}

export interface AudienceOptions {
  readonly upstream: Upstream
  /** How far one may fall behind. */
  readonly maxBufferedBytes: number
  /** Whether what comes is wanted by others than those here. */
  isWantedElsewhere(): boolean
  /** One has left before the end, and is told so after this. */
  onLeft(reason: Error): void
}

/** So much of a response's beginning is kept for those who come later. */
const MAX_BEGINNING_BYTES = 65_536

/** Those who get one response as it comes, each at its own pace: the fastest sets that of the connection, which waits
 * only while all of them do. Who falls further behind than is buffered is left behind, where it can have the rest in
 * another way; else the connection waits for it. */
export class Audience {
  readonly #options: AudienceOptions
  readonly #members = new Set<Member>()
  #leaveBehind: ((client: Client, offset: number) => void) | undefined
  #beginning: Uint8Array[] | undefined
  #receivedBytes = 0
  #isPaused = false

  constructor(options: AudienceOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  /** `leaveBehind` takes over one that has fallen behind, after so many bytes; undefined: all are waited for. */
  letLeave(leaveBehind: ((client: Client, offset: number) => void) | undefined): void {
    this.#leaveBehind = leaveBehind
  }

  /** Keeps the beginning of what comes: others may join. */
  keepBeginning(): void {
    this.#beginning = []
  }

  /** The first of them, for whom nothing has come yet. */
  begin(client: Client): void {
    this.#add(client)
    this.#pace()
  }

  /** Another, from the first byte on; `greet` delivers the header section. False: it is too late. */
  join(client: Client, greet: () => void): boolean {
    const beginning = this.#beginning
    if (beginning === undefined) return false
    const member = this.#add(client)
    try {
      greet()
      for (const chunk of beginning) member.receive(undefined, chunk)
    } catch (error) {
      member.abort(error as Error)
    }
    this.#paceSoon()
    return true
  }

  /** Whether others can join. */
  get isOpen(): boolean {
    return this.#beginning !== undefined
  }

  /** What is wanted elsewhere has changed. */
  reconsider(): void {
    for (const member of [...this.#members]) member.reconsider()
    this.#paceSoon()
  }

  receive(chunk: Buffer): void {
    this.#receivedBytes += chunk.byteLength
    if (this.#receivedBytes > MAX_BEGINNING_BYTES) this.#beginning = undefined
    // Made before anybody is given the chunk, and might write into it.
    const shared = this.#beginning === undefined && this.#members.size < 2 ? undefined : new Uint8Array(chunk)
    if (shared !== undefined) this.#beginning?.push(shared)
    let original: Buffer | undefined = chunk
    for (const member of [...this.#members]) {
      member.receive(original, shared)
      original = undefined
    }
    this.#pace()
  }

  end(trailers: Head): void {
    this.#beginning = undefined
    const members = [...this.#members]
    this.#members.clear()
    for (const member of members) member.end(trailers)
  }

  fail(error: Error): void {
    this.#beginning = undefined
    const members = [...this.#members]
    this.#members.clear()
    for (const { client } of members) client.fail(error)
  }

  /** Has each get the rest in another way, after so many bytes. */
  handOver(take: (client: Client, offset: number) => void): void {
    this.#beginning = undefined
    const members = [...this.#members]
    this.#members.clear()
    for (const { client, deliveredBytes } of members) take(client, deliveredBytes)
  }

  #add(client: Client): Member {
    const member: Member = new Member(client, {
      paceChanged: () => this.#pace(),
      fellBehind: bufferedBytes => this.#considerLeaving(member, bufferedBytes),
      left: reason => {
        if (this.#members.delete(member)) this.#options.onLeft(reason)
        client.fail(reason)
        this.#paceSoon()
      }
    })
    this.#members.add(member)
    client.source = member
    return member
  }

  #considerLeaving(member: Member, bufferedBytes: number): boolean {
    if (bufferedBytes <= this.#options.maxBufferedBytes) return false
    // The only one there is sets the pace itself.
    const isAlone = this.#members.size === 1 && !this.#options.isWantedElsewhere()
    if (this.#leaveBehind === undefined || isAlone) return false
    this.#members.delete(member)
    this.#leaveBehind(member.client, member.deliveredBytes)
    return true
  }

  #pace(): void {
    let isWanted = this.#members.size === 0 || this.#options.isWantedElsewhere()
    let isTooMuch = false
    for (const { client, bufferedBytes } of this.#members) {
      isWanted ||= !client.paused
      isTooMuch ||= bufferedBytes > this.#options.maxBufferedBytes
    }
    const shouldPause = !isWanted || isTooMuch
    if (shouldPause === this.#isPaused) return
    this.#isPaused = shouldPause
    if (shouldPause) this.#options.upstream.pause()
    else this.#options.upstream.resume()
  }

  /** For what may happen in a callback of another response: undici bears no connection to be resumed while it parses what
   * comes by another. */
  #paceSoon(): void {
    void Promise.resolve().then(() => this.#pace())
  }
}

interface MemberEvents {
  paceChanged(): void
  /** True: it gets nothing more from here. */
  fellBehind(bufferedBytes: number): boolean
  left(reason: Error): void
}

/** One of an audience. */
class Member implements Source {
  readonly client: Client
  deliveredBytes = 0
  bufferedBytes = 0
  readonly #events: MemberEvents
  readonly #buffered: Uint8Array[] = []
  #trailers: Head | undefined
  #isFlushing = false
  /** It gets nothing more from here. */
  #isGone = false

  constructor(client: Client, events: MemberEvents) {
    this.client = client
    this.#events = events
  }

  pause(): void {
    this.#events.paceChanged()
  }

  resume(): void {
    this.#flush()
    this.#events.paceChanged()
  }

  abort(reason: Error): void {
    this.#isGone = true
    this.#buffered.length = 0
    this.bufferedBytes = 0
    this.#events.left(reason)
  }

  /** Of the two, `own` may be given away; the other is for all. */
  receive(own: Buffer | undefined, shared: Uint8Array | undefined): void {
    if (this.#isGone) return
    if (this.#buffered.length === 0 && !this.client.paused) {
      this.#deliver(own ?? Buffer.from(shared ?? []))
      return
    }
    const bytes = shared ?? new Uint8Array(own ?? [])
    this.#buffered.push(bytes)
    this.bufferedBytes += bytes.byteLength
    this.reconsider()
  }

  end(trailers: Head): void {
    this.#trailers = trailers
    this.#flush()
  }

  reconsider(): void {
    if (this.#isGone || !this.#events.fellBehind(this.bufferedBytes)) return
    this.#isGone = true
    this.#buffered.length = 0
  }

  #flush(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    while (!this.client.paused && !this.client.isFinished) {
      const bytes = this.#buffered.shift()
      if (bytes === undefined) break
      this.bufferedBytes -= bytes.byteLength
      this.#deliver(Buffer.from(bytes))
    }
    this.#isFlushing = false
    if (this.#trailers === undefined || this.#buffered.length > 0 || this.client.paused) return
    this.client.end(this.#trailers)
  }

  /** As in undici, a handler that throws ends its own response. */
  #deliver(bytes: Buffer): void {
    this.deliveredBytes += bytes.byteLength
    try {
      this.client.data(bytes)
    } catch (error) {
      this.abort(error as Error)
    }
  }
}
