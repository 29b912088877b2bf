import { requestDirectives } from '../../lib/rfc9111/directives.ts'
import { combinedValue } from '../../lib/rfc9111/fields.ts'
import { hasOriginConditions, hasOwnConditions } from '../../lib/rfc9111/preconditions.ts'
import type { CacheKey, Request } from '../../lib/rfc9111/types.ts'
import type { DispatchOptions } from '../undici/dispatch-options.ts'
import { ExpiringSet } from './expiring-set.ts'
import { Flight, mayCarry } from './flight.ts'
import { KeyedSets } from './keyed-sets.ts'

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
export class FlightRegistry {
  readonly #timeoutMs: number
  /** Those that may be joined. */
  readonly #flights = new Map<string, Flight>()
  /** The names of those, by key: a deletion looks at nothing else. */
  readonly #names = new KeyedSets<string>()
  readonly #all = new Set<Flight>()
  readonly #changes = new KeyedSets<Change>()
  readonly #storing = new Map<CacheKey, Promise<unknown>>()
  /** What was last seen not to be shareable. */
  readonly #unshared = new ExpiringSet(UNSHARED_MS, MAX_UNSHARED)

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

  /** Whether the last response of that name was for one alone, lately. */
  isUnshared(name: string): boolean {
    return this.#unshared.has(name)
  }

  /** Settles when it is known whether what has come for a key is stored; undefined: nothing is being stored. */
  storingOf(key: CacheKey): Promise<unknown> | undefined {
    return this.#storing.get(key)
  }

  /** All that will come for that key has come, and the store is at work on it. */
  noteStoring(key: CacheKey, stored: Promise<unknown>): void {
    this.#storing.set(key, stored)
    void stored.then(() => {
      if (this.#storing.get(key) === stored) this.#storing.delete(key)
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
      flight.observer?.overtaken()
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
      flight.observer?.overtaken()
    }
    for (const change of this.#changes.all()) {
      if (!mayCarry(change.key, tag)) continue
      this.#changes.delete(change.key, change)
      change.overtaken()
    }
  }

  /** Releases everybody. */
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
