import { clearTimeout, setTimeout } from 'node:timers'
import type { Outcome } from '../outcome/outcome.ts'
import type { FlightResult, StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler, ResponseHead, ResponseSource } from '../undici/downstream-handler.ts'
import { soon } from '../undici/soon.ts'
import type { Flight, Stream, Waiter } from './flight.ts'

/** What a follower can be given of a response on its way: itself, what is made of it once it is stored, or nothing. */
export type Share = { readonly head: ResponseHead; readonly outcome: Outcome } | 'once stored' | 'nothing'

export interface FollowerOptions {
  readonly client: DownstreamHandler
  readonly own: StandaloneRequest
  readonly flight: Flight
  /** How long it waits for the header section. */
  readonly headersTimeoutMs: number
  /** How long it waits, beyond that, for what it cannot read along with. */
  readonly storingTimeoutMs: number
  shareOf(stream: Stream): Share
  /** What came is stored. */
  lookUp(): void
  /** It has waited in vain. */
  fetch(): void
  /** What it has waited for takes too long to be stored. */
  fetchAnew(): void
}

/** A request that waits for what another has already been sent for, and reads along as soon as there is something. */
export class Follower implements Waiter, ResponseSource {
  readonly #options: FollowerOptions
  #leave: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #isDone = false

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  wait(): void {
    const { client, flight, headersTimeoutMs } = this.#options
    client.attach(this)
    this.#waitAtMost(headersTimeoutMs, 'fetch')
    this.#leave = flight.wait(this)
  }

  // Passenger

  streaming(stream: Stream): boolean {
    if (this.#isDone) return true
    const { client, own, storingTimeoutMs } = this.#options
    const share = this.#attempt(() => this.#options.shareOf(stream)) ?? 'nothing'
    if (typeof share === 'object' && stream.join(client, own, share.head, share.outcome)) {
      this.#end()
      return true
    }
    if (share === 'nothing') {
      this.#goOn('fetch')
      return true
    }
    this.#waitAtMost(storingTimeoutMs, 'fetchAnew')
    return false
  }

  givenUp(): void {
    this.#goOn('fetchAnew')
  }

  settled(result: FlightResult): void {
    this.#goOn(result === 'stored' ? 'lookUp' : 'fetch')
  }

  // ResponseSource

  pause(): void {}

  resume(): void {}

  abort(reason: Error): void {
    this.#end()
    this.#options.client.fail(reason)
    this.#leave?.()
  }

  #waitAtMost(timeoutMs: number, then: 'fetch' | 'fetchAnew'): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#goOn(then)
      this.#leave?.()
    }, timeoutMs)
  }

  /** Not at once: this may be a callback of another's response, within which nothing is sent. */
  #goOn(way: 'lookUp' | 'fetch' | 'fetchAnew'): void {
    if (this.#isDone) return
    this.#end()
    soon(() => {
      const { client } = this.#options
      if (client.isFinished) return
      client.detach()
      this.#attempt(() => this.#options[way]())
    })
  }

  #end(): void {
    this.#isDone = true
    clearTimeout(this.#timer)
  }

  #attempt<T>(action: () => T): T | undefined {
    try {
      return action()
    } catch (error) {
      this.#options.client.fail(error as Error)
      return undefined
    }
  }
}
