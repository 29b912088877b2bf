import { clearTimeout, setTimeout } from 'node:timers'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { BodyWriter, MaybePromise } from '../store.ts'
import { attempt } from './attempt.ts'
import { closedError } from './closed-error.ts'
import { isPromise } from './maybe-promise.ts'

/** How long a store that is being closed waits for the bodies that are being written. */
export const CLOSE_TIMEOUT_MS = 5_000
/** How long it then waits for those to be forgotten. */
const ABORT_TIMEOUT_MS = 1_000

/** The bodies that are being written to a store, which waits for them as it is closed. */
export class OpenWriters {
  readonly #storeName: string
  readonly #writers = new Set<OpenWriter>()
  #beginning = 0
  #closing: Promise<void> | undefined
  #isClosing = false
  #onIdle: (() => void) | undefined

  constructor(storeName: string) {
    this.#storeName = storeName
  }

  /** Begins a body. Throws a CacheError, ERR_CACHE_CLOSED, once the store is being closed. */
  begin(put: () => BodyWriter | undefined): BodyWriter | undefined
  begin(put: () => MaybePromise<BodyWriter | undefined>): MaybePromise<BodyWriter | undefined>
  begin(put: () => MaybePromise<BodyWriter | undefined>): MaybePromise<BodyWriter | undefined> {
    if (this.#isClosing) throw closedError(this.#storeName)
    const begun = put()
    return isPromise(begun) ? this.#begun(begun) : this.#opened(begun)
  }

  /** Lets no more begin, and settles once none is open: those that are not committed or aborted after five seconds are
   * aborted. undefined: none is open. */
  close(): Promise<void> | undefined {
    this.#isClosing = true
    if (this.#closing === undefined && !this.#isIdle) this.#closing = this.#finish()
    return this.#closing
  }

  async #begun(beginning: Promise<BodyWriter | undefined>): Promise<BodyWriter | undefined> {
    this.#beginning++
    try {
      return this.#opened(await beginning)
    } finally {
      this.#beginning--
      this.#changed()
    }
  }

  #opened(writer: BodyWriter | undefined): BodyWriter | undefined {
    if (writer === undefined) return undefined
    const open: OpenWriter = new OpenWriter(writer, () => {
      this.#writers.delete(open)
      this.#changed()
    })
    this.#writers.add(open)
    return open
  }

  async #finish(): Promise<void> {
    await this.#idle(CLOSE_TIMEOUT_MS)
    if (this.#isIdle) return
    for (const writer of this.#writers) void attempt(() => writer.abort())
    await this.#idle(ABORT_TIMEOUT_MS)
  }

  /** The timer keeps the process alive: it must not end while somebody waits for the store. */
  async #idle(timeoutMs: number): Promise<void> {
    if (this.#isIdle) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#onIdle = undefined
  }

  get #isIdle(): boolean {
    return this.#beginning === 0 && this.#writers.size === 0
  }

  #changed(): void {
    if (this.#isIdle) this.#onIdle?.()
  }
}

/** A writer that tells when it is over: when what commits or aborts it has come to its end. */
class OpenWriter implements BodyWriter {
  readonly #writer: BodyWriter
  readonly #onOver: () => void
  #ending = 0

  constructor(writer: BodyWriter, onOver: () => void) {
    this.#writer = writer
    this.#onOver = onOver
  }

  write(chunk: Uint8Array): MaybePromise<void> {
    return this.#writer.write(chunk)
  }

  commit(entry: Entry): MaybePromise<boolean> {
    return this.#end(() => this.#writer.commit(entry))
  }

  abort(): MaybePromise<void> {
    return this.#end(() => this.#writer.abort())
  }

  #end<T>(call: () => MaybePromise<T>): MaybePromise<T> {
    this.#ending++
    let isPending = false
    try {
      const result = call()
      if (!isPromise(result)) return result
      isPending = true
      return this.#ended(result)
    } finally {
      if (!isPending) this.#over()
    }
  }

  async #ended<T>(result: Promise<T>): Promise<T> {
    try {
      return await result
    } finally {
      this.#over()
    }
  }

  #over(): void {
    if (--this.#ending === 0) this.#onOver()
  }
}
