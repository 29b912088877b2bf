import { CacheError } from '../lib/errors.ts'
import { fieldsOf, firstValue } from '../lib/rfc9111/fields.ts'
import { isOfOneVersion } from '../lib/rfc9111/parts.ts'
import { strongValidator } from '../lib/rfc9111/ranges.ts'
import type { Entry, FieldLines, Fields, Response } from '../lib/rfc9111/types.ts'
import type { Client } from './client.ts'
import { asDispatchHandler, type OriginEvents, OriginHandler } from './origin-handler.ts'
import { trailersHead } from './origin-head.ts'
import type { Ask } from './plan.ts'
import type { Straggler } from './straggler.ts'
import { type DispatchOptions, withFields } from './to-request.ts'

/** Gets the rest of a response from the origin, by Range and If-Range: nothing else can be appended to what was
 * delivered. An origin may send less than it is asked for, and is asked again; or the whole of the same version, whose
 * beginning is passed over. RFC 9110 §14.2, §13.1.5, §15.3.7 */
export class RestOfBody implements OriginEvents {
  readonly #client: Client
  readonly #entry: Entry
  readonly #ask: Ask
  readonly #fields: Fields
  #handler: OriginHandler | undefined
  /** How many bytes the client has got. */
  #offset: number
  /** Bytes that come before those that the client lacks. */
  #skippedBytes = 0
  /** Of a 206, bytes that are to come, and the length of the whole; undefined of a 200, which knows its own end. */
  #remainingBytes: number | undefined
  #completeLength = 0

  /** The request of `ask`, with those fields, is sent for the rest. */
  constructor({ client, offset }: Straggler, entry: Entry, ask: Ask, fields: Fields) {
    this.#client = client
    this.#offset = offset
    this.#entry = entry
    this.#ask = ask
    this.#fields = fields
  }

  send(): void {
    const validator = strongValidator(this.#entry)
    if (validator === undefined) return this.#client.fail(lost())
    const handler = new OriginHandler(this)
    this.#handler = handler
    this.#client.source = handler
    if (this.#client.paused) handler.pause()
    const added = [
      ['range', `bytes=${this.#offset}-`],
      ['if-range', validator]
    ] as const
    const { next, opts } = this.#ask
    const headers = withFields(this.#fields, ['range', 'if-range'], added)
    try {
      next({ ...opts, headers } as DispatchOptions, asDispatchHandler(handler))
    } catch (error) {
      this.#client.fail(error as Error)
    }
  }

  started(): void {}

  informed(): void {}

  upgraded(): void {
    this.#client.fail(lost())
  }

  responseStarted(): void {}

  answered(statusCode: number, statusText: string, lines: FieldLines): undefined {
    const { requestTimeMs, responseTimeMs } = this.#entry
    const isRest =
      statusCode === 206
        ? this.#takesPart(lines)
        : statusCode === 200 && this.#takesWhole({ statusCode, statusText, lines, requestTimeMs, responseTimeMs })
    if (!isRest) this.#handler?.abort(lost())
  }

  received(chunk: Buffer): void {
    if (this.#remainingBytes !== undefined) {
      this.#remainingBytes -= chunk.byteLength
      if (this.#remainingBytes < 0) return this.#handler?.abort(lost())
    }
    const skipped = Math.min(this.#skippedBytes, chunk.byteLength)
    this.#skippedBytes -= skipped
    if (skipped === chunk.byteLength) return
    this.#offset += chunk.byteLength - skipped
    this.#client.data(skipped === 0 ? chunk : chunk.subarray(skipped))
  }

  ended(trailers: FieldLines): void {
    if (this.#skippedBytes > 0 || (this.#remainingBytes ?? 0) > 0) return this.#client.fail(lost())
    const expected = this.#statedLength
    if (this.#remainingBytes === undefined && expected !== undefined && `${this.#offset}` !== expected) {
      return this.#client.fail(lost())
    }
    if (this.#remainingBytes !== undefined && this.#offset < this.#completeLength) return this.send()
    this.#client.end(trailersHead(trailers))
  }

  failed(error: Error): void {
    this.#client.fail(error)
  }

  /** What the client was told. */
  get #statedLength(): string | undefined {
    return firstValue(fieldsOf(this.#entry.lines), 'content-length')
  }

  #takesPart(lines: FieldLines): boolean {
    const fields = fieldsOf(lines)
    const [, first, last, length] =
      /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(firstValue(fields, 'content-range') ?? '') ?? []
    const [start, end, completeLength] = [Number(first), Number(last) + 1, Number(length)]
    const stored = fieldsOf(this.#entry.lines)
    const expected = this.#statedLength
    if (expected !== undefined && expected !== length) return false
    if (!(start === this.#offset && start < end && end <= completeLength)) return false
    this.#remainingBytes = end - start
    this.#completeLength = completeLength
    const modified = firstValue(fields, 'last-modified')
    // If-Range spares an origin what it sent before, but for the entity tag.
    const isOfSameDate = modified === undefined || modified === firstValue(stored, 'last-modified')
    return isOfSameDate && firstValue(fields, 'etag') === firstValue(stored, 'etag')
  }

  #takesWhole(response: Response): boolean {
    this.#skippedBytes = this.#offset
    this.#remainingBytes = undefined
    return isOfOneVersion(this.#entry, response)
  }
}

function lost(): CacheError {
  return new CacheError('ERR_CACHE_BODY', 'the rest of the response could not be had')
}
