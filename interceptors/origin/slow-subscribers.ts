import type { Entry, FieldLines } from '../../lib/rfc9111/types.ts'
import { type Reader, RestOfBody } from '../replay/resumed-body.ts'
import type { DownstreamHandler } from '../undici/downstream-handler.ts'
import { trailersHead } from '../undici/lines-head.ts'
import { eachInTurns } from './in-turns.ts'
import type { OriginServices } from './origin-services.ts'
import type { Beginning } from './shared-body.ts'
import { Straggler, type StragglerEvents } from './slow-subscriber.ts'
import type { OwnRequest } from './subscriber.ts'

export interface StragglersOptions {
  readonly services: Pick<OriginServices, 'bodies' | 'settings'>
  /** The response as each of them has got its header section. */
  readonly entry: Entry
  /** As what it is being stored; undefined: it is not. */
  readonly recorded: Entry | undefined
  /** It has become another matter whether any of them waits for the response. */
  changed(): void
}

/** Those who have fallen behind the others. Each gets the rest when it reads on: from the store, once that has it, and else
 * from the origin. */
export class Stragglers implements StragglerEvents {
  readonly #options: StragglersOptions
  /** Until it is known whether the response is stored. */
  readonly #waiting = new Set<Straggler>()
  /** How many of those are not paused. */
  #reading = 0
  #place: 'store' | 'origin' | undefined
  #byteLength: number | undefined
  #trailers: FieldLines = []

  constructor(options: StragglersOptions) {
    this.#options = options
    if (options.recorded === undefined) this.#place = 'origin'
  }

  /** Whether the response goes on for any of them. */
  get areWaiting(): boolean {
    return this.#waiting.size > 0
  }

  get areReading(): boolean {
    return this.#reading > 0
  }

  /** Takes over one that is paused. */
  add(client: DownstreamHandler, own: OwnRequest, beginning: Beginning): void {
    const straggler = new Straggler(client, own, beginning, this)
    if (this.#place === undefined) this.#waiting.add(straggler)
  }

  /** All has come. */
  complete(byteLength: number, trailers: FieldLines): void {
    this.#byteLength = byteLength
    this.#trailers = trailers
  }

  /** It is known where the rest can be had; later calls change nothing. */
  settle(place: 'store' | 'origin'): void {
    if (this.#place !== undefined) return
    this.#place = place
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    this.#reading = 0
    eachInTurns(waiting, straggler => {
      if (straggler.isWaiting) this.wantsRest(straggler)
    })
  }

  changedPace(straggler: Straggler): void {
    if (!this.#waiting.has(straggler)) return
    this.#reading += straggler.client.paused ? -1 : 1
    this.#options.changed()
  }

  wantsRest(straggler: Straggler): void {
    if (straggler.offset === this.#byteLength) {
      this.#remove(straggler)
      straggler.finish(trailersHead(this.#trailers))
    } else if (this.#place === undefined) {
      straggler.waitAtMost(this.#options.services.settings.coalesceTimeoutMs)
    } else {
      straggler.release()
      if (this.#place === 'store') void this.#readFromStore(straggler)
      else this.#readFromOrigin(straggler, straggler.own)
    }
  }

  waitedInVain(straggler: Straggler): void {
    this.#remove(straggler)
    straggler.release()
    this.#readFromOrigin(straggler, straggler.own)
    this.#options.changed()
  }

  leftBehind(straggler: Straggler): void {
    if (this.#remove(straggler)) this.#options.changed()
  }

  #remove(straggler: Straggler): boolean {
    if (!this.#waiting.delete(straggler)) return false
    if (!straggler.client.paused) this.#reading--
    return true
  }

  async #readFromStore(straggler: Straggler): Promise<void> {
    const { client, own } = straggler
    const { services, recorded } = this.#options
    const goOn = (reader: Reader) => this.#readFromOrigin(reader, own)
    try {
      if (recorded !== undefined && (await services.bodies.readOn(straggler, recorded, own, goOn))) return
    } catch (error) {
      client.fail(error as Error)
    }
    if (!client.isFinished) goOn(straggler)
  }

  #readFromOrigin(reader: Reader, { ask, request }: OwnRequest): void {
    new RestOfBody(reader, this.#options.entry, ask, request.fields).send()
  }
}
