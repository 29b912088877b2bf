import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { type CacheContext, OUTCOME, type Outcome, type OutcomeHolder } from '../outcome/outcome.ts'
import type { HeaderObject } from './header-lines.ts'

/** Where a response comes from: the origin's connection, or the replay of a stored body. */
export interface ResponseSource {
  pause(): void
  resume(): void
  /** Ends the response; the source then calls `fail` of the handler. */
  abort(reason: Error): void
}

/** A response's header section in the form of either handler API, made when it is read. */
export interface ResponseHead {
  readonly statusCode: number
  readonly statusText: string
  headers(): HeaderObject
  rawHeaders(): Buffer[]
}

/** The handler that a request came with, whichever handler API it has. It is started once, gets one final header section, and
 * exactly one of `end` and `fail`; where its own `end` throws, it gets what it threw as well. For the current API it is the
 * controller, too. */
export abstract class DownstreamHandler implements Dispatcher.DispatchController {
  /** Whether the final header section has been delivered. */
  hasHead = false
  /** Whether `end` or `fail` has been delivered. */
  isFinished = false
  /** What the handler threw before the final header section: it is not a failure of the origin. */
  fault: unknown
  readonly #holder: OutcomeHolder
  /** Where the response comes from just now. */
  #source: ResponseSource | undefined
  #context: CacheContext | undefined
  #paused = false
  #aborted = false
  #reason: Error | null = null

  constructor(holder: OutcomeHolder | undefined) {
    this.#holder = holder ?? { outcome: undefined }
  }

  get isStarted(): boolean {
    return this.#context !== undefined
  }

  get paused(): boolean {
    return this.#paused
  }

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): Error | null {
    return this.#reason
  }

  get rawHeaders(): Buffer[] | null {
    return null
  }

  get rawTrailers(): Buffer[] | null {
    return null
  }

  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#source?.pause()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#source?.resume()
  }

  abort(reason?: Error): void {
    if (this.#aborted || this.isFinished) return
    this.#aborted = true
    this.#reason = reason ?? abortError()
    if (this.#source === undefined) this.fail(this.#reason)
    else this.#source.abort(this.#reason)
  }

  /** Takes the response from `source` from now on, which is paused where the handler has paused. False: the handler takes
   * nothing more, and the source has been aborted. */
  attach(source: ResponseSource): boolean {
    if (this.isFinished || this.#aborted) {
      source.abort(this.#reason ?? nobodyWaits())
      return false
    }
    this.#source = source
    if (this.#paused) source.pause()
    return true
  }

  /** Nothing more comes from the source: an abort ends the response by itself. */
  detach(): void {
    this.#source = undefined
  }

  /** Announces the request, with what an inner dispatcher has put into its context; a later call only adds that. */
  start(inner?: object): void {
    const fromCache = this.#holder.outcome?.fromCache ?? false
    if (this.#context !== undefined) {
      Object.assign(this.#context, inner, { fromCache, [OUTCOME]: this.#holder })
      return
    }
    const own = { fromCache, [OUTCOME]: this.#holder }
    this.#context = inner === undefined ? own : Object.assign({}, inner, own)
    try {
      this.deliverStart(this.#context)
    } catch (error) {
      this.fault = error
      throw error
    }
  }

  /** Puts the outcome into the context. */
  settle(outcome: Outcome): void {
    this.#holder.outcome = outcome
    if (this.#context !== undefined) this.#context.fromCache = outcome.fromCache
  }

  info(head: ResponseHead): void {
    try {
      this.deliverHead(head)
    } catch (error) {
      this.fault = error
      throw error
    }
  }

  head(head: ResponseHead): void {
    if (this.isFinished) return
    this.hasHead = true
    this.deliverHead(head)
  }

  data(chunk: Buffer): void {
    if (this.isFinished) return
    this.deliverData(chunk)
  }

  end(trailers: ResponseHead): void {
    if (this.isFinished) return
    this.isFinished = true
    try {
      this.deliverEnd(trailers)
    } catch (error) {
      // As undici does; its retry handler throws here to be told to try again.
      this.deliverError(error as Error)
    }
  }

  fail(error: Error): void {
    if (this.isFinished) return
    this.isFinished = true
    this.deliverError(error)
  }

  abstract upgrade(head: ResponseHead, socket: Duplex): void
  abstract responseStarted(): void
  /** Whether the handler wants to know what of its request has been sent. */
  abstract get hearsSending(): boolean
  abstract bodySent(chunk: unknown): void
  abstract requestSent(): void
  protected abstract deliverStart(context: CacheContext): void
  protected abstract deliverHead(head: ResponseHead): void
  protected abstract deliverData(chunk: Buffer): void
  protected abstract deliverEnd(trailers: ResponseHead): void
  protected abstract deliverError(error: Error): void
}

/** Starts a handler, unless it has been started. One that throws at this aborts its own request, as in undici. */
export function startOnce(client: DownstreamHandler): void {
  if (client.isStarted) return
  try {
    client.start()
  } catch (error) {
    client.abort(error as Error)
  }
}

/** Makes the reason to abort a source whose response nobody reads any more. */
export function nobodyWaits(): Error {
  return new Error('nobody waits for the response')
}

/** Makes the error that undici gives where a request is aborted without a reason. */
function abortError(): Error {
  return Object.assign(new Error('Request aborted'), { name: 'AbortError', code: 'UND_ERR_ABORTED' })
}
