import { CacheError } from '../lib/errors.ts'
import { fieldsOf, firstValue } from '../lib/rfc9111/fields.ts'
import { strongValidator } from '../lib/rfc9111/ranges.ts'
import type { Entry, FieldLines, Fields } from '../lib/rfc9111/types.ts'
import type { Client, Source } from './client.ts'
import { asDispatchHandler, type OriginEvents, OriginHandler } from './origin-handler.ts'
import { trailersHead } from './origin-head.ts'
import type { Ask } from './plan.ts'
import { type DispatchOptions, withFields } from './to-request.ts'

/** One who has fallen too far behind the others, and waits until the rest of the response can be had in another way. */
export class Straggler implements Source {
  readonly client: Client
  /** How many bytes it has got. */
  readonly offset: number
  readonly #onLeft: () => void

  constructor(client: Client, offset: number, onLeft: () => void) {
    this.client = client
    this.offset = offset
    this.#onLeft = onLeft
    client.source = this
  }

  pause(): void {}

  resume(): void {}

  abort(reason: Error): void {
    this.client.fail(reason)
    this.#onLeft()
  }
}

/** Gets the rest of a response from the origin, by Range and If-Range: nothing else can be appended to what was
 * delivered. RFC 9110 §14.2, §13.1.5 */
export class RestOfBody implements OriginEvents {
  readonly #client: Client
  readonly #entry: Entry
  readonly #handler = new OriginHandler(this)
  #remainingBytes = 0
  readonly #offset: number

  constructor({ client, offset }: Straggler, entry: Entry) {
    this.#client = client
    this.#offset = offset
    this.#entry = entry
  }

  /** Sends the request of `ask` for the rest. */
  send({ next, opts }: Ask, fields: Fields): void {
    const validator = strongValidator(this.#entry)
    if (validator === undefined) return this.#client.fail(lost())
    this.#client.source = this.#handler
    if (this.#client.paused) this.#handler.pause()
    const added = [
      ['range', `bytes=${this.#offset}-`],
      ['if-range', validator]
    ] as const
    const headers = withFields(fields, ['range', 'if-range'], added)
    try {
      next({ ...opts, headers } as DispatchOptions, asDispatchHandler(this.#handler))
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

  answered(statusCode: number, _statusText: string, lines: FieldLines): undefined {
    const range = /^bytes (\d+)-(\d+)\/\d+$/.exec(firstValue(fieldsOf(lines), 'content-range') ?? '')
    const [, first, last] = (range ?? []).map(Number)
    if (statusCode !== 206 || first !== this.#offset || last === undefined || !this.#isSameVersion(lines)) {
      this.#handler.abort(lost())
      return
    }
    this.#remainingBytes = last + 1 - first
  }

  received(chunk: Buffer): void {
    this.#remainingBytes -= chunk.byteLength
    if (this.#remainingBytes < 0) this.#handler.abort(lost())
    else this.#client.data(chunk)
  }

  ended(trailers: FieldLines): void {
    if (this.#remainingBytes === 0) this.#client.end(trailersHead(trailers))
    else this.#client.fail(lost())
  }

  failed(error: Error): void {
    this.#client.fail(error)
  }

  #isSameVersion(lines: FieldLines): boolean {
    const [stored, came] = [fieldsOf(this.#entry.lines), fieldsOf(lines)]
    return ['etag', 'last-modified'].every(name => firstValue(came, name) === firstValue(stored, name))
  }
}

function lost(): CacheError {
  return new CacheError('ERR_CACHE_BODY', 'the rest of the response could not be had')
}
