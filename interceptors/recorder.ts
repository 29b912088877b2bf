import type { Entry, FieldLines } from '../lib/rfc9111/types.ts'
import type { BodyWriter, MaybePromise } from '../stores/store.ts'
import { isPromise } from './maybe-promise.ts'
import type { StoreGuard } from './store-guard.ts'

export interface RecorderOptions {
  readonly guard: StoreGuard
  readonly entry: Entry
  readonly writer: MaybePromise<BodyWriter | undefined>
  /** What Content-Length said; undefined where the body is framed otherwise. */
  readonly expectedBytes: number | undefined
  readonly maxBufferedBytes: number
  /** Called when the origin may go on after `write` returned false. */
  readonly onDrain: () => void
  /** Called once: whether the response is stored. */
  readonly onSettled: (stored: boolean) => void
}

/** Copies a body into the store while it goes to the client, chunk by chunk. What goes wrong here ends the recording,
 * never the response. */
export class Recorder {
  readonly #options: RecorderOptions
  #writer: BodyWriter | undefined
  readonly #queue: Uint8Array[] = []
  #queuedBytes = 0
  #receivedBytes = 0
  #working = false
  #full = false
  #settled = false
  #trailers: FieldLines | undefined
  #waiting: (() => void) | undefined

  constructor(options: RecorderOptions) {
    this.#options = options
    const { writer } = options
    if (!isPromise(writer)) {
      this.#begin(writer)
    } else {
      this.#working = true
      // The guard's promises do not reject.
      void writer.then(started => {
        this.#working = false
        if (this.#settled) {
          if (started !== undefined) void options.guard.abort(started)
          return
        }
        this.#begin(started)
        this.#work()
      })
    }
  }

  /** Takes a copy of the chunk. False: the origin should pause until `onDrain`. */
  write(chunk: Uint8Array): boolean {
    if (this.#settled) return true
    this.#receivedBytes += chunk.byteLength
    if (this.#receivedBytes > this.#options.guard.maxEntrySizeBytes) {
      this.abort()
      return true
    }
    this.#queue.push(new Uint8Array(chunk))
    this.#queuedBytes += chunk.byteLength
    this.#work()
    this.#full = this.#queuedBytes > this.#options.maxBufferedBytes && !this.#settled
    return !this.#full
  }

  /** The body is complete: makes it visible once everything is written. */
  finish(trailers: FieldLines): void {
    const { expectedBytes } = this.#options
    if (expectedBytes !== undefined && expectedBytes !== this.#receivedBytes) return this.abort()
    this.#trailers = trailers
    this.#work()
  }

  /** Settles once it is known whether the response is stored; undefined: it is known. */
  whenSettled(): Promise<void> | undefined {
    if (this.#settled) return undefined
    return new Promise(resolve => {
      this.#waiting = resolve
    })
  }

  /** The body is not complete, or not wanted: forgets it. */
  abort(): void {
    if (this.#settled) return
    if (this.#writer !== undefined) void this.#options.guard.abort(this.#writer)
    this.#settle(false)
  }

  #begin(writer: BodyWriter | undefined): void {
    this.#writer = writer
    if (writer === undefined) this.#settle(false)
  }

  /** Writes what is queued, at once as long as the store takes it at once, then commits. */
  #work(): void {
    while (!this.#working && !this.#settled && this.#writer !== undefined) {
      const chunk = this.#queue.shift()
      if (chunk === undefined) {
        if (this.#trailers !== undefined) this.#commit(this.#writer, this.#trailers)
        return
      }
      const written = this.#options.guard.write(this.#writer, chunk)
      if (isPromise(written)) {
        this.#working = true
        void written.then(succeeded => {
          this.#working = false
          this.#written(chunk, succeeded)
          this.#work()
        })
      } else {
        this.#written(chunk, written)
      }
    }
  }

  #written(chunk: Uint8Array, succeeded: boolean): void {
    this.#queuedBytes -= chunk.byteLength
    if (!succeeded) this.abort()
    else if (this.#full && this.#queuedBytes <= this.#options.maxBufferedBytes / 2) this.#drain()
  }

  #commit(writer: BodyWriter, trailers: FieldLines): void {
    const { entry, guard } = this.#options
    const completeLength = this.#receivedBytes
    const segments = [{ start: 0, end: completeLength, bodyId: entry.id }]
    this.#working = true
    const committed = guard.commit(writer, { ...entry, trailers, completeLength, segments })
    if (isPromise(committed)) void committed.then(stored => this.#settle(stored))
    else this.#settle(committed)
  }

  #settle(stored: boolean): void {
    if (this.#settled) return
    this.#settled = true
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#options.onSettled(stored)
    this.#waiting?.()
    if (this.#full) this.#drain()
  }

  #drain(): void {
    this.#full = false
    this.#options.onDrain()
  }
}
