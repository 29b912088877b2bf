import { clearTimeout, setTimeout } from 'node:timers'
import type { Outcome } from '../outcome/outcome.ts'
import type { FlightResult, StandaloneRequest } from '../request/request-context.ts'
import type { DownstreamHandler, ResponseHead, ResponseSource } from '../undici/downstream-handler.ts'
import { soon } from '../undici/soon.ts'
import type { Flight, Stream, Waiter } from './flight.ts'

/** What a follower can use of a response that is being received: the response itself, what is stored of it later, or
 * nothing. */
export type Share = { readonly head: ResponseHead; readonly outcome: Outcome } | 'once stored' | 'nothing'

export interface FollowerOptions {
  readonly client: DownstreamHandler
  readonly own: StandaloneRequest
  readonly flight: Flight
  /** How long it waits for the header section. */
  readonly headersTimeoutMs: number
  /** How long it waits after that for a response that it cannot share. */
  readonly storingTimeoutMs: number
  shareOf(stream: Stream): Share
  /** The response is stored. */
  lookUp(): void
  /** The wait was in vain. */
  fetch(): void
  /** The response takes too long to be stored. */
  fetchAnew(): void
}

/** A request that waits for the response to another one, and shares it as soon as its header section is there. */
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

  // Waiter

  streaming(stream: Stream): boolean {
    if (this.#isDone) return true
    const { client, own, storingTimeoutMs } = this.#options
    const share = this.#attempt(() => this.#options.shareOf(stream)) ?? 'nothing'
    if (typeof share === 'object' && stream.join(client, own, share.head, share.outcome)) {
      this.#end()
      return true
    }
    if (share === 'nothing') {
      this.#release('fetch')
      return true
    }
    this.#waitAtMost(storingTimeoutMs, 'fetchAnew')
    return false
  }

  givenUp(): void {
    this.#release('fetchAnew')
  }

  settled(result: FlightResult): void {
    this.#release(result === 'stored' ? 'lookUp' : 'fetch')
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
      this.#release(then)
      this.#leave?.()
    }, timeoutMs)
  }

  /** Ends the wait, and goes on in a later turn: nothing is sent within a callback of another response. */
  #release(way: 'lookUp' | 'fetch' | 'fetchAnew'): void {
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
