import { monotonicMs } from '../../lib/event-loop.ts'
import { originOfTag } from '../../lib/rfc9111/origin.ts'
import type { CacheKey, Entry } from '../../lib/rfc9111/types.ts'
import { forEachInSlices } from '../../lib/time-slices.ts'
import type { Outcome } from '../outcome/outcome.ts'
import type { FlightResult, FlightState, RequestContext, StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler, ResponseHead } from '../undici/downstream-handler.ts'

/** The context of a request that may wait for a flight, or lead one. */
export type FlightContext = RequestContext<Flight>

/** A response on its way, that others may read along with. */
export interface Stream {
  readonly entry: Entry
  /** Whether it is not too late to join. */
  isOpen(): boolean
  /** Gives the client the response from its first byte on; `own` is its own request. False: it is too late for that. */
  join(client: DownstreamHandler, own: StandaloneRequest, head: ResponseHead, outcome: Outcome): boolean
}

/** One that waits. */
export interface Waiter {
  /** The header section is there. True: it waits no longer. */
  streaming(stream: Stream): boolean
  /** What comes does not come on, and it is too late to read along. */
  givenUp(): void
  settled(result: FlightResult): void
}

/** One that is told what becomes of a flight, and does not wait for what it brings. */
export interface Observer {
  /** The header section is there. */
  seen(isShareable: boolean): void
  /** A deletion came: nothing of it will be stored. */
  overtaken(): void
  settled(result: FlightResult): void
}

/** One that sees to a flight. */
export interface Owner {
  /** One waits, after a time in which nobody did. */
  someoneWaits(): void
  /** One that waited waits no longer. */
  someoneLeft(): void
}

interface FlightEvents {
  /** The header section is there. */
  seen(isShareable: boolean): void
  settled(flight: Flight): void
  /** Nobody waits for it any more. */
  released(flight: Flight): void
}

/** One request on its way to the origin, and those who wait for what it brings. */
export class Flight implements FlightState {
  owner: Owner | undefined
  observer: Observer | undefined
  readonly key: CacheKey
  readonly #waiting = new Set<Waiter>()
  readonly #events: FlightEvents
  #stream: Stream | undefined
  #streamsSinceMs = Infinity
  #isGivenUp = false
  #result: FlightResult | undefined

  constructor(key: CacheKey, events: FlightEvents) {
    this.key = key
    this.#events = events
  }

  /** undefined while it is under way. */
  get result(): FlightResult | undefined {
    return this.#result
  }

  /** Whether it is too late to read along, and has been on its way for longer than anybody waits for the rest of it. */
  isOverdue(timeoutMs: number): boolean {
    if (this.#isGivenUp) return true
    return this.#stream?.isOpen() === false && monotonicMs() > this.#streamsSinceMs + timeoutMs
  }

  /** Whether what it brings may carry the tag. */
  mayCarry(tag: string): boolean {
    return this.#stream === undefined ? mayCarry(this.key, tag) : this.#stream.entry.tags.includes(tag)
  }

  get isAwaited(): boolean {
    return this.#waiting.size > 0
  }

  /** Has the passenger told of what comes, at once of what is there already; not after the returned function was called. */
  wait(waiter: Waiter): () => void {
    if (this.#stream !== undefined && waiter.streaming(this.#stream)) return () => {}
    this.#waiting.add(waiter)
    if (this.#waiting.size === 1) this.owner?.someoneWaits()
    return () => {
      if (this.#waiting.delete(waiter)) this.owner?.someoneLeft()
    }
  }

  /** The header section says that the response may be shared. `onDone`: all who have waited for it know. */
  share(stream: Stream, onDone: () => void): void {
    if (this.#result !== undefined) return onDone()
    this.#stream = stream
    this.#streamsSinceMs = monotonicMs()
    this.#events.seen(true)
    this.observer?.seen(true)
    const told = (waiter: Waiter) => {
      // What has landed meanwhile tells them more.
      if (this.#stream === undefined || !this.#waiting.has(waiter)) return
      if (waiter.streaming(stream)) this.#waiting.delete(waiter)
    }
    forEachInSlices([...this.#waiting], told, onDone)
  }

  /** Who waits need not wait for the one who keeps it from coming on: the first of them leads the others. */
  giveUp(): void {
    this.#isGivenUp = true
    forEachInSlices([...this.#waiting], waiter => {
      if (this.#waiting.delete(waiter)) waiter.givenUp()
    })
    this.owner?.someoneLeft()
  }

  /** The header section says that nobody else can use the response. */
  shareWithNobody(): void {
    this.#events.seen(false)
    this.observer?.seen(false)
  }

  /** Releases everybody; later calls do nothing. `isUrgent`: within this turn of the event loop, however many they are. */
  settle(result: FlightResult, isUrgent = false): void {
    if (this.#result !== undefined) {
      if (isUrgent) this.#release(this.#result, true)
      return
    }
    this.#result = result
    this.#stream = undefined
    this.#events.settled(this)
    const { observer } = this
    // A landed flight may be remembered for a while, by the map it was in: not so what saw to it, and to the response.
    this.owner = undefined
    this.observer = undefined
    observer?.settled(result)
    this.#release(result, isUrgent)
  }

  #release(result: FlightResult, isUrgent: boolean): void {
    const waiting = [...this.#waiting]
    const release = (waiter: Waiter) => {
      if (this.#waiting.delete(waiter)) waiter.settled(result)
    }
    const released = () => this.#events.released(this)
    if (!isUrgent) return forEachInSlices(waiting, release, released)
    for (const waiter of waiting) release(waiter)
    released()
  }
}

/** Whether a response for that key may carry the tag, for all that is known before it is there: its origin. Where the key
 * holds another Host than the origin's, whatever its origin is called. */
export function mayCarry(key: CacheKey, tag: string): boolean {
  const origin = originOfTag(tag)
  return origin === undefined || key.startsWith(`${origin}/`) || key.includes('|')
}
