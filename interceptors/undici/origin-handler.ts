import type { Duplex } from 'node:stream'
import { clearTimeout, setTimeout } from 'node:timers'
import type { Dispatcher } from 'undici'
import type { FieldLines } from '../../lib/rfc9111/types.ts'
import { nobodyWaits, type ResponseSource } from './downstream-handler.ts'
import type { AnyHandler } from './handler-adapter.ts'
import { type HeaderObject, linesFrom, linesFromRaw, toHeaderObject } from './header-lines.ts'
import { isFromHttp2, isRecord } from './http2.ts'
import { hasEnded, respondingStream } from './http2-ends.ts'
import { LegacyController } from './legacy-controller.ts'

/** How much of a response that nobody reads is let through before its connection is given up. */
const MAX_DISCARDED_BYTES = 131_072
const MAX_DISCARDING_MS = 5_000

/** What the origin's side tells: each in its order, the last of them `ended` or `failed`. */
export interface OriginEvents {
  started(context: unknown): void
  informed(statusCode: number, statusText: string, lines: FieldLines): void
  upgraded(statusCode: number, lines: FieldLines, socket: Duplex): void
  responseStarted(): void
  bodySent(chunk: unknown): void
  requestSent(): void
  /** A promise holds back what follows until it is settled. */
  answered(statusCode: number, statusText: string, lines: FieldLines, isHttp2: boolean): Promise<void> | undefined
  received(chunk: Buffer): void
  /** `isWhole`: false where it was cut off, undefined where nobody can tell; of HTTP/2 alone. */
  ended(trailers: FieldLines, isWhole?: boolean): void
  failed(error: Error): void
}

/** The only handler that sees what comes from the origin, by either handler API. It keeps the order of events, joins the
 * reasons to pause, and swallows a response that is no longer wanted. */
export class OriginHandler implements ResponseSource {
  readonly #events: OriginEvents
  #controller: Dispatcher.DispatchController | undefined
  #abortReason: Error | undefined
  #cancelQueued: ((reason: Error) => void) | undefined
  #discarding = false
  #discardedBytes = 0
  #discardTimer: NodeJS.Timeout | undefined
  /** What came while the header section's promise was not settled. */
  #held: (() => void)[] | undefined
  #clientPaused = false
  #recorderPaused = false
  #over = false
  /** The final header section has come. */
  #answered = false
  #isHttp2 = false
  #stream: object | undefined
  #whenFree: (() => void) | undefined

  constructor(events: OriginEvents) {
    this.#events = events
  }

  // ResponseSource

  pause(): void {
    this.#clientPaused = true
    this.#controller?.pause()
  }

  resume(): void {
    this.#clientPaused = false
    this.#resumeIfFree()
  }

  abort(reason: Error): void {
    this.#abortReason = reason
    this.#cancelQueued?.(reason)
    this.#controller?.abort(reason)
    // Some dispatchers take their time to say so.
    this.#fail(reason)
  }

  pauseForStore(): void {
    this.#recorderPaused = true
    this.#controller?.pause()
  }

  resumeForStore(): void {
    this.#recorderPaused = false
    this.#resumeIfFree()
  }

  /** Whether the last event has been told. */
  get isOver(): boolean {
    return this.#over
  }

  /** Settles when neither the client nor the store asks to wait; undefined: they do not. */
  whenFree(): Promise<void> | undefined {
    if (this.#over || !(this.#clientPaused || this.#recorderPaused)) return undefined
    return new Promise(resolve => {
      this.#whenFree = resolve
    })
  }

  /** Lets the rest of the response go by unseen. */
  discard(): void {
    this.#discarding = true
    this.#clientPaused = false
    this.#recorderPaused = false
    this.#discardTimer ??= setTimeout(() => this.#controller?.abort(nobodyWaits()), MAX_DISCARDING_MS).unref()
    this.#resumeIfFree()
  }

  /** The request waits for a connection, and `cancel` takes it out of that queue. */
  onQueued(cancel: (reason: Error) => void): void {
    if (this.#abortReason === undefined) this.#cancelQueued = cancel
    else cancel(this.#abortReason)
  }

  // The new handler API

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#cancelQueued = undefined
    this.#controller = controller
    if (this.#abortReason !== undefined) {
      controller.abort(this.#abortReason)
      return
    }
    this.#events.started(context)
    if (this.#clientPaused || this.#recorderPaused) controller.pause()
  }

  onRequestUpgrade(_controller: unknown, statusCode: number, headers: HeaderObject, socket: Duplex): void {
    this.#over = true
    this.#events.upgraded(statusCode, linesFrom(headers, undefined), socket)
  }

  onResponseStarted(): void {
    this.#events.responseStarted()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController | null,
    statusCode: number,
    headers: HeaderObject,
    statusText?: string
  ): void {
    // Some interceptors of undici's give the header section twice to a request that is sent within another's.
    if (this.#over || this.#discarding || this.#answered) return
    const raw = controller?.rawHeaders
    const lines = linesFrom(headers, raw)
    if (statusCode < 200) {
      this.#events.informed(statusCode, statusText ?? '', lines)
      return
    }
    this.#answered = true
    const isHttp2 = isFromHttp2(raw, statusText, lines)
    this.#isHttp2 = isHttp2
    if (isHttp2) this.#stream = respondingStream()
    const settled = this.#events.answered(statusCode, statusText ?? '', lines, isHttp2)
    if (settled !== undefined) this.#hold(settled)
  }

  onResponseData(controller: Dispatcher.DispatchController | null, chunk: Buffer): void {
    if (this.#over) return
    if (this.#discarding) {
      this.#discardedBytes += chunk.byteLength
      if (this.#discardedBytes > MAX_DISCARDED_BYTES) controller?.abort(nobodyWaits())
    } else if (this.#held !== undefined) {
      this.#held.push(() => this.#events.received(chunk))
    } else {
      this.#events.received(chunk)
    }
  }

  onResponseEnd(controller: Dispatcher.DispatchController | null, trailers: HeaderObject): void {
    clearTimeout(this.#discardTimer)
    if (this.#over || this.#discarding) return
    const raw: unknown = controller?.rawTrailers
    // undici 7 gives the trailers of HTTP/2 in `rawTrailers` alone.
    const parsed = isRecord(raw) ? raw : trailers
    const lines = parsed == null ? [] : linesFrom(parsed, raw)
    const isWhole = this.#isHttp2 ? hasEnded(this.#stream) : true
    if (this.#held === undefined) this.#end(lines, isWhole)
    else this.#held.push(() => this.#end(lines, isWhole))
  }

  onResponseError(_controller: unknown, error: Error): void {
    clearTimeout(this.#discardTimer)
    if (this.#held === undefined) this.#fail(error)
    else this.#held.push(() => this.#fail(error))
  }

  // The legacy handler API, which dispatchers of undici 6 and before speak

  #resumeLegacy: (() => void) | undefined

  onConnect(abort: (reason?: Error) => void, context?: unknown): void {
    this.onRequestStart(new LegacyController(abort, () => this.#resumeLegacy?.()), context)
  }

  onHeaders(statusCode: number, rawHeaders: Buffer[], resume: () => void, statusText: string): boolean {
    this.#resumeLegacy = resume
    const controller = this.#legacyController()
    controller.rawHeaders = rawHeaders
    this.onResponseStart(controller, statusCode, toHeaderObject(linesFromRaw(rawHeaders)), statusText)
    return !controller.paused
  }

  onData(chunk: Buffer): boolean {
    this.onResponseData(this.#controller ?? null, chunk)
    return !this.#legacyController().paused
  }

  onComplete(rawTrailers: Buffer[]): void {
    const controller = this.#legacyController()
    controller.rawTrailers = rawTrailers ?? []
    this.onResponseEnd(controller, toHeaderObject(linesFromRaw(controller.rawTrailers)))
  }

  onError(error: Error): void {
    this.onResponseError(this.#controller, error)
  }

  onUpgrade(statusCode: number, rawHeaders: Buffer[], socket: Duplex): void {
    this.#over = true
    this.#events.upgraded(statusCode, linesFromRaw(rawHeaders), socket)
  }

  #legacyController(): LegacyController {
    return this.#controller as LegacyController
  }

  #hold(settled: Promise<void>): void {
    const held: (() => void)[] = []
    this.#held = held
    this.#controller?.pause()
    const release = () => {
      try {
        // What comes while these are told waits behind them.
        for (const event of held) if (!this.#discarding) event()
      } catch (error) {
        // A client's own, which nobody above waits for.
        this.#controller?.abort(error as Error)
        this.#fail(error as Error)
      }
      this.#held = undefined
      this.#resumeIfFree()
    }
    settled.then(release, error => {
      this.#held = undefined
      this.#controller?.abort(error)
      this.#fail(error)
    })
  }

  #resumeIfFree(): void {
    if (this.#clientPaused || this.#recorderPaused) return
    this.#whenFree?.()
    if (this.#held === undefined && !this.#over) this.#controller?.resume()
  }

  #end(trailers: FieldLines, isWhole: boolean | undefined): void {
    if (this.#over || this.#discarding) return
    this.#over = true
    this.#events.ended(trailers, isWhole)
  }

  #fail(error: Error): void {
    if (this.#over || this.#discarding) return
    this.#over = true
    this.#whenFree?.()
    this.#events.failed(error)
  }
}

/** One that tells what of the request has been sent as well: some dispatchers look whether a handler has these methods. */
export class SendingOriginHandler extends OriginHandler {
  readonly #events: OriginEvents

  constructor(events: OriginEvents) {
    super(events)
    this.#events = events
  }

  onBodySent(chunk: unknown): void {
    this.#events.bodySent(chunk)
  }

  onRequestSent(): void {
    this.#events.requestSent()
  }
}

/** The whole of it as undici's types have it. */
export function asDispatchHandler(handler: OriginHandler): AnyHandler {
  return handler as unknown as AnyHandler
}
