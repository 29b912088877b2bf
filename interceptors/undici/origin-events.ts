import type { Duplex } from 'node:stream'
import type { FieldLines } from '../../lib/rfc9111/types.ts'
import type { ResponseHead } from './downstream-handler.ts'

/** What comes from the origin, each event in its order; the last is `upgraded`, `ended` or `failed`. */
export interface OriginEvents {
  started(context: unknown): void
  upgraded(statusCode: number, lines: FieldLines, socket: Duplex): void
  /** The final header section. A promise holds back what follows until it is settled. */
  answered(statusCode: number, statusText: string, lines: FieldLines, isHttp2: boolean): Promise<void> | undefined
  received(chunk: Buffer): void
  /** `isWhole`: false where the response was cut off, undefined where nobody can tell; of HTTP/2 alone. */
  ended(trailers: FieldLines, isWhole?: boolean): void
  failed(error: Error): void
}

/** Who is told how the request gets on, beside what comes of it: the handler that the request came with. */
export interface RequestProgress {
  readonly isFinished: boolean
  /** Whether it wants to know what of the request has been sent. */
  readonly hearsSending: boolean
  /** An interim response. */
  info(head: ResponseHead): void
  responseStarted(): void
  bodySent(chunk: unknown): void
  requestSent(): void
}
