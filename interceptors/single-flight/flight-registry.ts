import { requestDirectives } from '../../lib/rfc9111/directives.ts'
import { combinedValue } from '../../lib/rfc9111/fields.ts'
import { hasOriginConditions, hasOwnConditions } from '../../lib/rfc9111/preconditions.ts'
import type { CacheKey, Request } from '../../lib/rfc9111/types.ts'
import type { DispatchOptions } from '../undici/dispatch-options.ts'
import { ExpiringSet } from './expiring-set.ts'
import { Flight, mayCarry } from './flight.ts'
import { KeyedSets } from './keyed-sets.ts'

/** An unsafe request that is under way; its own deletion does not count against its response. */
export interface Change {
  readonly key: CacheKey
  /** Something else has deleted what is stored for the key; the deletion may be about this response as well. */
  overtaken(): void
}

/** How long a response that could not be shared keeps later requests for it apart, and how many such are remembered. */
export const UNSHARED_MS = 30_000
const MAX_UNSHARED = 10_000

/** The flights that are under way. Of each name (see flightName()) at most one can be followed. */
export class FlightRegistry {
  readonly #timeoutMs: number
  /** Flights that can be followed, by name. */
  readonly #flights = new Map<string, Flight>()
  /** Their names by key, for deletions. */
  readonly #names = new KeyedSets<string>()
  readonly #all = new Set<Flight>()
  readonly #changes = new KeyedSets<Change>()
  readonly #storing = new Map<CacheKey, Promise<unknown>>()
  /** Names whose last response could not be shared. */
  readonly #unshared = new ExpiringSet(UNSHARED_MS, MAX_UNSHARED)

  /** `timeoutMs`: how long a follower waits for a response to be stored. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Finds the flight to follow. */
  find(name: string): Flight | undefined {
    const flight = this.#flights.get(name)
    return flight?.isOverdue(this.#timeoutMs) ? undefined : flight
  }

  /** Starts a flight. Others find it, unless the last response of that name could not be shared. */
  start(name: string, key: CacheKey): Flight {
    const flight = new Flight(key, {
      seen: isShareable => this.#saw(name, isShareable),
      settled: settled => {
        if (this.#flights.get(name) === settled) this.#remove(name, key)
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

  /** Whether the last response of that name, not long ago, could not be shared. */
  isUnshared(name: string): boolean {
    return this.#unshared.has(name)
  }

  /** Settles when it is known whether a complete response for the key is stored; undefined: none is being stored. */
  storingOf(key: CacheKey): Promise<unknown> | undefined {
    return this.#storing.get(key)
  }

  /** Notes that a complete response for the key is being stored. */
  noteStoring(key: CacheKey, stored: Promise<unknown>): void {
    this.#storing.set(key, stored)
    void stored.then(() => {
      if (this.#storing.get(key) === stored) this.#storing.delete(key)
    })
  }

  /** Tells a change of the first deletion that overtakes it. The returned function ends that. */
  watch(change: Change): () => void {
    this.#changes.add(change.key, change)
    return () => this.#changes.delete(change.key, change)
  }

  /** What is stored for the key, or everything, is being deleted: later requests do not follow earlier flights. The store's
   * positions keep the responses of those from being stored; a change has no position, and is told, unless the deletion is
   * its own (`by`). */
  overtake(key?: CacheKey, by?: Change): void {
    for (const name of key === undefined ? [...this.#flights.keys()] : this.#names.of(key)) {
      const flight = this.#flights.get(name)
      if (flight === undefined) continue
      this.#remove(name, flight.key)
      flight.observer?.overtaken()
    }
    for (const change of key === undefined ? this.#changes.all() : this.#changes.of(key)) {
      if (change === by) continue
      // A change is told once.
      this.#changes.delete(change.key, change)
      change.overtaken()
    }
  }

  /** As `overtake()`, for responses that may carry the tag. */
  overtakeTagged(tag: string): void {
    for (const [name, flight] of [...this.#flights]) {
      if (!flight.mayCarry(tag)) continue
      this.#remove(name, flight.key)
      flight.observer?.overtaken()
    }
    for (const change of this.#changes.all()) {
      if (!mayCarry(change.key, tag)) continue
      this.#changes.delete(change.key, change)
      change.overtaken()
    }
  }

  /** Settles all flights, and releases all waiters. */
  close(): void {
    for (const flight of [...this.#all]) flight.settle('nothing', true)
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

/** Names what requests have in common that may share a response, `bodyTimeout` included; undefined: the request needs a
 * response of its own. */
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
