import { Readable, Writable } from 'node:stream'
import { isUint8Array } from 'node:util/types'
import { CacheError } from '../../lib/errors.ts'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { isPromise, mapMaybe } from '../shared/maybe-promise.ts'
import type { Body, BodyWriter, MaybePromise } from '../store.ts'

/** Told of the faults of a store. */
export type Report = (error: unknown) => void

/** A stored body as undici takes it: copies, which clients may alter. Undefined where its length is not the entry's. */
export function bodyFor(body: Body, entry: Entry): Buffer[] | Readable | undefined {
  if (isUint8Array(body) || Array.isArray(body)) {
    const pieces = (isUint8Array(body) ? [body] : body).map(piece => Buffer.from(piece))
    const byteLength = pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
    return byteLength === storedBytes(entry) ? pieces : undefined
  }
  return new StoredBody(body as AsyncIterable<Uint8Array>, storedBytes(entry))
}

/** Reads a stored body as it is asked for. One of another length than it should have ends in an error. */
class StoredBody extends Readable {
  readonly #iterator: AsyncIterator<Uint8Array>
  #remainingBytes: number

  constructor(body: AsyncIterable<Uint8Array>, byteLength: number) {
    super()
    this.#iterator = body[Symbol.asyncIterator]()
    this.#remainingBytes = byteLength
  }

  override _read(): void {
    this.#iterator.next().then(
      ({ done, value }) => {
        if (done !== true) this.#remainingBytes -= value.byteLength
        if (this.#remainingBytes < 0 || (done === true && this.#remainingBytes > 0)) {
          this.destroy(new CacheError('ERR_CACHE_BODY', 'a stored body is not of the length it had'))
        } else if (done === true) this.push(null)
        else if (value.byteLength === 0) this._read()
        else this.push(Buffer.from(value))
      },
      error => this.destroy(error)
    )
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    Promise.resolve(this.#iterator.return?.()).then(
      () => done(error),
      () => done(error)
    )
  }
}

/** Takes a body from undici into a store. What goes wrong is reported, and the stream closed without an error: the
 * response goes on to the client, and is not stored. */
export class BodyStream extends Writable {
  readonly #writer: MaybePromise<BodyWriter | undefined>
  readonly #entry: Entry
  readonly #maxBytes: number
  readonly #report: Report
  #byteLength = 0
  #isEnding = false

  constructor(writer: MaybePromise<BodyWriter | undefined>, entry: Entry, maxBytes: number, report: Report) {
    super()
    this.#writer = isPromise(writer) ? writer.catch(report).then(started => started ?? undefined) : writer
    this.#entry = entry
    this.#maxBytes = maxBytes
    this.#report = report
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#byteLength += chunk.byteLength
    if (this.#byteLength > this.#maxBytes) this.destroy()
    else this.#call(writer => writer.write(new Uint8Array(chunk)), done)
  }

  override _final(done: () => void): void {
    const completeLength = this.#byteLength
    const segments = [{ start: 0, end: completeLength }]
    this.#isEnding = true
    this.#call(writer => mapMaybe(writer.commit({ ...this.#entry, completeLength, segments }), () => {}), done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#isEnding) this.#call(writer => writer.abort())
    done(error)
  }

  /** Calls the writer, at once where there is one already. */
  #call(call: (writer: BodyWriter) => MaybePromise<void>, done: () => void = () => {}): void {
    const fail = (error: unknown) => {
      this.#report(error)
      this.destroy()
    }
    try {
      const called = mapMaybe<BodyWriter | undefined, void>(this.#writer, writer => {
        if (writer !== undefined) return call(writer)
        this.destroy()
      })
      if (isPromise(called)) called.then(done, fail)
      else done()
    } catch (error) {
      fail(error)
    }
  }
}
