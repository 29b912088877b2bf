import type { Join } from '../../lib/rfc9111/decide-response.ts'
import { isSafe } from '../../lib/rfc9111/methods.ts'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { Entry, FieldLines, Request } from '../../lib/rfc9111/types.ts'
import { mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { BodyWriter, MaybePromise, Stored } from '../../stores/store.ts'
import type { Reason } from '../outcome/reasons.ts'
import { type ForwardPlan, storedOf } from '../request/forward-plan.ts'
import { withDeadline } from '../store-access/store-deadline.ts'
import type { StoreRefusal } from '../store-access/store-guard.ts'
import { BodyRecorder } from './body-recorder.ts'
import { mayReplace } from './commit-check.ts'
import type { OriginServices } from './origin-services.ts'

export interface StoreWriteOptions {
  readonly services: Pick<OriginServices, 'guard' | 'flights' | 'pendingWrites' | 'settings'>
  readonly plan: ForwardPlan
  readonly request: Request
  readonly entry: Entry
  /** The ranges of a stored body before and after the origin's bytes. */
  readonly join: Join | undefined
  /** The length of the body, in bytes; undefined where no Content-Length states it. */
  readonly expectedBytes: number | undefined
  /** Called when the origin may continue after `write` returned false. */
  onDrain(): void
  /** Called once. */
  onSettled(stored: boolean): void
}

/** Writes one response to the store: joined with what is stored, and in order with other responses for the same key. */
export class StoreWrite {
  readonly request: Request
  readonly entry: Entry
  readonly #services: StoreWriteOptions['services']
  readonly #recorder: BodyRecorder
  readonly #join: Join | undefined
  readonly #joined: Stored | undefined
  /** Settles when it is known whether responses for the same key that were complete earlier are stored. */
  #othersStored: Promise<void> | undefined

  private constructor(options: StoreWriteOptions, writer: MaybePromise<BodyWriter | StoreRefusal>) {
    const { services, plan, request, entry, join } = options
    const { guard, settings } = services
    this.request = request
    this.entry = entry
    this.#services = services
    this.#join = join
    this.#joined = join && storedOf(plan, join.with)
    this.#recorder = new BodyRecorder({
      guard,
      entry,
      writer,
      expectedBytes: options.expectedBytes,
      knownBytes: join === undefined ? 0 : storedBytes(join.with),
      maxBufferedBytes: settings.maxBufferedBytes,
      onDrain: () => options.onDrain(),
      onSettled: stored => options.onSettled(stored),
      mayReplace: (lesser, isCutOff, canJoin) => {
        const place = { guard, policy: settings.policy, request, asOf: plan.asOf }
        return mapMaybe(this.#othersStored, () => mayReplace(place, lesser, isCutOff, canJoin))
      },
      putJoined: joined => guard.put(joined, plan.asOf)
    })
    if (this.#joined !== undefined && join?.before !== undefined) this.#recorder.copy(this.#joined, join.before)
  }

  /** Returns the reason where the response cannot be stored. */
  static beginOrReason(options: StoreWriteOptions): StoreWrite | Reason {
    const { services, plan, request, entry, join } = options
    if (join !== undefined && storedOf(plan, join.with) === undefined) return 'body-vanished'
    const writer = services.guard.put(entry, isSafe(request.method) ? plan.asOf : undefined)
    if (typeof writer === 'string') return writer
    return new StoreWrite(options, writer)
  }

  /** False: the origin should pause until `onDrain`. */
  write(chunk: Uint8Array): boolean {
    return this.#recorder.write(chunk)
  }

  /** Ends a complete response. */
  finish(trailers: FieldLines): void {
    const after = this.#join?.after
    if (this.#joined !== undefined && after !== undefined) this.#recorder.copy(this.#joined, after)
    this.#conclude(() => this.#recorder.finish(trailers))
  }

  /** Ends an incomplete response: what was received is stored as a part if it may be. */
  interrupt(): void {
    if (this.request.method === 'GET') this.#conclude(() => this.#recorder.cutOff())
    else this.#recorder.abort()
  }

  /** Removes what was written. */
  forget(): void {
    this.#recorder.abort()
  }

  /** Ends the write. Later requests for the key look again once it has settled; a part waits for responses that were complete
   * earlier. */
  #conclude(end: () => void): void {
    const { flights, pendingWrites, settings } = this.#services
    const { key } = this.request
    const result = flights.storingOf(key)
    if (result !== undefined) {
      this.#othersStored = withDeadline(result, settings.storeTimeoutMs, 'commit').then(nothing, nothing)
    }
    end()
    const settled = this.#recorder.whenSettled()
    if (settled === undefined) return
    flights.noteStoring(key, settled)
    pendingWrites.add(settled)
  }
}

function nothing(): void {}
