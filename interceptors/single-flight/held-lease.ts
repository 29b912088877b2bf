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
  /** The client that the lease is held for; undefined: a background request, whose lease nobody waits for. */
  readonly client: DownstreamHandler | undefined
}

/** Waiters ask again within that time, and learn that the lease is over. */
const MARK_MS = 2 * LONGEST_PAUSE_MS

/** A lease that is held while a flight is under way. It is short, and renewed; it is released as soon as other processes have
 * no more reason to wait than the followers of this process that cannot share the response. */
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

  /** The response will not be stored: another process may begin. */
  overtaken(): void {
    this.#end()
  }

  /** Where the client has left, another process may begin. */
  settled(result: FlightResult): void {
    if (result === 'nothing' && this.#options.client?.aborted) this.#end()
    else this.#end('done', MARK_MS)
  }

  #renew(): void {
    const { guard, settings } = this.#options
    void mapMaybe(guard.renew(this.#lease, settings.leaseMs), isHeld => {
      // It may be held all the same, and is released as if it were.
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
