import { optionError } from '../lib/errors.ts'
import type { Answer } from '../lib/rfc9111/answer.ts'
import { decideRequest, decideUnstored } from '../lib/rfc9111/decide-request.ts'
import { NO_REVALIDATION } from '../lib/rfc9111/decide-response.ts'
import { requestDirectives } from '../lib/rfc9111/directives.ts'
import { forWhole } from '../lib/rfc9111/preconditions.ts'
import type { Request } from '../lib/rfc9111/types.ts'
import { variantKey } from '../lib/rfc9111/vary.ts'
import { isPromise, mapMaybe } from '../stores/shared/maybe-promise.ts'
import type { Lookup } from '../stores/store.ts'
import { isMarkedBy, markedBy } from './composition.ts'
import type { Settings } from './options.ts'
import { OriginExchange } from './origin/origin-exchange.ts'
import type { OriginServices } from './origin/origin-services.ts'
import { statusField } from './outcome/cache-status.ts'
import { hitOutcome, OUTCOME, type Outcome } from './outcome/outcome.ts'
import type { Reason } from './outcome/reasons.ts'
import { type PurgeTarget, purge } from './purge.ts'
import { AnswerReplay } from './replay/answer-replay.ts'
import { StoredBodies } from './replay/stored-body.ts'
import { type ForwardPlan, planFor } from './request/forward-plan.ts'
import { PendingRequests } from './request/pending-requests.ts'
import { hasContent, withoutContent } from './request/request-content.ts'
import {
  afterWaiting,
  asItStands,
  type CacheDispatchOptions,
  type Dispatch,
  FIRST,
  hasWaitedForResponse,
  settleLed,
  withRequest
} from './request/request-context.ts'
import { type KnownOrigins, toRequest } from './request/request-mapping.ts'
import { BackgroundRefresh } from './single-flight/background-refresh.ts'
import { Coalescer } from './single-flight/coalescer.ts'
import type { Flight, FlightContext } from './single-flight/flight.ts'
import { FlightRegistry } from './single-flight/flight-registry.ts'
import type { LookUp, OriginPort } from './single-flight/origin-port.ts'
import { PendingWrites, withinTime } from './store-access/pending-writes.ts'
import { StoreGuard } from './store-access/store-guard.ts'
import { type DispatchOptions, withOrigin, withRereadableHeaders } from './undici/dispatch-options.ts'
import { type AnyHandler, toDownstreamHandler } from './undici/handler-adapter.ts'

/** The cache behind an interceptor: asks the engine what to do with each request, and does it. */
export class HttpCache {
  readonly settings: Settings
  readonly #services: OriginServices
  readonly #pending = new PendingRequests()
  readonly #knownOrigins: KnownOrigins = new Map()
  readonly #background: BackgroundRefresh
  readonly #coalescer: Coalescer
  #compositions = 0
  #closed = false
  #closing: Promise<void> | undefined

  constructor(settings: Settings) {
    this.settings = settings
    const statusOf = statusField(settings.cacheStatus)
    const guard = new StoreGuard(settings.store, settings)
    const flights = new FlightRegistry(settings.coalesceTimeoutMs)
    const bodies = new StoredBodies(guard)
    const replay = new AnswerReplay(statusOf)
    const pendingWrites = new PendingWrites()
    const services = { settings, guard, flights, bodies, replay, statusOf, pendingWrites }
    this.#services = services
    const origin: OriginPort = {
      send: (context, request, plan, flight) => this.#send(context, request, plan, flight),
      sendLater: (context, request, plan, flight, onOver) => {
        const exchange = new OriginExchange(services, context, request, plan, flight)
        exchange.sendSoon(onOver)
        return exchange
      }
    }
    const lookUp: LookUp = (context, request) => this.#lookUp(context, request)
    const background = new BackgroundRefresh(services, origin)
    this.#background = background
    this.#coalescer = new Coalescer(services, { origin, lookUp, background, pending: this.#pending })
  }

  /** The dispatch function for the cache's requests. They are marked where the cache may meet them again. */
  composedInto(dispatch: Dispatch): Dispatch {
    this.#compositions++
    return (opts, handler) => dispatch(this.#compositions > 1 ? markedBy(this, opts) : opts, handler)
  }

  /** Handles one request: passes it by, decides it without a lookup, or looks it up. */
  handle(next: Dispatch, given: DispatchOptions, handler: AnyHandler): boolean {
    const opts = withOrigin(withRereadableHeaders(given), this.settings.origin)
    const client = toDownstreamHandler(handler, (opts as CacheDispatchOptions)[OUTCOME])
    const storeDeadline = this.#services.guard.newDeadline()
    const context: FlightContext = { next, opts, client, progress: FIRST, storeDeadline }
    const excluded = this.#reasonToKeepOut(opts)
    if (excluded !== undefined) return this.#bypass(context, excluded)
    const understood = toRequest(opts, this.settings, this.#knownOrigins)
    const { request } = understood
    if (request === undefined) return this.#bypass(context, understood.reason)
    const early = decideUnstored(request, this.settings.policy)
    if (early?.kind === 'unsatisfiable') return this.#refuse(context, early.reason)
    if (early?.kind === 'write-through') return this.#send(context, request, planFor(early.forward, early.reason))
    if (early?.kind === 'bypass') return this.#send(context, undefined, planFor(early.forward, early.reason))
    const content = hasContent(opts)
    if (content === false) return this.#lookUp(context, request)
    return this.#pending.when(context, content, (isThere, later) =>
      isThere
        ? this.#bypass(later, 'request-content')
        : this.#lookUp({ ...later, opts: withoutContent(later.opts) }, request)
    )
  }

  /** Looks the request up in the store, and does what the engine decides. */
  #lookUp(context: FlightContext, request: Request): boolean {
    const lookup = this.#services.guard.get(request.key, names => variantKey(request, names), context.storeDeadline)
    const asked = isPromise(lookup) ? this.#coalescer.withUnderWay(context, request) : context
    return this.#pending.when(asked, lookup, (found, later) => this.#obey(later, request, found))
  }

  /** Sends a request to the origin. */
  #send(context: FlightContext, request: Request | undefined, plan: ForwardPlan, flight?: Flight): boolean {
    return new OriginExchange(this.#services, context, request, plan, flight).send()
  }

  /** Removes what is stored for a target; undefined: everything. Rejects where the store could not, and for a bad target. */
  purge(target: PurgeTarget | undefined): Promise<void> {
    return purge(this.#services, target)
  }

  /** Settles once complete responses are stored or refused, and the store has made all changes; after `closeTimeoutMs` at the
   * latest. Never rejects. */
  async settled(): Promise<void> {
    const { pendingWrites, guard } = this.#services
    const settled = Promise.all([pendingWrites.settled(), guard.settled()]).then(() => guard.lateOnesSettled())
    await withinTime(settled, this.settings.closeTimeoutMs)
  }

  /** Aborts background requests, waits as `settled()` does, and closes a store of its own. Later requests pass by. */
  close(): Promise<void> {
    this.#closed = true
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Aborts the background requests through a dispatcher, and sends on those that wait. Settles once none waits. */
  async release(next: Dispatch): Promise<void> {
    this.#background.release(next)
    this.#services.flights.close()
    await this.#pending.whenOver(next)
  }

  async #close(): Promise<void> {
    this.#services.flights.close()
    this.#background.close()
    await this.settled()
    if (!this.settings.ownsStore) return
    try {
      await this.settings.store.close()
    } catch (error) {
      this.#services.guard.report(error, 'close')
    }
  }

  #reasonToKeepOut(opts: CacheDispatchOptions): Reason | undefined {
    if (opts.cache !== undefined && typeof opts.cache !== 'boolean')
      throw optionError('cache', 'true or false', opts.cache)
    if (opts.cache === false) return 'cache-false'
    if (this.#closed) return 'closed'
    if (this.#compositions > 1 && isMarkedBy(this, opts)) return 'composed-twice'
    return opts.upgrade || opts.method === 'CONNECT' ? 'upgrade' : undefined
  }

  #bypass(context: FlightContext, reason: Reason): boolean {
    return this.#send(context, undefined, planFor('bypass', reason))
  }

  /** §4: does what the engine decides for a request and what is stored for it. */
  #obey(context: FlightContext, request: Request, found: Lookup): boolean {
    const decision = decideRequest(request, found, this.settings.policy, this.settings.now())
    switch (decision.kind) {
      case 'hit': {
        const { answer, stale } = decision
        const isCollapsed = hasWaitedForResponse(context)
        const reason = isCollapsed && !stale ? 'collapsed' : decision.reason
        settleLed(context, 'stored')
        return this.#serve(context, request, found, answer, hitOutcome(answer, reason, stale, isCollapsed))
      }
      case 'stale-while-revalidate': {
        const { answer, revalidation } = decision
        const whole = forWhole(request)
        const kept = whole === request ? asItStands(context) : withRequest(context, whole)
        settleLed(context, 'stored')
        this.#serve(context, request, found, answer, hitOutcome(answer, decision.reason, true, false))
        void mapMaybe(this.#services.guard.asOf(found), asOf => {
          const plan = { ...planFor('stale', 'stale'), revalidation, stored: found.stored, asOf }
          void this.#background.refresh(kept, whole, plan)
        })
        return true
      }
      case 'revalidate':
      case 'complete':
      case 'miss': {
        if (found.deeper !== undefined) {
          const deeper = this.#services.guard.deeper(
            found,
            request.key,
            names => variantKey(request, names),
            context.storeDeadline
          )
          return this.#pending.when(context, deeper, (other, later) => this.#obey(later, request, other))
        }
        const revalidation = decision.kind === 'revalidate' ? decision.revalidation : NO_REVALIDATION
        const completion = decision.kind === 'complete' ? decision.completion : undefined
        const { forward, reason } = decision
        const known = context.progress.kind === 'leader' ? context.progress.asOf : undefined
        const position = known ?? this.#services.guard.asOf(found, context.storeDeadline)
        return this.#pending.when(context, position, (asOf, later) => {
          const plan = { forward, reason, revalidation, stored: found.stored, completion, asOf }
          return this.#coalescer.fetchOrWait(later, request, plan)
        })
      }
      case 'unsatisfiable':
        settleLed(context, 'nothing')
        return this.#refuse(context, decision.reason)
      default:
        return decision satisfies never
    }
  }

  /** §5.2.1.7 */
  #refuse({ client }: FlightContext, reason: Reason): true {
    this.#services.replay.gatewayTimeout(client, reason)
    return true
  }

  #serve(context: FlightContext, request: Request, found: Lookup, answer: Answer, outcome: Outcome): boolean {
    const { client } = context
    if (client === undefined) return true
    const stored = found.stored.find(({ entry }) => entry === answer.entry)
    const opened = this.#services.bodies.open(answer, stored, context.storeDeadline)
    const kept = isPromise(opened) ? asItStands(context) : context
    this.#services.replay.serve(client, answer, opened, outcome, kept, request, () => {
      if (requestDirectives(request.fields).onlyIfCached) return void this.#refuse(kept, 'only-if-cached')
      this.#pending.when(kept, this.#services.guard.asOf(found, kept.storeDeadline), (asOf, later) => {
        const plan = { ...planFor('miss', 'body-vanished'), asOf, found: found.stored }
        const follows = later.progress.kind === 'leader' ? afterWaiting(later, 'response') : later
        return this.#coalescer.fetchOrWait(follows, request, plan)
      })
    })
    return true
  }
}
