import { isUint8Array } from 'node:util/types'
import { nextTurn } from '../../lib/event-loop.ts'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import { sliceBlocks } from '../../stores/shared/body-range.ts'
import { mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { Body, CacheStore, Stored } from '../../stores/store.ts'
import { DamagedBody, release } from './body-checks.ts'
import { checkedBody } from './contract-checks.ts'
import { type Guarded, mapGuarded } from './guarded.ts'
import { NONE, type StoreCalls } from './store-calls.ts'
import { type StoreDeadline, tooLate, withDeadline } from './store-deadline.ts'

/** How many empty pieces of a body are read in one turn of the event loop. */
const EMPTY_IN_A_TURN = 16

/** Opens and reads stored bodies. */
export class GuardedBodies {
  readonly #store: CacheStore
  readonly #calls: StoreCalls

  constructor(store: CacheStore, calls: StoreCalls) {
    this.#store = store
    this.#calls = calls
  }

  /** Opens so much of a stored body, all of it by default; undefined where it cannot be had. The bytes are the caller's own
   * where `stored` has `take`. */
  open(stored: Stored, range?: ByteRange, deadline?: StoreDeadline): Guarded<Body | undefined> {
    if (!this.#calls.breakers.open.allows() || !this.#calls.breakers.read.allows()) return undefined
    if (range !== undefined && !this.#store.capabilities.ranges) return this.#openToCut(stored, range, deadline)
    return this.#open(stored, range, deadline)
  }

  /** Begins to read a body that comes in pieces. Throws what the store throws. */
  iterate(body: AsyncIterable<Uint8Array>): AsyncIterator<Uint8Array> {
    try {
      return body[Symbol.asyncIterator]()
    } catch (error) {
      this.#calls.report(error, 'read')
      throw error
    }
  }

  /** Reads the next piece of a body, empty ones apart. Rejects where the store fails, takes too long, or gives what is no
   * piece; that has been reported. */
  async read(
    iterator: AsyncIterator<Uint8Array>,
    deadline: StoreDeadline = this.#calls.newDeadline()
  ): Promise<IteratorResult<Uint8Array>> {
    const { timeoutMs } = this.#calls
    const longestMs = deadline.remainingMs()
    try {
      let remainingMs = longestMs
      for (let emptyCount = 0; ; emptyCount++) {
        // Those that are there at once would keep everything else waiting.
        if (emptyCount % EMPTY_IN_A_TURN === EMPTY_IN_A_TURN - 1) await nextTurn()
        const read = Promise.resolve(iterator.next())
        const next = await withDeadline(read, timeoutMs, 'read', undefined, remainingMs)
        if (typeof next !== 'object' || next === null) throw new DamagedBody('goes on with nothing')
        deadline.noteAnswer()
        if (next.done === true || !isEmpty(next.value)) {
          this.#calls.breakers.read.succeeded()
          return next
        }
        remainingMs = deadline.remainingMs()
        if (remainingMs === 0) throw tooLate(timeoutMs, 'read')
      }
    } catch (error) {
      this.#calls.failed('read', NONE, error, longestMs)
      throw error
    }
  }

  /** For a store that opens whole bodies only: those in memory are cut here. */
  #openToCut(stored: Stored, range: ByteRange, deadline: StoreDeadline | undefined): Guarded<Body | undefined> {
    return mapGuarded(this.#open(stored, undefined, deadline), body => {
      if (body === undefined || !(Symbol.asyncIterator in body)) return body && sliceBlocks([body].flat(), range)
      releaseBody(body)
      return undefined
    })
  }

  #open(stored: Stored, range: ByteRange | undefined, deadline: StoreDeadline | undefined): Guarded<Body | undefined> {
    const byteLength = range === undefined ? storedBytes(stored.entry) : range.end - range.start
    const open = () =>
      mapMaybe(stored.take === undefined ? stored.open(range) : stored.take(range), body =>
        checkedBody(body, byteLength)
      )
    return this.#calls.run<Body | undefined>('open', NONE, open, releaseBody, deadline)
  }
}

function isEmpty(piece: unknown): boolean {
  return isUint8Array(piece) && piece.byteLength === 0
}

/** Releases a body that nobody reads. Never throws. */
function releaseBody(body: Body | undefined): void {
  if (body === undefined || !(Symbol.asyncIterator in body)) return
  try {
    release(body[Symbol.asyncIterator]())
  } catch {
    // It holds nothing open.
  }
}
