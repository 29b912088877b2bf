import { monotonicMs } from '../../lib/event-loop.ts'
import { originOfTag } from '../../lib/rfc9111/origin.ts'
import type { CacheKey, Entry } from '../../lib/rfc9111/types.ts'
import { forEachInSlices } from '../../lib/time-slices.ts'
import type { Outcome } from '../outcome/outcome.ts'
import type { FlightResult, FlightState, RequestContext, StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler, ResponseHead } from '../undici/downstream-handler.ts'

/** The context of a request that may wait for a flight, or lead one. */
export type FlightContext = RequestContext<Flight>

/** A response that is being received, and that others may share. */
export interface Stream {
  readonly entry: Entry
  /** Whether it is not too late to join. */
  isOpen(): boolean
  /** Gives the client the response from its first byte on; `own` is its own request. False: it is too late. */
  join(client: DownstreamHandler, own: StandaloneRequest, head: ResponseHead, outcome: Outcome): boolean
}

/** A request that waits for a flight. */
export interface Waiter {
  /** Called with the header section. True: the wait is over. */
  streaming(stream: Stream): boolean
  /** The response has stalled, and it is too late to share it. */
  givenUp(): void
  settled(result: FlightResult): void
}

/** Observes a flight without waiting for its response. */
export interface Observer {
  /** Called with the header section. */
  seen(isShareable: boolean): void
  /** A deletion has come: the response will not be stored. */
  overtaken(): void
  settled(result: FlightResult): void
}

/** Whoever sends the request of a flight. */
export interface Owner {
  /** There is a waiter, where there was none. */
  someoneWaits(): void
  /** A waiter has left. */
  someoneLeft(): void
}

interface FlightEvents {
  /** Called with the header section. */
  seen(isShareable: boolean): void
  settled(flight: Flight): void
  /** All waiters have been released. */
  released(flight: Flight): void
}

/** One request to the origin, and the requests that wait for its response. */
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

  /** Whether it is too late to share the response, and it takes longer than anybody waits for it to be stored. */
  isOverdue(timeoutMs: number): boolean {
    if (this.#isGivenUp) return true
    return this.#stream?.isOpen() === false && monotonicMs() > this.#streamsSinceMs + timeoutMs
  }

  /** Whether its response may carry the tag. */
  mayCarry(tag: string): boolean {
    return this.#stream === undefined ? mayCarry(this.key, tag) : this.#stream.entry.tags.includes(tag)
  }

  get isAwaited(): boolean {
    return this.#waiting.size > 0
  }

  /** Adds a waiter; it is told at once of a response that is there already. The returned function removes it. */
  wait(waiter: Waiter): () => void {
    if (this.#stream !== undefined && waiter.streaming(this.#stream)) return () => {}
    this.#waiting.add(waiter)
    if (this.#waiting.size === 1) this.owner?.someoneWaits()
    return () => {
      if (this.#waiting.delete(waiter)) this.owner?.someoneLeft()
    }
  }

  /** The header section permits sharing. `onDone` is called when all waiters have been told. */
  share(stream: Stream, onDone: () => void): void {
    if (this.#result !== undefined) return onDone()
    this.#stream = stream
    this.#streamsSinceMs = monotonicMs()
    this.#events.seen(true)
    this.observer?.seen(true)
    const told = (waiter: Waiter) => {
      // A result that came meanwhile tells them more.
      if (this.#stream === undefined || !this.#waiting.has(waiter)) return
      if (waiter.streaming(stream)) this.#waiting.delete(waiter)
    }
    forEachInSlices([...this.#waiting], told, onDone)
  }

  /** Releases the waiters from a response that a stalled reader holds up: the first of them leads the others. */
  giveUp(): void {
    this.#isGivenUp = true
    forEachInSlices([...this.#waiting], waiter => {
      if (this.#waiting.delete(waiter)) waiter.givenUp()
    })
    this.owner?.someoneLeft()
  }

  /** The header section forbids sharing. */
  shareWithNobody(): void {
    this.#events.seen(false)
    this.observer?.seen(false)
  }

  /** Settles the flight, and releases all waiters; later calls do nothing. `isUrgent`: within this turn of the event loop,
   * however many there are. */
  settle(result: FlightResult, isUrgent = false): void {
    if (this.#result !== undefined) {
      if (isUrgent) this.#release(this.#result, true)
      return
    }
    this.#result = result
    this.#stream = undefined
    this.#events.settled(this)
    const { observer } = this
    // A settled flight may be referred to for a while; its owner and observer need not be.
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

/** Whether a response for the key may carry the tag, before there is a response: its origin decides. A key with a Host of its
 * own may carry any. */
export function mayCarry(key: CacheKey, tag: string): boolean {
  const origin = originOfTag(tag)
  return origin === undefined || key.startsWith(`${origin}/`) || key.includes('|')
}
