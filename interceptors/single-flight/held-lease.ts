import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers'
import { mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { Lease } from '../../stores/store.ts'
import type { FlightResult } from '../request/request-context.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'
import type { DownstreamHandler } from '../undici/downstream-handler.ts'
import type { Observer } from './flight.ts'
import { UNSHARED_MS } from './flight-registry.ts'
import { LONGEST_PAUSE_MS } from './lease-acquisition.ts'

export interface HeldLeaseOptions {
  readonly guard: StoreGuard
  readonly settings: { readonly leaseMs: number; readonly coalesceTimeoutMs: number }
  /** Whose request it is held for; undefined: it goes on in the background, and nobody waits for the lease. */
  readonly client: DownstreamHandler | undefined
}

/** Those who wait ask again within that time, and find out that it is over: none of them has to wait for the next. */
const MARK_MS = 2 * LONGEST_PAUSE_MS

/** A lease that is held while a flight is under way. It is renewed, so that it can be short, and let go of as soon as other
 * processes have no more reason to wait than those of this one who cannot read along. */
export class HeldLease implements Observer {
  readonly #lease: Lease
  readonly #options: HeldLeaseOptions
  readonly #renewal: NodeJS.Timeout
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(lease: Lease, options: HeldLeaseOptions) {
    this.#lease = lease
    this.#options = options
    this.#renewal = setInterval(() => this.#renew(), options.settings.leaseMs / 2).unref()
  }

  seen(isShareable: boolean): void {
    const { client, settings } = this.#options
    if (this.#isOver || client === undefined) return
    if (isShareable) this.#timer = setTimeout(() => this.#end('done', MARK_MS), settings.coalesceTimeoutMs).unref()
    else this.#end('unshared', UNSHARED_MS)
  }

  /** What comes will not be stored: the next one may begin. */
  overtaken(): void {
    this.#end()
  }

  /** Where the client has left, the next one may begin. */
  settled(result: FlightResult): void {
    if (result === 'nothing' && this.#options.client?.aborted) this.#end()
    else this.#end('done', MARK_MS)
  }

  #renew(): void {
    const { guard, settings } = this.#options
    void mapMaybe(guard.renew(this.#lease, settings.leaseMs), isHeld => {
      // It may be held all the same: it is let go of as if it were.
      if (!isHeld) clearInterval(this.#renewal)
    })
  }

  #end(mark?: 'done' | 'unshared', markMs?: number): void {
    if (this.#isOver) return
    this.#stop()
    void this.#options.guard.release(this.#lease, mark, markMs)
  }

  #stop(): void {
    this.#isOver = true
    clearInterval(this.#renewal)
    clearTimeout(this.#timer)
  }
}
