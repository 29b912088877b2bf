import { Buffer } from 'node:buffer'
import { CacheError } from '../../lib/errors.ts'
import { attempt } from '../shared/attempt.ts'
import { bodyFileBytes, bodySeed, CHECKSUM_BYTES, CHUNK_BYTES, FRAME_BYTES, sealFrame } from '../shared/body-format.ts'
import type { ObjectContext } from './context.ts'
import type { DriverUse } from './driver-use.ts'
import { bodyPath, newId } from './layout.ts'

/** Writes a body into an object of its own, in chunks with checksums: one is being taken by the driver, one waits, one is
 * being collected. */
export class BodyUpload {
  readonly id = newId()
  readonly #context: ObjectContext
  readonly #path: string
  readonly #use: DriverUse
  readonly #seed = bodySeed(this.id)
  readonly #putting: Promise<boolean>
  #frame = Buffer.allocUnsafeSlow(FRAME_BYTES)
  #filled = 0
  #index = 0
  #waiting: Uint8Array | undefined
  #isWhole = false
  #isDrained = false
  #onFrame: (() => void) | undefined
  #onTaken: (() => void) | undefined

  /** `byteLength`: of the whole body, where that is known. */
  constructor(context: ObjectContext, key: string, byteLength: number | undefined) {
    this.#context = context
    this.#path = bodyPath(key, this.id)
    this.#use = context.calls.begin()
    context.uploading.add(this.id)
    const size = byteLength === undefined ? undefined : bodyFileBytes(byteLength)
    this.#putting = context.calls.upload(this.#path, this.#frames(), size, this.#use)
    // Whoever writes next is told.
    this.#putting.then(
      () => this.#isDrained || this.#use.abort(tooEarly()),
      error => this.#use.abort(error)
    )
  }

  /** Takes bytes; a promise where they must wait for others to be taken. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#use.signal.aborted) return Promise.reject(this.#use.signal.reason)
    const taken = this.#collect(chunk)
    return taken === chunk.byteLength ? undefined : this.#writeRest(chunk.subarray(taken))
  }

  /** Resolves when the object is there, whole. */
  async finish(): Promise<void> {
    if (this.#use.signal.aborted) throw this.#use.signal.reason
    while (this.#filled > 0) await this.#turnOver()
    this.#isWhole = true
    this.#onFrame?.()
    if (!(await this.#use.within(this.#putting))) throw tooEarly()
    this.#use.end()
  }

  /** The body belongs to a record now, or is gone. */
  settle(): void {
    this.#context.uploading.delete(this.id)
  }

  /** Ends it, and removes what may have been made. */
  abort(): void {
    this.#use.abort(new CacheError('ERR_CACHE_STORE', 'the response is not stored'))
    this.#onFrame?.()
    const { background, calls } = this.#context
    background.run(async () => {
      // A driver that does not listen is not waited for: what it makes then is an orphan, for a sweep.
      const rest = calls.begin()
      await attempt(() => rest.within(this.#putting))
      rest.end()
      this.settle()
      await calls.delete(this.#path)
    })
  }

  /** Returns how many bytes there was room for. */
  #collect(chunk: Uint8Array): number {
    const taken = Math.min(chunk.byteLength, CHUNK_BYTES - this.#filled)
    this.#frame.set(taken === chunk.byteLength ? chunk : chunk.subarray(0, taken), this.#filled)
    this.#filled += taken
    if (this.#filled === CHUNK_BYTES && this.#waiting === undefined) this.#seal()
    return taken
  }

  async #writeRest(rest: Uint8Array): Promise<void> {
    while (rest.byteLength > 0) {
      if (this.#filled === CHUNK_BYTES) await this.#turnOver()
      rest = rest.subarray(this.#collect(rest))
    }
  }

  /** Makes room for another chunk; within the time that a driver has. */
  async #turnOver(): Promise<void> {
    if (this.#waiting !== undefined) {
      await this.#use.within(
        new Promise<void>(resolve => {
          this.#onTaken = resolve
        })
      )
    }
    if (this.#filled > 0) this.#seal()
  }

  #seal(): void {
    sealFrame(this.#frame, this.#filled, this.#index++, this.#seed)
    this.#waiting = this.#frame.subarray(0, this.#filled + CHECKSUM_BYTES)
    // A driver may keep what it was given.
    this.#frame = Buffer.allocUnsafeSlow(FRAME_BYTES)
    this.#filled = 0
    this.#onFrame?.()
  }

  /** What the driver gets. It ends only when the body is whole, and fails when it will not be. */
  async *#frames(): AsyncGenerator<Uint8Array, undefined> {
    const { signal } = this.#use
    for (;;) {
      signal.throwIfAborted()
      const frame = this.#waiting
      if (frame !== undefined) {
        this.#waiting = undefined
        this.#onTaken?.()
        yield frame
      } else if (this.#isWhole) {
        this.#isDrained = true
        return
      } else {
        await new Promise<void>(resolve => {
          this.#onFrame = resolve
        })
      }
    }
  }
}

function tooEarly(): CacheError {
  return new CacheError('ERR_CACHE_STORE', 'the driver of an ObjectStore has not taken the whole body')
}
