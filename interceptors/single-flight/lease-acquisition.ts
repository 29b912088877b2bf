import { clearTimeout, setTimeout } from 'node:timers'
import { monotonicMs } from '../../lib/event-loop.ts'
import { mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { Lease, LeaseAnswer } from '../../stores/store.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'
import type { DownstreamHandler, ResponseSource } from '../undici/downstream-handler.ts'
import type { Flight, Observer, Owner } from './flight.ts'

export interface LeaseAcquisitionOptions {
  readonly client: DownstreamHandler
  /** Of this request; others of this process wait for it. */
  readonly flight: Flight
  /** Of the flight, and of the lease. */
  readonly name: string
  readonly leaseMs: number
  /** How long it waits for another process. */
  readonly timeoutMs: number
  readonly guard: StoreGuard
  /** The lease is held from now on. */
  hold(lease: Lease): void
  /** It is this one's turn, or what it waited for is over. */
  lookUp(hasWaited: boolean): void
  /** It has waited in vain. */
  fetch(): void
}

const FIRST_PAUSE_MS = 20
const PAUSE_GROWTH = 1.5
const MAX_PAUSE_MS = 200
/** Neighbours do not ask in step. */
const JITTER = 0.25
/** Of those that begin before the last one's word has been forgotten. */
const MAX_ROUNDS = 8

/** No longer than that passes before who waits asks again. */
export const LONGEST_PAUSE_MS = MAX_PAUSE_MS * (1 + JITTER)

/** A request that waits until no other process is fetching the same thing, in front of a flight that has begun. Where its
 * client leaves, it goes on for those of this process who wait for the flight. */
export class LeaseAcquisition implements Owner, ResponseSource, Observer {
  readonly #options: LeaseAcquisitionOptions
  readonly #untilMs: number
  /** How often what it asks for had just been done for others. */
  #round = 0
  #pauseMs = FIRST_PAUSE_MS
  #hasWaited = false
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(options: LeaseAcquisitionOptions) {
    this.#options = options
    this.#untilMs = monotonicMs() + options.timeoutMs
  }

  begin(): void {
    const { client, flight } = this.#options
    client.attach(this)
    flight.observer = this
    flight.owner = this
    this.#ask()
  }

  // Crew, and watcher of its own flight, which others may end

  someoneWaits(): void {}

  someoneLeft(): void {
    const { client, flight } = this.#options
    if (this.#isOver || !client.isFinished || flight.isAwaited) return
    this.#end()
    flight.settle('nothing')
  }

  seen(): void {}

  overtaken(): void {}

  settled(): void {
    if (this.#options.client.isFinished) this.#end()
    else this.#goOn('fetch')
  }

  // ResponseSource

  pause(): void {}

  resume(): void {}

  abort(reason: Error): void {
    this.#options.client.fail(reason)
    this.someoneLeft()
  }

  #ask(): void {
    const { guard, name, leaseMs } = this.#options
    const lease = this.#round === 0 ? name : `${name} ${this.#round}`
    void mapMaybe(guard.lease(lease, leaseMs), answer => this.#answered(answer))
  }

  #answered(answer: LeaseAnswer | undefined): void {
    const { guard, flight, hold } = this.#options
    if (this.#isOver) {
      if (typeof answer === 'object') void guard.release(answer)
      return
    }
    switch (answer) {
      case undefined:
        return this.#goOn('fetch')
      case 'held':
        return this.#wait()
      case 'done':
        return this.#hasWaited || this.#round === MAX_ROUNDS ? this.#goOn('lookUp') : this.#askInNextRound()
      case 'unshared':
        flight.observer = undefined
        flight.shareWithNobody()
        flight.settle('nothing')
        return this.#goOn('lookUp')
      default:
        hold(answer)
        return this.#goOn('lookUp')
    }
  }

  /** It has found nothing stored, and waits for nobody: what was done has been deleted since, or came after its lookup.
   * Those who come like this take turns like the first, but not with those who have waited, and are to hear that it is
   * done. */
  #askInNextRound(): void {
    this.#round++
    this.#ask()
  }

  #wait(): void {
    const leftMs = this.#untilMs - monotonicMs()
    if (leftMs <= 0) return this.#goOn('fetch')
    this.#hasWaited = true
    const pauseMs = this.#pauseMs * (1 - JITTER + 2 * JITTER * Math.random())
    this.#pauseMs = Math.min(this.#pauseMs * PAUSE_GROWTH, MAX_PAUSE_MS)
    this.#timer = setTimeout(() => this.#ask(), Math.min(pauseMs, leftMs))
  }

  #goOn(way: 'lookUp' | 'fetch'): void {
    if (this.#isOver) return
    const { client, flight } = this.#options
    this.#end()
    if (client.isFinished && !flight.isAwaited) return flight.settle('nothing')
    if (!client.isFinished) client.detach()
    try {
      this.#options[way](this.#hasWaited)
    } catch (error) {
      flight.settle('nothing')
      client.fail(error as Error)
    }
  }

  #end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    const { flight } = this.#options
    if (flight.observer === this) flight.observer = undefined
  }
}
