import { Buffer } from 'node:buffer'
import type { Hash } from 'node:crypto'
import { nextTurn } from '../../lib/event-loop.ts'
import { damageIn, isDamage, release } from '../store-access/body-checks.ts'
import { isLate } from '../store-access/store-deadline.ts'
import type { DownstreamHandler, ResponseHead, ResponseSource } from '../undici/downstream-handler.ts'

/** Larger pieces are handed out, and copied where they have to be, in steps of this size. */
const STEP_BYTES = 65_536
/** So much is handed out at a time, to a client that never pauses; then everything else has its turn. */
const MAX_TURN_BYTES = 4_194_304

/** Reads the next piece of a body that comes in pieces. */
export type ReadNext = (iterator: AsyncIterator<Uint8Array>) => Promise<IteratorResult<Uint8Array>>

/** Told that a body is of no use; the error, where nobody has been told of it yet. */
export type OnDamage = (unreported?: Error) => void

/** Told that nothing more comes of a body of which so many bytes have been delivered, which may be wrong where that is
 * doubtful; has the client's response end. */
export type OnLost = (deliveredBytes: number, error: Error, isDoubtful: boolean) => void

/** Plays a stored body into a client: copies, unless the bytes are nobody else's, so that nobody's mutation reaches what is
 * stored; at once as long as the client takes it, further when it resumes. */
export abstract class BodyReplay implements ResponseSource {
  protected readonly client: DownstreamHandler
  readonly #trailers: ResponseHead
  readonly #isOwn: boolean
  protected stopped = false
  #begun = false
  #playing = false

  /** `isOwn`: the bytes are the client's to keep and to change. */
  constructor(client: DownstreamHandler, trailers: ResponseHead, isOwn: boolean) {
    this.client = client
    this.#trailers = trailers
    this.#isOwn = isOwn
  }

  pause(): void {}

  /** Before the header section has been taken there is nothing to resume. */
  resume(): void {
    if (this.#begun) this.play()
  }

  abort(reason: Error): void {
    this.stopped = true
    this.dispose()
    this.client.fail(reason)
  }

  /** Goes on until the body has ended or the client has paused. A handler that throws ends its own response. */
  play(): void {
    this.#begun = true
    if (this.#playing || this.stopped) return
    this.#playing = true
    try {
      this.step()
    } catch (error) {
      this.abort(error as Error)
    } finally {
      this.#playing = false
    }
  }

  protected end(): void {
    this.stopped = true
    this.client.end(this.#trailers)
  }

  protected give(chunk: Uint8Array): void {
    this.client.data(this.#isOwn ? bufferOf(chunk) : Buffer.from(chunk))
  }

  protected abstract step(): void
  protected abstract dispose(): void
}

/** Plays a body that is there already. */
export class HeldBodyReplay extends BodyReplay {
  readonly #chunks: readonly Uint8Array[]
  #index = 0
  #offset = 0

  constructor(client: DownstreamHandler, trailers: ResponseHead, chunks: readonly Uint8Array[], isOwn: boolean) {
    super(client, trailers, isOwn)
    this.#chunks = chunks
  }

  protected step(): void {
    let turnBytes = 0
    while (!this.stopped && !this.client.paused) {
      const piece = this.#chunks[this.#index]
      if (piece === undefined) return this.end()
      if (turnBytes > MAX_TURN_BYTES) {
        void nextTurn().then(() => this.play())
        return
      }
      turnBytes += Math.min(piece.byteLength - this.#offset, STEP_BYTES)
      if (piece.byteLength - this.#offset <= STEP_BYTES) {
        const rest = this.#offset === 0 ? piece : piece.subarray(this.#offset)
        this.#index++
        this.#offset = 0
        if (rest.byteLength > 0) this.give(rest)
      } else {
        const start = this.#offset
        this.#offset += STEP_BYTES
        this.give(piece.subarray(start, this.#offset))
      }
    }
  }

  protected dispose(): void {}
}

/** Plays a body as the store reads it; `first` has been read already. */
export class ReadBodyReplay extends BodyReplay {
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #readNext: ReadNext
  readonly #onDamage: OnDamage
  readonly #onLost: OnLost
  readonly #byteLength: number
  readonly #hash: Hash | undefined
  #next: IteratorResult<Uint8Array> | undefined
  #remainingBytes: number
  #reading = false

  constructor(
    client: DownstreamHandler,
    trailers: ResponseHead,
    first: IteratorResult<Uint8Array>,
    source: {
      iterator: AsyncIterator<Uint8Array>
      readNext: ReadNext
      byteLength: number
      onDamage: OnDamage
      onLost: OnLost
      isOwn: boolean
      /** Takes what is delivered, so that it need not be trusted; undefined: nobody could compare it. */
      hash: Hash | undefined
    }
  ) {
    super(client, trailers, source.isOwn)
    this.#iterator = source.iterator
    this.#readNext = source.readNext
    this.#onDamage = source.onDamage
    this.#onLost = source.onLost
    this.#byteLength = source.byteLength
    this.#hash = source.hash
    this.#remainingBytes = source.byteLength
    this.#next = first
  }

  protected step(): void {
    while (!this.stopped && !this.client.paused && this.#next !== undefined) {
      const next = this.#next
      this.#next = undefined
      const damage = damageIn(next, this.#remainingBytes)
      if (damage !== undefined) {
        this.#onDamage(damage)
        return this.#lose(damage, true)
      }
      if (next.done === true) return this.end()
      this.#remainingBytes -= next.value.byteLength
      this.#hash?.update(next.value)
      if (next.value.byteLength > 0) this.give(next.value)
      this.#read()
    }
  }

  protected dispose(): void {
    release(this.#iterator)
  }

  #read(): void {
    if (this.#reading || this.stopped) return
    this.#reading = true
    this.#readNext(this.#iterator).then(
      next => {
        this.#reading = false
        this.#next = next
        this.play()
      },
      error => {
        this.#reading = false
        if (!this.stopped) this.#fail(error)
      }
    )
  }

  #fail(error: Error): void {
    const isAllDelivered = this.#remainingBytes === 0
    if (isDamage(error)) this.#onDamage()
    // Only its end is late; else it was wrong.
    if (!isAllDelivered || !isLate(error)) return this.#lose(error, isAllDelivered)
    this.dispose()
    this.#next = { done: true, value: undefined }
    this.play()
  }

  #lose(error: Error, isDoubtful: boolean): void {
    if (isDoubtful && this.#hash === undefined) return this.abort(error)
    this.stopped = true
    this.dispose()
    this.#onLost(this.#byteLength - this.#remainingBytes, error, isDoubtful)
  }
}

/** The same bytes. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
