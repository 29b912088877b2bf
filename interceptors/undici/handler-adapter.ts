import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { CacheContext, OutcomeHolder } from '../outcome/outcome.ts'
import { DownstreamHandler, type ResponseHead } from './downstream-handler.ts'

/** The methods that handlers of either API may have. */
interface RequestHooks {
  onResponseStarted?(): void
  /** undici 8 calls these two on handlers of either API, undici 7 on none that has come through `compose`. */
  onBodySent?(chunk: unknown): void
  onRequestSent?(): void
}

/** Handlers of undici 7 and before. */
export interface LegacyHandler extends RequestHooks {
  onConnect?(abort: (reason?: Error) => void, context?: unknown): void
  onHeaders?(statusCode: number, rawHeaders: Buffer[], resume: () => void, statusText: string): boolean | undefined
  onData?(chunk: Buffer): boolean | undefined
  onComplete?(rawTrailers: Buffer[]): void
  onError?(error: Error): void
  onUpgrade?(statusCode: number, rawHeaders: Buffer[], socket: Duplex): void
}

/** A handler of either kind; undici 7's `compose` hands over objects that are both. */
export type AnyHandler = Dispatcher.DispatchHandler & LegacyHandler

/** Makes a DownstreamHandler of a handler of either API. One that has the legacy API is called by that: it then gets raw headers
 * as a flat list, and no wrapper folds several Set-Cookie lines into one. */
export function toDownstreamHandler(handler: AnyHandler, holder: OutcomeHolder | undefined): DownstreamHandler {
  return typeof handler.onHeaders === 'function' || typeof handler.onConnect === 'function'
    ? new LegacyDownstreamHandler(handler, holder)
    : new ModernDownstreamHandler(handler, holder)
}

/** Reads the optional methods, which undici 7's types leave out. */
function hooksOf(handler: object): RequestHooks {
  return handler
}

function hearsSending({ onBodySent, onRequestSent }: RequestHooks): boolean {
  return typeof onBodySent === 'function' || typeof onRequestSent === 'function'
}

class ModernDownstreamHandler extends DownstreamHandler {
  readonly #handler: Dispatcher.DispatchHandler
  #head: ResponseHead | undefined
  #trailers: ResponseHead | undefined
  #rawHeaders: Buffer[] | undefined

  constructor(handler: Dispatcher.DispatchHandler, holder: OutcomeHolder | undefined) {
    super(holder)
    this.#handler = handler
  }

  override get rawHeaders(): Buffer[] | null {
    this.#rawHeaders ??= this.#head?.rawHeaders()
    return this.#rawHeaders ?? null
  }

  /** Set by undici's own interceptors to the fields as they have changed them. */
  override set rawHeaders(lines: Buffer[] | null) {
    this.#rawHeaders = lines ?? []
  }

  override get rawTrailers(): Buffer[] | null {
    return this.#trailers?.rawHeaders() ?? null
  }

  responseStarted(): void {
    hooksOf(this.#handler).onResponseStarted?.()
  }

  get hearsSending(): boolean {
    return hearsSending(hooksOf(this.#handler))
  }

  bodySent(chunk: unknown): void {
    hooksOf(this.#handler).onBodySent?.(chunk)
  }

  requestSent(): void {
    hooksOf(this.#handler).onRequestSent?.()
  }

  upgrade(head: ResponseHead, socket: Duplex): void {
    this.isFinished = true
    this.#setHead(head)
    this.#handler.onRequestUpgrade?.(this, head.statusCode, head.headers(), socket)
  }

  protected deliverStart(context: CacheContext): void {
    this.#handler.onRequestStart?.(this, context)
  }

  protected deliverHead(head: ResponseHead): void {
    this.#setHead(head)
    this.#handler.onResponseStart?.(this, head.statusCode, head.headers(), head.statusText)
  }

  protected deliverData(chunk: Buffer): void {
    this.#handler.onResponseData?.(this, chunk)
  }

  protected deliverEnd(trailers: ResponseHead): void {
    this.#trailers = trailers
    this.#handler.onResponseEnd?.(this, trailers.headers())
  }

  protected deliverError(error: Error): void {
    this.#handler.onResponseError?.(this, error)
  }

  #setHead(head: ResponseHead): void {
    this.#head = head
    this.#rawHeaders = undefined
  }
}

class LegacyDownstreamHandler extends DownstreamHandler {
  readonly #handler: LegacyHandler

  constructor(handler: LegacyHandler, holder: OutcomeHolder | undefined) {
    super(holder)
    this.#handler = handler
  }

  responseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  get hearsSending(): boolean {
    return hearsSending(this.#handler)
  }

  bodySent(chunk: unknown): void {
    this.#handler.onBodySent?.(chunk)
  }

  requestSent(): void {
    this.#handler.onRequestSent?.()
  }

  upgrade(head: ResponseHead, socket: Duplex): void {
    this.isFinished = true
    this.#handler.onUpgrade?.(head.statusCode, head.rawHeaders(), socket)
  }

  protected deliverStart(context: CacheContext): void {
    this.#handler.onConnect?.(reason => this.abort(reason), context)
  }

  protected deliverHead(head: ResponseHead): void {
    const resume = () => this.resume()
    const taken = this.#handler.onHeaders?.(head.statusCode, head.rawHeaders(), resume, head.statusText)
    if (taken === false) this.pause()
  }

  protected deliverData(chunk: Buffer): void {
    if (this.#handler.onData?.(chunk) === false) this.pause()
  }

  protected deliverEnd(trailers: ResponseHead): void {
    this.#handler.onComplete?.(trailers.rawHeaders())
  }

  protected deliverError(error: Error): void {
    if (typeof this.#handler.onError !== 'function') throw error
    this.#handler.onError(error)
  }
}
