import { clearTimeout, setTimeout } from 'node:timers'
import { monotonicMs } from '../../lib/event-loop.ts'
import { mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { Lease, LeaseAnswer } from '../../stores/store.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'
import type { DownstreamHandler, ResponseSource } from '../undici/downstream-handler.ts'
import type { Flight, Observer, Owner } from './flight.ts'

export interface LeaseAcquisitionOptions {
  readonly client: DownstreamHandler
  /** The flight of this request; others of this process follow it. */
  readonly flight: Flight
  /** Of the flight, and of the lease. */
  readonly name: string
  readonly leaseMs: number
  /** How long it waits for another process. */
  readonly timeoutMs: number
  readonly guard: StoreGuard
  /** The lease is held from now on. */
  hold(lease: Lease): void
  /** The lease is held, or was held by another process that is done. */
  lookUp(hasWaited: boolean): void
  /** The wait was in vain. */
  fetch(): void
}

const FIRST_PAUSE_MS = 20
const PAUSE_GROWTH = 1.5
const MAX_PAUSE_MS = 200
/** Processes do not ask in step. */
const JITTER = 0.25
/** Leases that begin before the mark of the last one has expired. */
const MAX_ROUNDS = 8

/** The longest time before a waiter asks again. */
export const LONGEST_PAUSE_MS = MAX_PAUSE_MS * (1 + JITTER)

/** Acquires the lease for a flight that has begun: waits until no other process fetches the same response. Where its own
 * client leaves, it goes on for the followers of the flight. */
export class LeaseAcquisition implements Owner, ResponseSource, Observer {
  readonly #options: LeaseAcquisitionOptions
  readonly #untilMs: number
  /** How often another process had just finished. */
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

  // Owner, and observer of its own flight, which others may settle

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
    else this.#proceed('fetch')
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
        return this.#proceed('fetch')
      case 'held':
        return this.#wait()
      case 'done':
        return this.#hasWaited || this.#round === MAX_ROUNDS ? this.#proceed('lookUp') : this.#askInNextRound()
      case 'unshared':
        flight.observer = undefined
        flight.shareWithNobody()
        flight.settle('nothing')
        return this.#proceed('lookUp')
      default:
        hold(answer)
        return this.#proceed('lookUp')
    }
  }

  /** Asks for the lease of the next round: nothing was found stored, though another process is done. What it stored has been
   * deleted since, or came after the lookup. Requests that find this take the lease in turn, apart from those that have
   * waited and are to learn that it is done. */
  #askInNextRound(): void {
    this.#round++
    this.#ask()
  }

  #wait(): void {
    const leftMs = this.#untilMs - monotonicMs()
    if (leftMs <= 0) return this.#proceed('fetch')
    this.#hasWaited = true
    const pauseMs = this.#pauseMs * (1 - JITTER + 2 * JITTER * Math.random())
    this.#pauseMs = Math.min(this.#pauseMs * PAUSE_GROWTH, MAX_PAUSE_MS)
    this.#timer = setTimeout(() => this.#ask(), Math.min(pauseMs, leftMs))
  }

  #proceed(way: 'lookUp' | 'fetch'): void {
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
