import { monotonicMs } from '../../lib/event-loop.ts'
import { requestDirectives } from '../../lib/rfc9111/directives.ts'
import { combinedValue } from '../../lib/rfc9111/fields.ts'
import { originOfTag } from '../../lib/rfc9111/origin.ts'
import { hasOriginConditions, hasOwnConditions } from '../../lib/rfc9111/preconditions.ts'
import type { CacheKey, Entry, Request } from '../../lib/rfc9111/types.ts'
import { eachInTurns } from '../origin/in-turns.ts'
import type { OwnRequest } from '../origin/subscriber.ts'
import type { Outcome } from '../outcome/outcome.ts'
import type { DispatchOptions } from '../request/request-mapping.ts'
import type { DownstreamHandler, ResponseHead } from '../undici/downstream-handler.ts'
import { NamesForAWhile } from './expiring-set.ts'
import { SetsByKey } from './keyed-sets.ts'

/** How a flight ended for those who waited: with something stored that may serve them, or with nothing. */
export type Landing = 'stored' | 'nothing'

/** A response on its way, that others may read along with. */
export interface Stream {
  readonly entry: Entry
  /** Whether it is not too late to join. */
  isOpen(): boolean
  /** Gives the client the response from its first byte on; `own` is its own request. False: it is too late for that. */
  join(client: DownstreamHandler, own: OwnRequest, head: ResponseHead, outcome: Outcome): boolean
}

/** One that waits. */
export interface Passenger {
  /** The header section is there. True: it waits no longer. */
  streaming(stream: Stream): boolean
  /** What comes does not come on, and it is too late to read along. */
  givenUp(): void
  landed(landing: Landing): void
}

/** One that is told what becomes of a flight, and does not wait for what it brings. */
export interface Watcher {
  /** The header section is there. */
  seen(isShareable: boolean): void
  /** A deletion came: nothing of it will be stored. */
  overtaken(): void
  landed(landing: Landing): void
}

/** One that sees to a flight. */
export interface Crew {
  /** One waits, after a time in which nobody did. */
  someoneWaits(): void
  /** One that waited waits no longer. */
  someoneLeft(): void
}

interface FlightEvents {
  /** The header section is there. */
  seen(isShareable: boolean): void
  landed(flight: Flight): void
  /** Nobody waits for it any more. */
  released(flight: Flight): void
}

/** One request on its way to the origin, and those who wait for what it brings. */
export class Flight {
  crew: Crew | undefined
  watcher: Watcher | undefined
  readonly key: CacheKey
  readonly #waiting = new Set<Passenger>()
  readonly #events: FlightEvents
  #stream: Stream | undefined
  #streamsSinceMs = Infinity
  #isGivenUp = false
  #landing: Landing | undefined

  constructor(key: CacheKey, events: FlightEvents) {
    this.key = key
    this.#events = events
  }

  /** undefined while it is under way. */
  get landing(): Landing | undefined {
    return this.#landing
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
  board(passenger: Passenger): () => void {
    if (this.#stream !== undefined && passenger.streaming(this.#stream)) return () => {}
    this.#waiting.add(passenger)
    if (this.#waiting.size === 1) this.crew?.someoneWaits()
    return () => {
      if (this.#waiting.delete(passenger)) this.crew?.someoneLeft()
    }
  }

  /** The header section says that the response may be shared. `onDone`: all who have waited for it know. */
  share(stream: Stream, onDone: () => void): void {
    if (this.#landing !== undefined) return onDone()
    this.#stream = stream
    this.#streamsSinceMs = monotonicMs()
    this.#events.seen(true)
    this.watcher?.seen(true)
    const told = (passenger: Passenger) => {
      // What has landed meanwhile tells them more.
      if (this.#stream === undefined || !this.#waiting.has(passenger)) return
      if (passenger.streaming(stream)) this.#waiting.delete(passenger)
    }
    eachInTurns([...this.#waiting], told, onDone)
  }

  /** Who waits need not wait for the one who keeps it from coming on: the first of them leads the others. */
  giveUp(): void {
    this.#isGivenUp = true
    eachInTurns([...this.#waiting], passenger => {
      if (this.#waiting.delete(passenger)) passenger.givenUp()
    })
    this.crew?.someoneLeft()
  }

  /** The header section says that nobody else can use the response. */
  shareWithNobody(): void {
    this.#events.seen(false)
    this.watcher?.seen(false)
  }

  /** Releases everybody; later calls do nothing. `isUrgent`: within this turn of the event loop, however many they are. */
  land(landing: Landing, isUrgent = false): void {
    if (this.#landing !== undefined) {
      if (isUrgent) this.#release(this.#landing, true)
      return
    }
    this.#landing = landing
    this.#stream = undefined
    this.#events.landed(this)
    const { watcher } = this
    // A landed flight may be remembered for a while, by the map it was in: not so what saw to it, and to the response.
    this.crew = undefined
    this.watcher = undefined
    watcher?.landed(landing)
    this.#release(landing, isUrgent)
  }

  #release(landing: Landing, isUrgent: boolean): void {
    const waiting = [...this.#waiting]
    const release = (passenger: Passenger) => {
      if (this.#waiting.delete(passenger)) passenger.landed(landing)
    }
    const released = () => this.#events.released(this)
    if (!isUrgent) return eachInTurns(waiting, release, released)
    for (const passenger of waiting) release(passenger)
    released()
  }
}

/** A response to an unsafe request on its way, whose own deletion does not count against it. */
export interface Change {
  readonly key: CacheKey
  /** Something else has deleted what is stored for the key: it may have been about this response as well. */
  overtaken(): void
}

/** How long requests for what could not be shared are not joined again, and how many such are known. */
export const UNSHARED_MS = 30_000
const MAX_UNSHARED = 10_000

/** The flights under way. Of each name, see flightName(), one at the most can be joined. */
export class Flights {
  readonly #timeoutMs: number
  /** Those that may be joined. */
  readonly #flights = new Map<string, Flight>()
  /** The names of those, by key: a deletion looks at nothing else. */
  readonly #names = new SetsByKey<string>()
  readonly #all = new Set<Flight>()
  readonly #changes = new SetsByKey<Change>()
  readonly #landings = new Map<CacheKey, Promise<unknown>>()
  /** What was last seen not to be shareable. */
  readonly #unshared = new NamesForAWhile(UNSHARED_MS, MAX_UNSHARED)

  /** `timeoutMs`: how long anybody waits for a flight to land. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** The flight to join; undefined: there is none. */
  find(name: string): Flight | undefined {
    const flight = this.#flights.get(name)
    return flight?.isOverdue(this.#timeoutMs) ? undefined : flight
  }

  /** Begins a flight, which others find, unless the last response of that name was for one alone. */
  start(name: string, key: CacheKey): Flight {
    const flight = new Flight(key, {
      seen: isShareable => this.#saw(name, isShareable),
      landed: landed => {
        if (this.#flights.get(name) === landed) this.#remove(name, key)
      },
      released: released => this.#all.delete(released)
    })
    this.#all.add(flight)
    if (!this.isUnshared(name)) {
      this.#flights.set(name, flight)
      this.#names.add(key, name)
    }
    return flight
  }

  /** Whether the last response of that name was for one alone, lately. */
  isUnshared(name: string): boolean {
    return this.#unshared.has(name)
  }

  /** Settles when it is known whether what has come for a key is stored; undefined: nothing is being stored. */
  landingOf(key: CacheKey): Promise<unknown> | undefined {
    return this.#landings.get(key)
  }

  /** All that will come for that key has come, and the store is at work on it. */
  noteLanding(key: CacheKey, stored: Promise<unknown>): void {
    this.#landings.set(key, stored)
    void stored.then(() => {
      if (this.#landings.get(key) === stored) this.#landings.delete(key)
    })
  }

  /** Has the change told of what overtakes it, once, unless the returned function was called before. */
  watch(change: Change): () => void {
    this.#changes.add(change.key, change)
    return () => this.#changes.delete(change.key, change)
  }

  /** What is stored for the key, or everything, is being deleted: who asks from now on does not join what was asked for
   * before. The store's positions keep what that brings from being stored; a change has none, and is told, unless the
   * deletion is its own (`by`). */
  overtake(key?: CacheKey, by?: Change): void {
    for (const name of key === undefined ? [...this.#flights.keys()] : this.#names.of(key)) {
      const flight = this.#flights.get(name)
      if (flight === undefined) continue
      this.#remove(name, flight.key)
      flight.watcher?.overtaken()
    }
    for (const change of key === undefined ? this.#changes.all() : this.#changes.of(key)) {
      if (change === by) continue
      // Once is enough, however many changes of one key are under way.
      this.#changes.delete(change.key, change)
      change.overtaken()
    }
  }

  /** As `overtake()`, for what carries the tag: whoever is known not to goes on. */
  overtakeTagged(tag: string): void {
    for (const [name, flight] of [...this.#flights]) {
      if (!flight.mayCarry(tag)) continue
      this.#remove(name, flight.key)
      flight.watcher?.overtaken()
    }
    for (const change of this.#changes.all()) {
      if (!mayCarry(change.key, tag)) continue
      this.#changes.delete(change.key, change)
      change.overtaken()
    }
  }

  /** Releases everybody. */
  close(): void {
    for (const flight of [...this.#all]) flight.land('nothing', true)
  }

  #remove(name: string, key: CacheKey): void {
    this.#flights.delete(name)
    this.#names.delete(key, name)
  }

  #saw(name: string, isShareable: boolean): void {
    if (isShareable) this.#unshared.delete(name)
    else this.#unshared.add(name)
  }
}

/** Whether a response for that key may carry the tag, for all that is known before it is there: its origin. Where the key
 * holds another Host than the origin's, whatever its origin is called. */
function mayCarry(key: CacheKey, tag: string): boolean {
  const origin = originOfTag(tag)
  return origin === undefined || key.startsWith(`${origin}/`) || key.includes('|')
}

/** What requests that may share one fetch have in common, how long its body may pause among it; undefined for one that
 * wants an answer of its own. */
export function flightName(
  request: Request,
  { bodyTimeout = null }: Pick<DispatchOptions, 'bodyTimeout'>
): string | undefined {
  const { fields } = request
  if (fields['range'] !== undefined || hasOwnConditions(fields) || hasOriginConditions(fields)) return undefined
  const { noStore, noCache, maxAge } = requestDirectives(fields)
  if (noStore || noCache || maxAge === 0) return undefined
  const credentials = [combinedValue(fields, 'authorization') ?? null, combinedValue(fields, 'cookie') ?? null]
  return JSON.stringify([request.key, request.method, request.partition, bodyTimeout, ...credentials])
}
