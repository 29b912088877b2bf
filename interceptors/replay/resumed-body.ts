import { createHash, type Hash } from 'node:crypto'
import { CacheError } from '../../lib/errors.ts'
import { combinedValue, fieldsOf, firstValue } from '../../lib/rfc9111/fields.ts'
import { isOfOneVersion, isResumable } from '../../lib/rfc9111/parts.ts'
import { strongValidator } from '../../lib/rfc9111/ranges.ts'
import type { Entry, FieldLines, Fields, Response } from '../../lib/rfc9111/types.ts'
import type { RequestContext } from '../request/request-context.ts'
import { type DispatchOptions, withFields } from '../undici/dispatch-options.ts'
import type { DownstreamHandler } from '../undici/downstream-handler.ts'
import { trailersHead } from '../undici/lines-head.ts'
import { asDispatchHandler, toOriginHandler } from '../undici/origin-adapter.ts'
import type { OriginEvents } from '../undici/origin-events.ts'
import type { OriginHandler } from '../undici/origin-handler.ts'
import { withQueuedAbort } from '../undici/queued-abort.ts'
import { soon } from '../undici/soon.ts'

/** Fields that the request for the rest replaces. The client's own conditions have been evaluated. */
const REPLACED = ['range', 'if-range', 'if-none-match', 'if-modified-since']

const NO_LINES: FieldLines = []

/** How many requests an origin may need to send the rest. */
const MAX_REQUESTS = 1000

/** A client that has been delivered the beginning of its response. */
export interface Reader {
  readonly client: DownstreamHandler
  /** The first missing byte of the representation. */
  readonly offset: number
  /** Where the requested range ends; undefined: with the representation. */
  readonly end?: number | undefined
  /** The trailers; undefined: those that come with the rest. */
  readonly trailers?: FieldLines | undefined
  /** The SHA-256 of the bytes before `offset`: a response that begins with the same bytes may be continued with. */
  readonly hash?: Hash | undefined
  /** The delivered bytes may be wrong: only a response that begins with them is continued with. */
  readonly isDoubtful?: boolean
}

/** Requests the rest of a response from the origin: by Range and If-Range. Where that is not possible and the digest of the
 * delivered bytes is known, it requests the whole, which has to begin with the same bytes. An origin may send less than it is
 * asked for, and is asked again; or the whole of the same version, of which the bytes before the rest are skipped.
 * RFC 9110 §14.2, §13.1.5, §15.3.7 */
export class ResumedBody implements OriginEvents {
  readonly #client: DownstreamHandler
  readonly #entry: Entry
  readonly #context: RequestContext
  readonly #fields: Fields
  readonly #rangeEnd: number | undefined
  readonly #trailers: FieldLines | undefined
  readonly #given: Pick<Reader, 'offset' | 'hash' | 'isDoubtful'>
  /** Whether the whole is requested, of whatever version. */
  #isForWhole: boolean
  /** The hash of the skipped bytes, where they have to equal the delivered ones. */
  #hash: Hash | undefined
  #handler: OriginHandler | undefined
  /** The next byte of the representation to deliver. */
  #offset: number
  /** The length of the representation; undefined: not known yet. */
  #completeLength: number | undefined
  /** How many bytes to skip before the rest. */
  #skippedBytes = 0
  /** How many bytes of a 206 are still to come; undefined for a 200, whose framing tells its end. */
  #remainingBytes: number | undefined
  /** How many requests have been sent. */
  #requests = 0
  /** The URLs that a redirect followed below the cache has led to. */
  #history: readonly unknown[] = []

  /** The request of `context`, with these fields, is sent for the rest. */
  constructor(reader: Reader, entry: Entry, context: RequestContext, fields: Fields) {
    const { client, offset, end, trailers } = reader
    this.#client = client
    this.#given = reader
    this.#isForWhole = reader.isDoubtful === true
    this.#offset = offset
    this.#rangeEnd = end
    this.#trailers = trailers
    this.#entry = entry
    this.#completeLength = entry.completeLength ?? statedLength(entry)
    this.#context = context
    this.#fields = fields
  }

  send(): void {
    const validator = strongValidator(this.#entry)
    this.#isForWhole ||= this.#canCompare && (this.#offset === 0 || !isResumable(this.#entry))
    if (!this.#isForWhole && validator === undefined) return this.#client.fail(lost('it has no strong validator'))
    if (this.#requests++ === MAX_REQUESTS) return this.#client.fail(lost('the origin gives too little at a time'))
    const handler = toOriginHandler(this)
    this.#handler = handler
    this.#client.attach(handler)
    const range = `bytes=${this.#offset}-${this.#rangeEnd === undefined ? '' : this.#rangeEnd - 1}`
    const added = [['range', range] as const, ['if-range', validator ?? ''] as const]
    const { next, opts } = this.#context
    const headers = withFields(this.#fields, REPLACED, this.#isForWhole ? [] : added)
    // This may run within a callback of a response.
    soon(() => {
      if (handler.isOver) return
      try {
        // The client has been started: it aborts through its source.
        const own = withQueuedAbort({ ...opts, headers } as DispatchOptions, undefined, handler)
        next(own, asDispatchHandler(handler))
      } catch (error) {
        this.#client.fail(error as Error)
      }
    })
  }

  started(context: unknown): void {
    const { history } = (context ?? {}) as { history?: unknown }
    this.#history = Array.isArray(history) ? history : []
  }

  upgraded(): void {
    this.#client.fail(lost('the origin changed protocols'))
  }

  answered(statusCode: number, statusText: string, lines: FieldLines): undefined {
    const { requestTimeMs, responseTimeMs } = this.#entry
    const response = { statusCode, statusText, lines, requestTimeMs, responseTimeMs }
    const isTaken = statusCode === 206 && !this.#isForWhole ? this.#takesPart(lines) : this.#takesWhole(response)
    // A redirect followed below the cache has led to another URL.
    if (isTaken && this.#history.length <= 1) return
    if (this.#isForWhole || !this.#canCompare) {
      this.#handler?.abort(lost(`the origin answered ${statusCode}, of something else`))
    } else {
      this.#handler?.discard()
      this.#isForWhole = true
      this.send()
    }
  }

  received(chunk: Buffer): void {
    if (this.#remainingBytes !== undefined) {
      this.#remainingBytes -= chunk.byteLength
      if (this.#remainingBytes < 0) return this.#handler?.abort(lost('the origin sent more than it said'))
    }
    const start = Math.min(this.#skippedBytes, chunk.byteLength)
    this.#skippedBytes -= start
    this.#hash?.update(chunk.subarray(0, start))
    if (this.#skippedBytes === 0 && !this.#isTheSame()) {
      return this.#handler?.abort(lost('the origin sent something else'))
    }
    const end = Math.min(start + this.#end - this.#offset, chunk.byteLength)
    if (end < chunk.byteLength && this.#rangeEnd === undefined) {
      return this.#handler?.abort(lost('the origin sent more than there was'))
    }
    if (start < end) {
      this.#offset += end - start
      this.#client.data(end - start === chunk.byteLength ? chunk : chunk.subarray(start, end))
    }
    if (this.#offset === this.#rangeEnd && this.#remainingBytes === undefined) {
      this.#handler?.discard()
      this.#client.end(trailersHead(this.#trailers ?? NO_LINES))
    }
  }

  ended(trailers: FieldLines): void {
    const isWhole = this.#remainingBytes === undefined
    const isAllWanted = this.#offset === this.#end || (isWhole && this.#end === Infinity)
    if (this.#skippedBytes > 0 || (this.#remainingBytes ?? 0) > 0) this.#client.fail(lost('the origin sent too little'))
    else if (isAllWanted) this.#client.end(trailersHead(this.#trailers ?? trailers))
    else if (isWhole) this.#client.fail(lost('the origin sent too little'))
    else this.send()
  }

  failed(error: Error): void {
    this.#client.fail(error)
  }

  /** Where the requested bytes end; Infinity: not known yet. */
  get #end(): number {
    return this.#rangeEnd ?? this.#completeLength ?? Infinity
  }

  /** Whether the beginning of a response of any version can be compared with the delivered bytes. */
  get #canCompare(): boolean {
    const { offset, hash } = this.#given
    return this.#rangeEnd === undefined && this.#offset === offset && (offset === 0 || hash !== undefined)
  }

  /** Called once all delivered bytes have been skipped. */
  #isTheSame(): boolean {
    const hash = this.#hash
    this.#hash = undefined
    return hash === undefined || hash.digest('base64') === this.#given.hash?.copy().digest('base64')
  }

  #takesPart(lines: FieldLines): boolean {
    const fields = fieldsOf(lines)
    const [, first, last, length] =
      /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(firstValue(fields, 'content-range') ?? '') ?? []
    const [start, end, completeLength] = [Number(first), Number(last) + 1, Number(length)]
    const stored = fieldsOf(this.#entry.lines)
    if (completeLength !== (this.#completeLength ?? completeLength)) return false
    this.#completeLength = completeLength
    // NaN where there is none.
    if (!(start === this.#offset && start < end && end <= Math.min(this.#end, completeLength))) return false
    this.#remainingBytes = end - start
    const modified = firstValue(fields, 'last-modified')
    // If-Range spares an origin what it sent before, but for the entity tag.
    const isOfSameDate = modified === undefined || modified === firstValue(stored, 'last-modified')
    const coding = combinedValue(fields, 'content-encoding')
    const isOfSameCoding = coding === undefined || coding === combinedValue(stored, 'content-encoding')
    return isOfSameDate && isOfSameCoding && firstValue(fields, 'etag') === firstValue(stored, 'etag')
  }

  #takesWhole(response: Response): boolean {
    const { lines, statusCode } = this.#entry
    const length = statedLength(response)
    const isOfOneLength = length === undefined || length === (this.#completeLength ?? length)
    const isOfOneForm = response.statusCode === statusCode && isOfOneLength && isOfOneCoding(lines, response.lines)
    const isKnown = this.#given.isDoubtful !== true && statusCode === 200 && isOfOneVersion(this.#entry, response)
    if (!isOfOneForm || !(isKnown || (this.#canCompare && this.#isOfOneKind(response)))) return false
    this.#skippedBytes = this.#offset
    this.#remainingBytes = undefined
    this.#hash = isKnown || this.#offset === 0 ? undefined : createHash('sha256')
    return true
  }

  /** Whether the response agrees with the delivered header section. Where no bytes can be compared, the entity tag decides. */
  #isOfOneKind({ lines }: Response): boolean {
    const [told, came] = [fieldsOf(this.#entry.lines), fieldsOf(lines)]
    if (combinedValue(told, 'content-type') !== combinedValue(came, 'content-type')) return false
    return this.#offset > 0 || firstValue(told, 'etag') === firstValue(came, 'etag')
  }
}

/** Whether a date is enough of a validator: it does not tell compressed content from other content. */
function isOfOneCoding(stored: FieldLines, came: FieldLines): boolean {
  return combinedValue(fieldsOf(stored), 'content-encoding') === combinedValue(fieldsOf(came), 'content-encoding')
}

function statedLength({ lines }: Response): number | undefined {
  const length = firstValue(fieldsOf(lines), 'content-length') ?? ''
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

function lost(why: string): CacheError {
  return new CacheError('ERR_CACHE_BODY', `the rest of the response could not be had: ${why}`)
}
