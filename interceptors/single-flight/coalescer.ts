import { decideRequest } from '../../lib/rfc9111/decide-request.ts'
import type { Policy, Request } from '../../lib/rfc9111/types.ts'
import { variantKey } from '../../lib/rfc9111/vary.ts'
import { hitOutcome } from '../outcome/cache-status.ts'
import type { StatusOf } from '../outcome/status-field.ts'
import type { Waiting } from '../request/pending-requests.ts'
import { type Ask, afterWaiting, asItStands, mayAskAgain, type Plan } from '../request/request-context.ts'
import { pause, remainingMs, withDeadline } from '../store-access/store-deadline.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'
import { AnswerHead } from '../undici/answer-head.ts'
import { startOnce } from '../undici/downstream-handler.ts'
import type { Background } from './background-refresh.ts'
import { type Flight, type Flights, flightName, type Stream } from './flight-registry.ts'
import { Follower, type Share } from './follower.ts'
import { Tenure } from './held-lease.ts'
import { Turn } from './lease-acquisition.ts'
import type { LookUp, OriginPort } from './origin-port.ts'

/** What an origin has to give its header section to another's request, before those who wait ask for themselves. */
const LONGEST_WAIT_MS = 30_000

/** What single-flight works with. */
export interface CoalescerServices {
  readonly origin: OriginPort
  readonly lookUp: LookUp
  readonly background: Background
  readonly guard: StoreGuard
  readonly flights: Flights
  readonly waiting: Waiting
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

/** Has those who ask for the same thing at once share one request to the origin: those of this process by way of its
 * flights, those of others by way of the store's leases. */
export class Coalescing {
  readonly #services: CoalescerServices

  constructor(services: CoalescerServices) {
    this.#services = services
  }

  /** The request with what is fetching the same thing as the store is asked. */
  withUnderWay(ask: Ask, request: Request): Ask {
    if (ask.waited !== undefined) return ask
    const name = flightName(request, ask.opts)
    const underWay = name === undefined ? undefined : this.#services.flights.find(name)
    return underWay === ask.underWay ? ask : { ...ask, underWay }
  }

  /** One request to the origin at a time for what several ask for. Who has waited in vain asks for itself. */
  fetchOrWait(ask: Ask, request: Request, plan: Plan): boolean {
    if (ask.leads !== undefined) return this.#fetchAsLeader(ask, request, plan, ask.leads)
    const name = ask.waited === 'for another' ? undefined : flightName(request, ask.opts)
    const flight = name === undefined ? undefined : this.#services.flights.find(name)
    if (flight !== undefined) return this.#follow(ask, request, plan, flight)
    if (ask.waited === undefined) {
      if (ask.underWay?.landing === 'stored') return this.#lookAgain(ask, request)
      const landing = this.#services.flights.landingOf(request.key)
      if (landing !== undefined) return this.#awaitLanding(ask, request, landing)
    }
    if (name !== undefined && this.#isForFleet(name, plan)) return this.#takeTurn(ask, request, plan, name)
    return this.#send(mayAskAgain(plan) ? asItStands(ask) : ask, request, plan, name)
  }

  /** After another's response has been stored, or what was waited for has come to nothing. */
  #lookAgain(ask: Ask, request: Request): boolean {
    return this.#services.lookUp(afterWaiting(ask, 'for another'), request)
  }

  /** Something has come for the same key, and may serve this request once it is stored. */
  #awaitLanding(ask: Ask, request: Request, landing: Promise<unknown>): boolean {
    const { settings, waiting, lookUp } = this.#services
    const timeoutMs = settings.storeTimeoutMs
    const settled = withDeadline(landing, timeoutMs, 'commit', undefined, remainingMs(ask, timeoutMs)).catch(() => {})
    return waiting.when(ask, settled, (_, later) => lookUp(afterWaiting(later, 'for the store'), request))
  }

  #follow(ask: Ask, request: Request, plan: Plan, flight: Flight): boolean {
    const { client } = ask
    const { settings } = this.#services
    if (client === undefined) return true
    pause(ask)
    const kept = asItStands(ask)
    startOnce(client)
    if (client.isFinished) return true
    new Follower({
      client,
      own: { ask: kept, request },
      flight,
      headersTimeoutMs: longestWaitMs(ask),
      landingTimeoutMs: settings.coalesceTimeoutMs,
      shareOf: stream => this.#shareOf(stream, request),
      lookUp: () => this.#lookAgain(kept, request),
      fetch: () => this.#services.origin.send(kept, request, plan),
      // The first of those that come too late to read along leads the others, and may have been served already.
      fetchAnew: () =>
        flight.isOverdue(settings.coalesceTimeoutMs)
          ? this.#services.lookUp(kept, request)
          : this.#services.origin.send(kept, request, plan)
    }).board()
    return true
  }

  /** What a request can use of a response that another's has brought. */
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

  /** Where nothing can be stored, other processes would wait in vain. */
  #isForFleet(name: string, { asOf }: Plan): boolean {
    const { flights, guard, settings } = this.#services
    return settings.coalesce === 'fleet' && guard.isKnown(asOf) && !flights.isUnshared(name)
  }

  /** Of several processes, one at a time. Those of this one who ask for the same thing wait for it from now on. */
  #takeTurn(ask: Ask, request: Request, plan: Plan, name: string): boolean {
    const { client } = ask
    if (client === undefined) return true
    const { flights, guard, settings } = this.#services
    const flight = flights.start(name, request.key)
    pause(ask)
    const kept: Ask = { ...asItStands(ask), leads: flight }
    startOnce(client)
    if (client.isFinished) {
      flight.land('nothing')
      return true
    }
    const unlessLeft = (): Ask => (client.isFinished ? { ...kept, client: undefined } : kept)
    new Turn({
      client,
      flight,
      name,
      leaseMs: settings.leaseMs,
      timeoutMs: longestWaitMs(ask),
      guard,
      hold: lease => {
        flight.watcher = new Tenure(lease, { guard, settings, client })
      },
      lookUp: hasWaited => {
        this.#lookAgain({ ...unlessLeft(), asOf: hasWaited ? undefined : plan.asOf }, request)
      },
      fetch: () => this.#fetchAsLeader(unlessLeft(), request, plan, flight)
    }).begin()
    return true
  }

  /** Others may wait for what it brings, if it has a name. */
  #send(ask: Ask, request: Request, plan: Plan, name: string | undefined): boolean {
    const { flights, origin } = this.#services
    if (name === undefined) return origin.send(ask, request, plan)
    const flight = flights.start(name, request.key)
    return origin.send(asItStands(ask), request, plan, flight)
  }

  /** For the flight that has begun; where its own client has left, for those who wait for it. */
  #fetchAsLeader(ask: Ask, request: Request, plan: Plan, flight: Flight): boolean {
    if (ask.client !== undefined) return this.#services.origin.send(ask, request, plan, flight)
    this.#services.background.fetch(ask, request, plan, flight)
    return true
  }
}

function longestWaitMs({ opts }: Ask): number {
  return Math.min(opts.headersTimeout || Infinity, LONGEST_WAIT_MS)
}
