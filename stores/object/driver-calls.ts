import { Buffer } from 'node:buffer'
import { isUint8Array } from 'node:util/types'
import { CacheError } from '../../lib/errors.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import { attempt } from '../shared/attempt.ts'
import { closedError } from '../shared/closed-error.ts'
import type { DriverCapabilities, ObjectBody, ObjectDriver } from './driver.ts'
import { DriverUse } from './driver-use.ts'

/** Speaks to a driver, which may hang, throw and answer what it likes. Names are relative to the store's. */
export class DriverCalls {
  readonly #driver: ObjectDriver
  readonly #root: string
  readonly #timeoutMs: number
  readonly #uses = new Set<DriverUse>()
  #isClosed = false

  constructor(driver: ObjectDriver, root: string, timeoutMs: number) {
    this.#driver = driver
    this.#root = root
    this.#timeoutMs = timeoutMs
  }

  get capabilities(): DriverCapabilities {
    return this.#driver.capabilities
  }

  /** All bytes of an object, or of a range of it, up to `maxBytes`; undefined where there is none. */
  read(name: string, maxBytes: number, range?: ByteRange): Promise<Buffer | undefined> {
    return this.#run(async use => {
      const body = await this.#get(name, range, use)
      if (body === undefined) return undefined
      if (isUint8Array(body)) return Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, maxBytes))
      const pieces: Uint8Array[] = []
      let byteLength = 0
      for await (const piece of body) {
        pieces.push(assertBytes(piece))
        byteLength += piece.byteLength
        if (byteLength >= maxBytes || use.signal.aborted) break
      }
      return Buffer.concat(pieces, Math.min(byteLength, maxBytes))
    })
  }

  /** Begins to read a large object; undefined where there is none. Who has it ends the use. */
  async open(name: string, range: ByteRange, use: DriverUse): Promise<AsyncIterator<Uint8Array> | undefined> {
    const body = await use.within(this.#get(name, range, use), release)
    if (body === undefined) return undefined
    return isUint8Array(body) ? once(body) : body[Symbol.asyncIterator]()
  }

  /** False: `ifAbsent`, and it is there. */
  put(name: string, bytes: Uint8Array, ifAbsent = false): Promise<boolean> {
    return this.#run(use => this.#put(name, bytes, { size: bytes.byteLength, ifAbsent, signal: use.signal }))
  }

  /** Writes a large object as its bytes come, which may take as long as they do. */
  upload(name: string, body: AsyncIterable<Uint8Array>, size: number | undefined, use: DriverUse): Promise<boolean> {
    return this.#put(name, body, { size, signal: use.signal })
  }

  delete(name: string): Promise<void> {
    return this.#run(async ({ signal }) => this.#driver.delete(this.#root + name, { signal }))
  }

  /** The names that begin with `prefix`, in order. */
  async *list(prefix: string): AsyncGenerator<string, undefined> {
    const use = this.begin()
    let iterator: AsyncIterator<string> | undefined
    try {
      iterator = this.#driver.list(this.#root + prefix, { signal: use.signal })[Symbol.asyncIterator]()
      for (;;) {
        const { done, value } = await use.within(iterator.next())
        if (done) return
        if (typeof value !== 'string' || !value.startsWith(this.#root + prefix)) throw nonsense('a list')
        yield value.slice(this.#root.length)
      }
    } finally {
      use.abort(gone())
      if (iterator !== undefined) void endIterator(iterator)
    }
  }

  async tidy(): Promise<void> {
    await this.#run(async ({ signal }) => this.#driver.tidy?.(this.#root, { signal }))
  }

  /** For whoever reads or writes piece by piece. */
  begin(): DriverUse {
    if (this.#isClosed) throw closedError('ObjectStore')
    return new DriverUse(this.#timeoutMs, this.#uses)
  }

  close(): void {
    this.#isClosed = true
    for (const use of [...this.#uses]) use.abort(closedError('ObjectStore'))
  }

  async #run<T>(work: (use: DriverUse) => Promise<T>): Promise<T> {
    const use = this.begin()
    try {
      return await use.within(work(use))
    } finally {
      use.end()
    }
  }

  async #get(name: string, range: ByteRange | undefined, { signal }: DriverUse): Promise<ObjectBody | undefined> {
    const { start, end } = this.capabilities.ranges ? { ...range } : { start: undefined, end: undefined }
    const body: unknown = await this.#driver.get(this.#root + name, { start, end, signal })
    if (body === undefined) return undefined
    if (!isUint8Array(body) && typeof Object(body)[Symbol.asyncIterator] !== 'function') throw nonsense('a body')
    if (range === undefined || this.capabilities.ranges) return body as ObjectBody
    return isUint8Array(body) ? body.subarray(range.start, range.end) : partOf(body as AsyncIterable<Uint8Array>, range)
  }

  async #put(name: string, body: ObjectBody, options: Parameters<ObjectDriver['put']>[2]): Promise<boolean> {
    const put: unknown = await this.#driver.put(this.#root + name, body, options)
    if (typeof put !== 'boolean') throw nonsense('true or false')
    return put
  }
}

/** Lets go of what is not read to its end. */
export async function endIterator(iterator: AsyncIterator<unknown>): Promise<void> {
  await attempt(() => iterator.return?.())
}

export function assertBytes(piece: unknown): Uint8Array {
  if (!isUint8Array(piece)) throw nonsense('bytes')
  return piece
}

function nonsense(expected: string): CacheError {
  return new CacheError(
    'ERR_CACHE_STORE',
    `the driver of an ObjectStore was asked for ${expected}, and gave something else`
  )
}

function gone(): CacheError {
  return new CacheError('ERR_CACHE_STORE', 'nobody waits for this any more')
}

/** Lets go of a body that came too late. */
function release(body: ObjectBody | undefined): void {
  if (body === undefined || isUint8Array(body)) return
  void endIterator(body[Symbol.asyncIterator]())
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, undefined> {
  yield bytes
}

/** Of a driver that knows no ranges. */
async function* partOf(
  body: AsyncIterable<Uint8Array>,
  { start, end }: ByteRange
): AsyncGenerator<Uint8Array, undefined> {
  let offset = 0
  for await (const piece of body) {
    const { byteLength } = assertBytes(piece)
    yield piece.subarray(Math.max(start - offset, 0), Math.max(end - offset, 0))
    offset += byteLength
    if (offset >= end) return
  }
}
