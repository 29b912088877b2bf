import { decideRequest } from '../../lib/rfc9111/decide-request.ts'
import type { Policy, Request } from '../../lib/rfc9111/types.ts'
import { variantKey } from '../../lib/rfc9111/vary.ts'
import type { Position } from '../../stores/store.ts'
import type { StatusOf } from '../outcome/cache-status.ts'
import { hitOutcome } from '../outcome/outcome.ts'
import { type ForwardPlan, mayAskAgain } from '../request/forward-plan.ts'
import type { PendingRequests } from '../request/pending-requests.ts'
import { afterWaiting, asItStands, hasWaitedForResponse } from '../request/request-context.ts'
import { guarded } from '../store-access/guarded.ts'
import { withDeadline } from '../store-access/store-deadline.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'
import { AnswerHead } from '../undici/answer-head.ts'
import { startOnce } from '../undici/downstream-handler.ts'
import type { BackgroundRefresh } from './background-refresh.ts'
import type { Flight, FlightContext, Stream } from './flight.ts'
import { type FlightRegistry, flightName } from './flight-registry.ts'
import { Follower, type Share } from './follower.ts'
import { HeldLease } from './held-lease.ts'
import { LeaseAcquisition } from './lease-acquisition.ts'
import type { LookUp, OriginPort } from './origin-port.ts'

/** How long a follower waits for the leader's header section before it sends a request of its own. */
const LONGEST_WAIT_MS = 30_000

/** What single-flight works with. */
export interface CoalescerServices {
  readonly guard: StoreGuard
  readonly flights: FlightRegistry
  readonly statusOf: StatusOf
  readonly settings: {
    readonly policy: Policy
    readonly storeTimeoutMs: number
    readonly coalesce: 'process' | 'fleet'
    readonly coalesceTimeoutMs: number
    readonly leaseMs: number
    readonly now: () => number
  }
}

/** Where requests go from here. */
export interface CoalescerPorts {
  readonly origin: OriginPort
  readonly lookUp: LookUp
  readonly background: BackgroundRefresh
  readonly pending: PendingRequests
}

/** Sends one request to the origin where several ask for the same response: within this process by its flights, across
 * processes by the store's leases. */
export class Coalescer {
  readonly #services: CoalescerServices
  readonly #ports: CoalescerPorts

  constructor(services: CoalescerServices, ports: CoalescerPorts) {
    this.#services = services
    this.#ports = ports
  }

  /** Notes the flight that is under way for the same response while the store is asked. */
  withUnderWay(context: FlightContext, request: Request): FlightContext {
    const { progress } = context
    if (progress.kind !== 'first') return context
    const name = flightName(request, context.opts)
    const underWay = name === undefined ? undefined : this.#services.flights.find(name)
    return underWay === progress.underWay ? context : { ...context, progress: { kind: 'first', underWay } }
  }

  /** Sends the request, or waits for a flight that is under way. A request that has waited in vain is sent. */
  fetchOrWait(context: FlightContext, request: Request, plan: ForwardPlan): boolean {
    const { progress } = context
    if (progress.kind === 'leader') return this.#fetchAsLeader(context, request, plan, progress.flight)
    const name = hasWaitedForResponse(context) ? undefined : flightName(request, context.opts)
    const flight = name === undefined ? undefined : this.#services.flights.find(name)
    if (flight !== undefined) return this.#follow(context, request, plan, flight)
    if (progress.kind === 'first') {
      if (progress.underWay?.result === 'stored') return this.#lookAgain(context, request)
      const result = this.#services.flights.storingOf(request.key)
      if (result !== undefined) return this.#awaitStoring(context, request, result)
    }
    if (name !== undefined && this.#isForFleet(name, plan)) return this.#acquireLease(context, request, plan, name)
    return this.#send(mayAskAgain(plan) ? asItStands(context) : context, request, plan, name)
  }

  /** Looks the request up once more, after it has waited for another's response. */
  #lookAgain(context: FlightContext, request: Request): boolean {
    return this.#ports.lookUp(afterWaiting(context, 'response'), request)
  }

  /** Waits until a response for the same key that is complete has been stored, and looks again. */
  #awaitStoring(context: FlightContext, request: Request, result: Promise<unknown>): boolean {
    const { settings } = this.#services
    const { pending, lookUp } = this.#ports
    const timeoutMs = settings.storeTimeoutMs
    const settled = guarded(
      withDeadline(result, timeoutMs, 'commit', undefined, context.storeDeadline.remainingMs()),
      undefined
    )
    return pending.when(context, settled, (_, later) => lookUp(afterWaiting(later, 'store'), request))
  }

  #follow(context: FlightContext, request: Request, plan: ForwardPlan, flight: Flight): boolean {
    const { client } = context
    const { settings } = this.#services
    if (client === undefined) return true
    context.storeDeadline.pause()
    const kept = asItStands(context)
    startOnce(client)
    if (client.isFinished) return true
    new Follower({
      client,
      own: { context: kept, request },
      flight,
      headersTimeoutMs: longestWaitMs(context),
      storingTimeoutMs: settings.coalesceTimeoutMs,
      shareOf: stream => this.#shareOf(stream, request),
      lookUp: () => this.#lookAgain(kept, request),
      fetch: () => this.#ports.origin.send(kept, request, plan),
      // The first of the followers that are too late to share the response leads the others, and may be answered already.
      fetchAnew: () =>
        flight.isOverdue(settings.coalesceTimeoutMs)
          ? this.#ports.lookUp(kept, request)
          : this.#ports.origin.send(kept, request, plan)
    }).wait()
    return true
  }

  /** Decides what a follower can use of the leader's response. */
  #shareOf({ entry }: Stream, request: Request): Share {
    if (entry.variantKey !== variantKey(request, entry.vary)) return 'nothing'
    const { statusOf, settings } = this.#services
    const { policy, now } = settings
    const decision = decideRequest(request, { stored: [{ entry }], otherVariants: false }, policy, now())
    switch (decision.kind) {
      case 'hit':
      case 'stale-while-revalidate': {
        const isStale = decision.kind !== 'hit' || decision.stale
        const outcome = hitOutcome(decision.answer, isStale ? decision.reason : 'collapsed', isStale, true)
        return { head: new AnswerHead(decision.answer, statusOf(outcome)), outcome }
      }
      case 'revalidate':
        return decision.revalidation.conditions.length > 0 ? 'once stored' : 'nothing'
      default:
        return 'nothing'
    }
  }

  /** Whether to take a lease. Where nothing can be stored, other processes would wait in vain. */
  #isForFleet(name: string, { asOf }: ForwardPlan): boolean {
    const { flights, guard, settings } = this.#services
    return settings.coalesce === 'fleet' && guard.isKnown(asOf) && !flights.isUnshared(name)
  }

  /** Waits until no other process fetches the same response. Requests of this process follow the flight from now on. */
  #acquireLease(context: FlightContext, request: Request, plan: ForwardPlan, name: string): boolean {
    const { client } = context
    if (client === undefined) return true
    const { flights, guard, settings } = this.#services
    const flight = flights.start(name, request.key)
    context.storeDeadline.pause()
    const leading = (asOf: Position): FlightContext['progress'] => ({ kind: 'leader', flight, asOf })
    const kept: FlightContext = { ...asItStands(context), progress: leading(undefined) }
    startOnce(client)
    if (client.isFinished) {
      flight.settle('nothing')
      return true
    }
    const unlessLeft = (): FlightContext => (client.isFinished ? { ...kept, client: undefined } : kept)
    new LeaseAcquisition({
      client,
      flight,
      name,
      leaseMs: settings.leaseMs,
      timeoutMs: longestWaitMs(context),
      guard,
      hold: lease => {
        flight.observer = new HeldLease(lease, { guard, settings, client })
      },
      lookUp: hasWaited => {
        const progress = leading(hasWaited ? undefined : plan.asOf)
        this.#ports.lookUp({ ...unlessLeft(), progress }, request)
      },
      fetch: () => this.#fetchAsLeader(unlessLeft(), request, plan, flight)
    }).begin()
    return true
  }

  /** Sends the request; with a name it starts a flight that others can follow. */
  #send(context: FlightContext, request: Request, plan: ForwardPlan, name: string | undefined): boolean {
    const { origin } = this.#ports
    if (name === undefined) return origin.send(context, request, plan)
    const flight = this.#services.flights.start(name, request.key)
    return origin.send(asItStands(context), request, plan, flight)
  }

  /** Sends the request of a flight that has begun. Where its own client has left, it is sent for the followers. */
  #fetchAsLeader(context: FlightContext, request: Request, plan: ForwardPlan, flight: Flight): boolean {
    if (context.client !== undefined) return this.#ports.origin.send(context, request, plan, flight)
    this.#ports.background.fetch(context, request, plan, flight)
    return true
  }
}

function longestWaitMs({ opts }: FlightContext): number {
  return Math.min(opts.headersTimeout || Infinity, LONGEST_WAIT_MS)
}
