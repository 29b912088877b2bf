import { decideRequest } from '../../lib/rfc9111/decide-request.ts'
import type { Policy, Request } from '../../lib/rfc9111/types.ts'
import { variantKey } from '../../lib/rfc9111/vary.ts'
import type { ForwardPlan } from '../request/forward-plan.ts'
import type { Dispatch } from '../request/request-context.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'
import { ExpiringSet } from './expiring-set.ts'
import type { Flight, FlightContext } from './flight.ts'
import { type FlightRegistry, flightName } from './flight-registry.ts'
import { HeldLease } from './held-lease.ts'
import type { BackgroundExchange, OriginPort } from './origin-port.ts'

/** How long after a refresh in vain the next may begin, and how many such are remembered. */
const PAUSE_MS = 1000
const MAX_IN_VAIN = 10_000

/** What a background refresh works with. */
export interface BackgroundServices {
  readonly guard: StoreGuard
  readonly flights: FlightRegistry
  readonly settings: {
    readonly policy: Policy
    readonly coalesceTimeoutMs: number
    readonly leaseMs: number
    readonly now: () => number
  }
}

/** Sends requests that no client waits for. */
export class BackgroundRefresh {
  readonly #services: BackgroundServices
  readonly #origin: OriginPort
  /** Each with the dispatcher that it goes through. */
  readonly #exchanges = new Map<BackgroundExchange, Dispatch>()
  /** The flights of refreshes, by what is refreshed. */
  readonly #refreshes = new Map<string, Flight>()
  /** What was refreshed in vain a moment ago: an origin that fails is not asked again with each hit. */
  readonly #inVain = new ExpiringSet(PAUSE_MS, MAX_IN_VAIN)
  /** Refreshes that wait for a lease. */
  readonly #planned = new Map<string, FlightContext>()
  #isClosed = false

  constructor(services: BackgroundServices, origin: OriginPort) {
    this.#services = services
    this.#origin = origin
  }

  /** Refreshes a response that was served stale, unless this process does so already, or another one that shares the store.
   * RFC 5861 §3 */
  async refresh(context: FlightContext, request: Request, plan: ForwardPlan): Promise<void> {
    const { guard, flights, settings } = this.#services
    const what = refreshName(request, plan)
    const name = flightName(request, context.opts) ?? request.key
    const isUnderWay = () => this.#isClosed || flights.find(name) !== undefined || this.#isRefreshing(what)
    if (isUnderWay() || this.#planned.has(what) || this.#inVain.has(what)) return
    const inBackground = { ...context, client: undefined, storeDeadline: guard.newDeadline() }
    if (!guard.givesLeases || !guard.isKnown(plan.asOf)) {
      this.#refresh(what, inBackground, request, plan, flights.start(name, request.key))
      return
    }
    this.#planned.set(what, context)
    const answer = await guard.lease(`refresh ${what}`, settings.leaseMs)
    const lease = typeof answer === 'object' ? answer : undefined
    const isMine = lease !== undefined || answer === undefined
    const current = lease === undefined ? plan : await this.#lookAgain(request, plan)
    const isPlanned = this.#planned.get(what) === context
    if (isPlanned) this.#planned.delete(what)
    if (!isPlanned || !isMine || current === undefined || isUnderWay()) {
      if (lease !== undefined) void guard.release(lease)
      return
    }
    const flight = flights.start(name, request.key)
    if (lease !== undefined) flight.observer = new HeldLease(lease, { guard, settings, client: undefined })
    this.#refresh(what, inBackground, request, current, flight)
  }

  /** Sends the request of a flight. `over` is called when it is known whether the response is stored; perhaps more than
   * once. */
  fetch(context: FlightContext, request: Request, plan: ForwardPlan, flight: Flight, over = () => {}): void {
    // What the dispatcher throws is nobody's: the client has its answer or has left, and followers send their own.
    const exchange = this.#origin.sendLater(context, request, plan, flight, () => {
      this.#exchanges.delete(exchange)
      over()
    })
    this.#exchanges.set(exchange, context.next)
  }

  /** Aborts the requests that go through one dispatcher. */
  release(next: Dispatch): void {
    for (const [what, context] of this.#planned) if (context.next === next) this.#planned.delete(what)
    for (const [exchange, through] of [...this.#exchanges]) if (through === next) exchange.cancel()
  }

  /** Aborts all of them, and sends no more. */
  close(): void {
    this.#isClosed = true
    this.#planned.clear()
    for (const exchange of [...this.#exchanges.keys()]) exchange.cancel()
  }

  #isRefreshing(what: string): boolean {
    return this.#refreshes.get(what)?.isOverdue(this.#services.settings.coalesceTimeoutMs) === false
  }

  #refresh(what: string, context: FlightContext, request: Request, plan: ForwardPlan, flight: Flight): void {
    this.#refreshes.set(what, flight)
    this.fetch(context, request, plan, flight, () => {
      if (this.#refreshes.get(what) === flight) this.#refreshes.delete(what)
      if (flight.result === 'nothing') this.#inVain.add(what)
    })
  }

  /** Plans the refresh anew by what is stored now, since another process may have refreshed it between the lookup and the
   * lease; undefined: no refresh is needed any more. */
  async #lookAgain(request: Request, plan: ForwardPlan): Promise<ForwardPlan | undefined> {
    const { guard, settings } = this.#services
    const variantOf = (names: readonly string[]) => variantKey(request, names)
    let found = await guard.get(request.key, variantOf)
    for (;;) {
      const decision = decideRequest(request, found, settings.policy, settings.now())
      if (decision.kind === 'hit') return undefined
      if (found.deeper !== undefined) found = await guard.deeper(found, request.key, variantOf)
      else if (decision.kind !== 'stale-while-revalidate') return undefined
      else return { ...plan, revalidation: decision.revalidation, stored: found.stored }
    }
  }
}

/** Names a stored response: one refresh serves all who get it. */
function refreshName({ key }: Request, { stored }: ForwardPlan): string {
  return `${key} ${stored[0]?.entry.variantKey}`
}
