import { requestDirectives } from '../lib/rfc9111/directives.ts'
import { combinedValue } from '../lib/rfc9111/fields.ts'
import { hasOriginConditions, hasOwnConditions } from '../lib/rfc9111/preconditions.ts'
import type { CacheKey, Request } from '../lib/rfc9111/types.ts'

/** How a flight ended for those who waited: with something stored that may serve them, or with nothing. */
export type Landing = 'stored' | 'nothing'

/** One request on its way to the origin, and those who wait for what it brings. */
export class Flight {
  readonly #land: (flight: Flight) => void
  readonly #waiting = new Set<(landing: Landing) => void>()
  #timer: NodeJS.Timeout | undefined
  #landing: Landing | undefined

  constructor(land: (flight: Flight) => void) {
    this.#land = land
  }

  /** undefined while it is under way. */
  get landing(): Landing | undefined {
    return this.#landing
  }

  /** Called back once, when the flight has landed; not after the returned function was called. */
  wait(listener: (landing: Landing) => void): () => void {
    this.#waiting.add(listener)
    return () => {
      this.#waiting.delete(listener)
    }
  }

  /** The header section is there and the body under way: nobody waits much longer, whatever the leader's reader does. */
  headArrived(timeoutMs: number): void {
    if (this.#landing !== undefined) return
    this.#timer = setTimeout(() => this.land('nothing'), timeoutMs)
  }

  /** Releases everybody at once; later calls do nothing. */
  land(landing: Landing): void {
    if (this.#landing !== undefined) return
    this.#landing = landing
    clearTimeout(this.#timer)
    this.#land(this)
    const listeners = [...this.#waiting]
    this.#waiting.clear()
    for (const listener of listeners) listener(landing)
  }
}

/** The flights under way: one for each key, method and credentials. */
export class Flights {
  readonly #flights = new Map<string, Flight>()
  readonly #landings = new Map<CacheKey, Promise<unknown>>()

  find(name: string): Flight | undefined {
    return this.#flights.get(name)
  }

  start(name: string): Flight {
    const flight = new Flight(landed => {
      if (this.#flights.get(name) === landed) this.#flights.delete(name)
    })
    this.#flights.set(name, flight)
    return flight
  }

  /** What came for a key whole, and is being stored; undefined: nothing. Settles when it is known whether it is. */
  landingOf(key: CacheKey): Promise<unknown> | undefined {
    return this.#landings.get(key)
  }

  /** The response for that key has come whole, and the store is at work on it. */
  isLanding(key: CacheKey, stored: Promise<unknown>): void {
    this.#landings.set(key, stored)
    void stored.then(() => {
      if (this.#landings.get(key) === stored) this.#landings.delete(key)
    })
  }

  /** Releases everybody. */
  close(): void {
    for (const flight of [...this.#flights.values()]) flight.land('nothing')
  }
}

/** What requests that may share one fetch have in common; undefined for one that wants an answer of its own. */
export function flightName(request: Request): string | undefined {
  const { fields } = request
  if (fields['range'] !== undefined || hasOwnConditions(fields) || hasOriginConditions(fields)) return undefined
  const { noStore, noCache, maxAge } = requestDirectives(fields)
  if (noStore || noCache || maxAge === 0) return undefined
  const credentials = [combinedValue(fields, 'authorization') ?? null, combinedValue(fields, 'cookie') ?? null]
  return JSON.stringify([request.method, request.key, request.partition, ...credentials])
}
