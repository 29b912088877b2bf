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
  /** What of a stored body comes before and after the origin's bytes. */
  readonly join: Join | undefined
  /** What is to be stored, or Content-Length said; undefined where the body is framed otherwise. */
  readonly expectedBytes: number | undefined
  /** The origin may go on after `write` returned false. */
  onDrain(): void
  /** Called once. */
  onSettled(stored: boolean): void
}

/** One response on its way into the store: joined with what is stored, and in its order among those for the same key. */
export class StoreWrite {
  readonly request: Request
  readonly entry: Entry
  readonly #services: StoreWriteOptions['services']
  readonly #recorder: BodyRecorder
  readonly #join: Join | undefined
  readonly #joined: Stored | undefined
  /** Settles when it is known what becomes of responses for the same key that were complete before this one. */
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

  /** A word: why not. */
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

  /** All has come. */
  finish(trailers: FieldLines): void {
    const after = this.#join?.after
    if (this.#joined !== undefined && after !== undefined) this.#recorder.copy(this.#joined, after)
    this.#conclude(() => this.#recorder.finish(trailers))
  }

  /** Nothing more comes: what has come is stored if it may be. */
  interrupt(): void {
    if (this.request.method === 'GET') this.#conclude(() => this.#recorder.cutOff())
    else this.#recorder.abort()
  }

  /** Nothing of it is to be stored. */
  forget(): void {
    this.#recorder.abort()
  }

  /** Who asks for the same right after looks again once the store has done its work; what is less than a whole waits for
   * what has come before it. */
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
