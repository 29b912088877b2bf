import { isUint8Array } from 'node:util/types'
import { cutOff, MIN_KEPT_BYTES } from '../../lib/rfc9111/parts.ts'
import { isLesser } from '../../lib/rfc9111/precedence.ts'
import { isPartial, storedBytes } from '../../lib/rfc9111/segments.ts'
import type { ByteRange, Entry, FieldLines } from '../../lib/rfc9111/types.ts'
import { Blocks } from '../../stores/blocks.ts'
import { isPromise, mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { BodyWriter, MaybePromise, Stored } from '../../stores/store.ts'
import { storedChunks } from '../replay/body-chunks.ts'
import type { StoreGuard, StoreRefusal } from '../store-access/store-guard.ts'
import type { Joining } from './commit-check.ts'

export interface BodyRecorderOptions {
  readonly guard: StoreGuard
  /** With `completeLength` and `segments` where it is known beforehand what is to be stored. */
  readonly entry: Entry
  readonly writer: MaybePromise<BodyWriter | StoreRefusal>
  /** What is to be stored, or Content-Length said; undefined where the body is framed otherwise. */
  readonly expectedBytes: number | undefined
  /** How many of the bytes are stored already, in the entry that this one is to replace. */
  readonly knownBytes: number
  readonly maxBufferedBytes: number
  /** Called when the origin may go on after `write` returned false. */
  readonly onDrain: () => void
  /** Called once: whether the response is stored, as a whole or as the part that it was to be. */
  readonly onSettled: (stored: boolean) => void
  /** Whether less than a whole may still take the place of what is stored by now, or what it is to be joined with.
   * `isCutOff`: it was to be more. */
  readonly mayReplace: (
    lesser: Entry,
    isCutOff: boolean,
    canJoin: (joining: Joining) => boolean
  ) => MaybePromise<boolean | Joining>
  /** Begins the body of what is joined with what is stored by now. */
  readonly putJoined: (entry: Entry) => MaybePromise<BodyWriter | StoreRefusal>
}

/** A stretch of a stored body, to be copied. */
interface Copy {
  readonly stored: Stored
  readonly range: ByteRange
}

/** Copies a body into the store while it goes to the client, chunk by chunk. What goes wrong here ends the recording,
 * never the response. */
export class BodyRecorder {
  readonly #options: BodyRecorderOptions
  #writer: BodyWriter | undefined
  readonly #queue: (Uint8Array | Copy)[] = []
  #queuedBytes = 0
  #receivedBytes = 0
  #working = false
  #full = false
  #settled = false
  /** As which it is to be committed, once everything is written. */
  #finished: Entry | undefined
  #isCutOff = false
  #isAnew = false
  #waiting: (() => void) | undefined
  /** All that came of a small part, in case something is stored by then that comes before it. */
  #kept: Blocks | undefined

  constructor(options: BodyRecorderOptions) {
    this.#options = options
    if (mayBePreceded(options)) this.#kept = new Blocks()
    this.#start(options.writer)
  }

  /** Takes a copy of the chunk. False: the origin should pause until `onDrain`. */
  write(chunk: Uint8Array): boolean {
    if (this.#settled) return true
    this.#receivedBytes += chunk.byteLength
    if (this.#receivedBytes > this.#options.guard.maxEntrySizeBytes) {
      this.abort()
      return true
    }
    this.#kept?.push(new Uint8Array(chunk))
    this.#queue.push(new Uint8Array(chunk))
    this.#queuedBytes += chunk.byteLength
    this.#work()
    this.#full = this.#queuedBytes > this.#options.maxBufferedBytes && !this.#settled
    return !this.#full
  }

  /** Takes bytes from another stored body, which is read when it is their turn. */
  copy(stored: Stored, range: ByteRange): void {
    this.#receivedBytes += range.end - range.start
    this.#queue.push({ stored, range })
    this.#work()
  }

  /** The body is complete: makes it visible once everything is written. */
  finish(trailers: FieldLines): void {
    const { expectedBytes, entry } = this.#options
    const end = this.#receivedBytes
    if (expectedBytes !== undefined && expectedBytes !== end) return this.abort()
    if (entry.completeLength !== undefined) this.#finished = isPartial(entry) ? entry : { ...entry, trailers }
    else this.#finished = { ...entry, trailers, completeLength: end, segments: [{ start: 0, end }] }
    this.#work()
  }

  /** Nothing more comes: keeps what there is as a part, where there is enough of it and the rest can be asked for later;
   * else forgets it. */
  cutOff(): void {
    const { entry, expectedBytes, knownBytes } = this.#options
    if (this.#receivedBytes - knownBytes < MIN_KEPT_BYTES) return this.abort()
    this.#finished = cutOff(entry, this.#receivedBytes, entry.completeLength ?? expectedBytes)
    this.#isCutOff = true
    if (this.#finished === undefined) this.abort()
    else this.#work()
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

  #start(writer: MaybePromise<BodyWriter | StoreRefusal>): void {
    if (!isPromise(writer)) return this.#begin(writer)
    this.#working = true
    // The guard's promises do not reject.
    void writer.then(started => {
      this.#working = false
      if (this.#settled) {
        if (typeof started !== 'string') void this.#options.guard.abort(started)
        return
      }
      this.#begin(started)
      this.#work()
    })
  }

  #begin(writer: BodyWriter | StoreRefusal): void {
    if (typeof writer === 'string') this.#settle(false)
    else this.#writer = writer
  }

  /** Writes what is queued, at once as long as the store takes it at once, then commits. */
  #work(): void {
    while (!this.#working && !this.#settled && this.#writer !== undefined) {
      const next = this.#queue.shift()
      if (next === undefined) {
        if (this.#finished !== undefined) this.#commit(this.#writer, this.#finished)
        return
      }
      const bytes = isUint8Array(next) ? next.byteLength : 0
      const written = isUint8Array(next)
        ? this.#options.guard.write(this.#writer, next)
        : this.#copy(this.#writer, next)
      if (isPromise(written)) {
        this.#working = true
        void written.then(succeeded => {
          this.#working = false
          this.#written(bytes, succeeded)
          this.#work()
        })
      } else {
        this.#written(bytes, written)
      }
    }
  }

  async #copy(writer: BodyWriter, { stored, range }: Copy): Promise<boolean> {
    const { guard } = this.#options
    try {
      for await (const piece of storedChunks(guard, stored, range)) {
        if (this.#settled || !(await guard.write(writer, new Uint8Array(piece)))) return false
      }
      return true
    } catch {
      // The guard has been told.
      return false
    }
  }

  #written(bytes: number, succeeded: boolean): void {
    this.#queuedBytes -= bytes
    if (!succeeded) this.abort()
    else if (this.#full && this.#queuedBytes <= this.#options.maxBufferedBytes / 2) this.#drain()
  }

  #commit(writer: BodyWriter, entry: Entry): void {
    this.#working = true
    const { guard, mayReplace } = this.#options
    // What was written anew is stored as of now: whether something newer has come is not for the store to tell.
    const isToBeAsked = isLesser(entry) || this.#isAnew
    const isCutOff = this.#isCutOff && isPartial(entry)
    const canJoin = (joining: Joining) => this.#canJoin(joining)
    void mapMaybe(isToBeAsked ? mayReplace(entry, isCutOff, canJoin) : true, may => {
      if (this.#settled) return
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

  /** Adds what is stored by now, beginning anew where that comes first. */
  #join(writer: BodyWriter, { stored, entry, before, after }: Joining): void {
    const { guard, putJoined } = this.#options
    this.#finished = entry
    this.#working = false
    if (before !== undefined) {
      this.#queue.push({ stored, range: before }, ...(this.#kept?.finish() ?? []))
      this.#queuedBytes = this.#receivedBytes
      this.#kept = undefined
      this.#isAnew = true
      void guard.abort(writer)
      this.#writer = undefined
      this.#start(putJoined(entry))
    }
    if (after !== undefined) this.#queue.push({ stored, range: after })
    this.#work()
  }

  #settle(stored: boolean): void {
    if (this.#settled) return
    this.#settled = true
    this.#kept = undefined
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

/** Whether a part may have to be put behind another that comes meanwhile, and is small enough to be kept for that. */
function mayBePreceded({ entry, knownBytes, maxBufferedBytes }: BodyRecorderOptions): boolean {
  const [first] = entry.segments
  if (first === undefined || first.start === 0 || knownBytes > 0) return false
  return isPartial(entry) && storedBytes(entry) <= maxBufferedBytes
}
