import { isUint8Array } from 'node:util/types'
import { cutOff, MIN_KEPT_BYTES } from '../../lib/rfc9111/parts.ts'
import { isLesser } from '../../lib/rfc9111/precedence.ts'
import { isPartial, storedBytes } from '../../lib/rfc9111/segments.ts'
import type { ByteRange, Entry, FieldLines } from '../../lib/rfc9111/types.ts'
import { Blocks } from '../../stores/shared/blocks.ts'
import { isPromise, mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { BodyWriter, MaybePromise, Stored } from '../../stores/store.ts'
import type { StoreGuard, StoreRefusal } from '../store-access/store-guard.ts'
import { type Joining, mayBePreceded } from './commit-check.ts'
import { copyRange, type StoredRange } from './stored-range.ts'

export interface BodyRecorderOptions {
  readonly guard: StoreGuard
  /** With `completeLength` and `segments` where they are known beforehand. */
  readonly entry: Entry
  readonly writer: MaybePromise<BodyWriter | StoreRefusal>
  /** The length of the body, in bytes; undefined where no Content-Length states it. */
  readonly expectedBytes: number | undefined
  /** How many of the bytes are stored already, in the entry that this one replaces. */
  readonly knownBytes: number
  readonly maxBufferedBytes: number
  /** Called when the origin may continue after `write` returned false. */
  readonly onDrain: () => void
  /** Called once: whether the response is stored, as a whole or as the part that it was to be. */
  readonly onSettled: (stored: boolean) => void
  /** Decides whether a part may still replace what is stored by now, or is to be joined with it. `isCutOff`: the response
   * ended early. */
  readonly mayReplace: (
    lesser: Entry,
    isCutOff: boolean,
    canJoin: (joining: Joining) => boolean
  ) => MaybePromise<boolean | Joining>
  /** Begins the body of a part that is joined with what is stored by now. */
  readonly putJoined: (entry: Entry) => MaybePromise<BodyWriter | StoreRefusal>
}

/** What is committed once everything is written. */
interface Ending {
  readonly entry: Entry
  /** The response ended before its body was complete. */
  readonly isCutOff: boolean
  /** The body was written a second time, behind a part that had been stored meanwhile. */
  readonly isRewritten: boolean
}

/** `idle`: the next write may begin; `working`: the store is writing or committing; `settled`: it is known whether the
 * response is stored. */
type RecorderState = 'idle' | 'working' | 'settled'

/** Writes a body to the store, chunk by chunk, while it is delivered. A failure here ends the recording, never the response. */
export class BodyRecorder {
  readonly #options: BodyRecorderOptions
  #writer: BodyWriter | undefined
  readonly #queue: (Uint8Array | StoredRange)[] = []
  #queuedBytes = 0
  #receivedBytes = 0
  #state: RecorderState = 'idle'
  /** Whether the origin is to pause. */
  #isFull = false
  /** undefined until the body has ended. */
  #ending: Ending | undefined
  #onSettled: (() => void) | undefined
  /** The whole of a small part, in case a part that precedes it is stored by the time it is committed. */
  #kept: Blocks | undefined

  constructor(options: BodyRecorderOptions) {
    this.#options = options
    if (options.knownBytes === 0 && mayBePreceded(options.entry, options.maxBufferedBytes)) this.#kept = new Blocks()
    this.#start(options.writer)
  }

  /** Takes a copy of the chunk. False: the origin should pause until `onDrain`. */
  write(chunk: Uint8Array): boolean {
    if (this.#state === 'settled') return true
    this.#receivedBytes += chunk.byteLength
    if (this.#receivedBytes > this.#options.guard.maxEntrySizeBytes) {
      this.abort()
      return true
    }
    this.#kept?.push(new Uint8Array(chunk))
    this.#queue.push(new Uint8Array(chunk))
    this.#queuedBytes += chunk.byteLength
    this.#work()
    this.#isFull = this.#queuedBytes > this.#options.maxBufferedBytes && !this.#isSettled
    return !this.#isFull
  }

  /** Queues bytes of another stored body. They are read when everything before them is written. */
  copy(stored: Stored, range: ByteRange): void {
    this.#receivedBytes += range.end - range.start
    this.#queue.push({ stored, range })
    this.#work()
  }

  /** Ends a complete body: it is committed once everything is written. */
  finish(trailers: FieldLines): void {
    const { expectedBytes, entry } = this.#options
    const end = this.#receivedBytes
    if (expectedBytes !== undefined && expectedBytes !== end) return this.abort()
    let finished: Entry
    if (entry.completeLength !== undefined) finished = isPartial(entry) ? entry : { ...entry, trailers }
    else finished = { ...entry, trailers, completeLength: end, segments: [{ start: 0, end }] }
    this.#ending = { entry: finished, isCutOff: false, isRewritten: false }
    this.#work()
  }

  /** Ends an incomplete body: it is committed as a part, if it is long enough and the rest can be requested later; otherwise it
   * is removed. */
  cutOff(): void {
    const { entry, expectedBytes, knownBytes } = this.#options
    if (this.#receivedBytes - knownBytes < MIN_KEPT_BYTES) return this.abort()
    const part = cutOff(entry, this.#receivedBytes, entry.completeLength ?? expectedBytes)
    if (part === undefined) return this.abort()
    this.#ending = { entry: part, isCutOff: true, isRewritten: false }
    this.#work()
  }

  /** Settles once it is known whether the response is stored; undefined: it is known. */
  whenSettled(): Promise<void> | undefined {
    if (this.#isSettled) return undefined
    return new Promise(resolve => {
      this.#onSettled = resolve
    })
  }

  /** Removes what was written of a body that is not to be stored. */
  abort(): void {
    if (this.#isSettled) return
    if (this.#writer !== undefined) void this.#options.guard.abort(this.#writer)
    this.#settle(false)
  }

  #start(writer: MaybePromise<BodyWriter | StoreRefusal>): void {
    if (!isPromise(writer)) return this.#begin(writer)
    this.#state = 'working'
    // The guard's promises do not reject.
    void writer.then(started => {
      if (this.#isSettled) {
        if (typeof started !== 'string') void this.#options.guard.abort(started)
        return
      }
      this.#state = 'idle'
      this.#begin(started)
      this.#work()
    })
  }

  #begin(writer: BodyWriter | StoreRefusal): void {
    if (typeof writer === 'string') this.#settle(false)
    else this.#writer = writer
  }

  get #isSettled(): boolean {
    return this.#state === 'settled'
  }

  /** Writes what is queued, synchronously as long as the store does, then commits. */
  #work(): void {
    while (this.#state === 'idle' && this.#writer !== undefined) {
      const next = this.#queue.shift()
      if (next === undefined) {
        if (this.#ending !== undefined) this.#commit(this.#writer, this.#ending)
        return
      }
      const bytes = isUint8Array(next) ? next.byteLength : 0
      const written = isUint8Array(next)
        ? this.#options.guard.write(this.#writer, next)
        : copyRange(this.#options.guard, this.#writer, next, () => this.#isSettled)
      if (isPromise(written)) {
        this.#state = 'working'
        void written.then(succeeded => {
          if (this.#isSettled) return
          this.#state = 'idle'
          this.#written(bytes, succeeded)
          this.#work()
        })
      } else {
        this.#written(bytes, written)
      }
    }
  }

  #written(bytes: number, succeeded: boolean): void {
    this.#queuedBytes -= bytes
    if (!succeeded) this.abort()
    else if (this.#isFull && this.#queuedBytes <= this.#options.maxBufferedBytes / 2) this.#drain()
  }

  #commit(writer: BodyWriter, { entry, isCutOff: wasCutOff, isRewritten }: Ending): void {
    this.#state = 'working'
    const { guard, mayReplace } = this.#options
    // The store takes a rewritten body as new, and cannot tell whether a newer response has been stored since.
    const isToBeAsked = isLesser(entry) || isRewritten
    const isCutOff = wasCutOff && isPartial(entry)
    const canJoin = (joining: Joining) => this.#canJoin(joining)
    void mapMaybe(isToBeAsked ? mayReplace(entry, isCutOff, canJoin) : true, may => {
      if (this.#isSettled) return
      if (typeof may === 'object') this.#join(writer, may)
      else if (may) void mapMaybe(guard.commit(writer, entry), stored => this.#settle(stored))
      else this.abort()
    })
  }

  #canJoin({ entry, before }: Joining): boolean {
    return (
      storedBytes(entry) <= this.#options.guard.maxEntrySizeBytes && (before === undefined || this.#kept !== undefined)
    )
  }

  /** Joins the part with what is stored by now. Where that precedes the part, the body is written a second time. */
  #join(writer: BodyWriter, { stored, entry, before, after }: Joining): void {
    const { guard, putJoined } = this.#options
    const isCutOff = this.#ending?.isCutOff === true
    const isRewritten = this.#ending?.isRewritten === true || before !== undefined
    this.#ending = { entry, isCutOff, isRewritten }
    this.#state = 'idle'
    if (before !== undefined) {
      this.#queue.push({ stored, range: before }, ...(this.#kept?.finish() ?? []))
      this.#queuedBytes = this.#receivedBytes
      this.#kept = undefined
      void guard.abort(writer)
      this.#writer = undefined
      this.#start(putJoined(entry))
    }
    if (after !== undefined) this.#queue.push({ stored, range: after })
    this.#work()
  }

  #settle(stored: boolean): void {
    if (this.#isSettled) return
    this.#state = 'settled'
    this.#kept = undefined
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#options.onSettled(stored)
    this.#onSettled?.()
    if (this.#isFull) this.#drain()
  }

  #drain(): void {
    this.#isFull = false
    this.#options.onDrain()
  }
}
