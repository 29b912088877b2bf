import { Buffer } from 'node:buffer'
import type { Hash } from 'node:crypto'
import { nextTurn } from '../../lib/event-loop.ts'
import { damageIn, isDamage, release } from '../store-access/body-checks.ts'
import { isLate } from '../store-access/store-deadline.ts'
import type { DownstreamHandler, ResponseHead, ResponseSource } from '../undici/downstream-handler.ts'

/** The size in which larger pieces are delivered, and copied where they have to be. */
const STEP_BYTES = 65_536
/** How many bytes are delivered in one turn of the event loop to a client that never pauses. */
const MAX_TURN_BYTES = 4_194_304

/** Reads the next piece of a body that comes in pieces. */
export type ReadNext = (iterator: AsyncIterator<Uint8Array>) => Promise<IteratorResult<Uint8Array>>

/** Called with a damaged body; the error, where it has not been reported. */
export type OnDamage = (unreported?: Error) => void

/** Called where the store has lost the rest of a body, with the number of bytes delivered, which may be wrong where that is
 * doubtful; ends the client's response. */
export type OnLost = (deliveredBytes: number, error: Error, isDoubtful: boolean) => void

/** Delivers a stored body to a client: as copies, unless the bytes belong to the client alone, so that nobody's mutation
 * reaches what is stored; synchronously while the client takes it, and again when it resumes. */
export abstract class BodyReplay implements ResponseSource {
  protected readonly client: DownstreamHandler
  readonly #trailers: ResponseHead
  readonly #isOwn: boolean
  protected stopped = false
  #begun = false
  #playing = false

  /** `isOwn`: the client may keep and change the bytes. */
  constructor(client: DownstreamHandler, trailers: ResponseHead, isOwn: boolean) {
    this.client = client
    this.#trailers = trailers
    this.#isOwn = isOwn
  }

  pause(): void {}

  /** Does nothing before the header section has been delivered. */
  resume(): void {
    if (this.#begun) this.play()
  }

  abort(reason: Error): void {
    this.stopped = true
    this.dispose()
    this.client.fail(reason)
  }

  /** Delivers until the body has ended or the client has paused. A handler that throws ends its own response. */
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

/** Delivers a body that is in memory. */
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

/** Delivers a body while the store reads it; `first` has been read already. */
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
      /** The hash of the bytes that are delivered, to compare them later; undefined: they cannot be compared. */
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
    // All bytes are there, and only the end is late; otherwise the body was damaged.
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

/** The same bytes, as a Buffer. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
