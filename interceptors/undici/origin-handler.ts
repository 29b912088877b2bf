import type { Duplex } from 'node:stream'
import { clearTimeout, setTimeout } from 'node:timers'
import type { Dispatcher } from 'undici'
import type { FieldLines } from '../../lib/rfc9111/types.ts'
import { nobodyWaits, type ResponseSource } from './downstream-handler.ts'
import { type HeaderObject, linesFrom } from './header-lines.ts'
import { isFromHttp2, isRecord } from './http2.ts'
import { hasEnded, respondingStream } from './http2-ends.ts'
import { LinesHead } from './lines-head.ts'
import type { OriginEvents, RequestProgress } from './origin-events.ts'

/** How much of a discarded response is let through before its connection is closed. */
const MAX_DISCARDED_BYTES = 131_072
const MAX_DISCARDING_MS = 5_000

/** Sees what comes from the origin, and nobody else does. It keeps the order of events, joins the reasons to pause, and discards
 * a response that is no longer wanted. */
export class OriginHandler implements ResponseSource {
  readonly #events: OriginEvents
  readonly #progress: RequestProgress | undefined
  #controller: Dispatcher.DispatchController | undefined
  #abortReason: Error | undefined
  #cancelQueued: ((reason: Error) => void) | undefined
  #discarding = false
  #discardedBytes = 0
  #discardTimer: NodeJS.Timeout | undefined
  /** The events that came while the header section's promise was not settled. */
  #held: (() => void)[] | undefined
  #clientPaused = false
  #storePaused = false
  #over = false
  /** The final header section has come. */
  #answered = false
  #isHttp2 = false
  #stream: object | undefined
  #whenFree: (() => void) | undefined

  constructor(events: OriginEvents, progress: RequestProgress | undefined) {
    this.#events = events
    this.#progress = progress
  }

  protected get controller(): Dispatcher.DispatchController | undefined {
    return this.#controller
  }

  /** Who is told how the request gets on; undefined: nobody any more. */
  protected get progress(): RequestProgress | undefined {
    return this.#progress?.isFinished ? undefined : this.#progress
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
    this.#storePaused = true
    this.#controller?.pause()
  }

  resumeForStore(): void {
    this.#storePaused = false
    this.#resumeIfFree()
  }

  /** Whether the last event has been passed on. */
  get isOver(): boolean {
    return this.#over
  }

  /** Settles when neither the client nor the store pauses the response; undefined: neither does now. */
  whenFree(): Promise<void> | undefined {
    if (this.#over || !(this.#clientPaused || this.#storePaused)) return undefined
    return new Promise(resolve => {
      this.#whenFree = resolve
    })
  }

  /** Discards the rest of the response. */
  discard(): void {
    this.#discarding = true
    this.#clientPaused = false
    this.#storePaused = false
    this.#discardTimer ??= setTimeout(() => this.#controller?.abort(nobodyWaits()), MAX_DISCARDING_MS).unref()
    this.#resumeIfFree()
  }

  /** The request waits for a connection, and `cancel` takes it out of that queue. */
  onQueued(cancel: (reason: Error) => void): void {
    if (this.#abortReason === undefined) this.#cancelQueued = cancel
    else cancel(this.#abortReason)
  }

  // The current handler API

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#cancelQueued = undefined
    this.#controller = controller
    if (this.#abortReason !== undefined) {
      controller.abort(this.#abortReason)
      return
    }
    this.#events.started(context)
    if (this.#clientPaused || this.#storePaused) controller.pause()
  }

  onRequestUpgrade(_controller: unknown, statusCode: number, headers: HeaderObject, socket: Duplex): void {
    this.upgrade(statusCode, linesFrom(headers, undefined), socket)
  }

  onResponseStarted(): void {
    this.progress?.responseStarted()
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
      this.progress?.info(new LinesHead(statusCode, statusText ?? '', lines))
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

  protected upgrade(statusCode: number, lines: FieldLines, socket: Duplex): void {
    this.#over = true
    this.#events.upgraded(statusCode, lines, socket)
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
    if (this.#clientPaused || this.#storePaused) return
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
