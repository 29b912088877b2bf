import type { Duplex } from 'node:stream'
import type { AnyHandler } from './handler-adapter.ts'
import { linesFromRaw, toHeaderObject } from './header-lines.ts'
import { LegacyController } from './legacy-controller.ts'
import type { OriginEvents, RequestProgress } from './origin-events.ts'
import { OriginHandler } from './origin-handler.ts'

/** Makes a handler for a request to the origin. `progress` is told how the request gets on; undefined: nobody is. */
export function toOriginHandler(events: OriginEvents, progress?: RequestProgress): OriginHandler {
  return progress?.hearsSending ? new SendingOriginHandler(events, progress) : new DualOriginHandler(events, progress)
}

/** Gives a handler the type that undici's dispatchers take. */
export function asDispatchHandler(handler: OriginHandler): AnyHandler {
  return handler as unknown as AnyHandler
}

/** Speaks the legacy handler API as well, for dispatchers of undici 6 and before. */
class DualOriginHandler extends OriginHandler {
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
    this.onResponseData(this.controller ?? null, chunk)
    return !this.#legacyController().paused
  }

  onComplete(rawTrailers: Buffer[]): void {
    const controller = this.#legacyController()
    controller.rawTrailers = rawTrailers ?? []
    this.onResponseEnd(controller, toHeaderObject(linesFromRaw(controller.rawTrailers)))
  }

  onError(error: Error): void {
    this.onResponseError(this.controller, error)
  }

  onUpgrade(statusCode: number, rawHeaders: Buffer[], socket: Duplex): void {
    this.upgrade(statusCode, linesFromRaw(rawHeaders), socket)
  }

  #legacyController(): LegacyController {
    return this.controller as LegacyController
  }
}

/** Hears what of the request has been sent: some dispatchers look whether a handler has these methods. */
class SendingOriginHandler extends DualOriginHandler {
  onBodySent(chunk: unknown): void {
    this.progress?.bodySent(chunk)
  }

  onRequestSent(): void {
    this.progress?.requestSent()
  }
}
