import { optionError } from '../lib/errors.ts'
import type { Answer } from '../lib/rfc9111/answer.ts'
import { sameOriginUri } from '../lib/rfc9111/cache-key.ts'
import { formatCacheName } from '../lib/rfc9111/cache-status.ts'
import { decideRequest, decideUnstored } from '../lib/rfc9111/decide-request.ts'
import { NO_REVALIDATION } from '../lib/rfc9111/decide-response.ts'
import { requestDirectives } from '../lib/rfc9111/directives.ts'
import { forWhole } from '../lib/rfc9111/preconditions.ts'
import type { Request } from '../lib/rfc9111/types.ts'
import { variantKey } from '../lib/rfc9111/vary.ts'
import type { Lookup, MaybePromise } from '../stores/store.ts'
import { AnswerHead } from './answer-head.ts'
import { Background } from './background.ts'
import type { Client } from './client.ts'
import { withDeadline } from './deadline.ts'
import { type Flight, Flights, flightName, type Stream } from './flights.ts'
import { Follower, type Share } from './follower.ts'
import { type AnyHandler, clientOf } from './handler-adapter.ts'
import { isPromise, mapMaybe } from './maybe-promise.ts'
import type { Settings } from './options.ts'
import { OriginExchange } from './origin-exchange.ts'
import { OUTCOME, type Outcome } from './outcome.ts'
import { hitOutcome } from './outcomes.ts'
import { type Ask, type AskOptions, type Dispatch, type Plan, planFor } from './plan.ts'
import { Server } from './serve.ts'
import { StoreGuard } from './store-guard.ts'
import { Tenure } from './tenure.ts'
import {
  copyOptions,
  type DispatchOptions,
  hasContent,
  type KnownOrigins,
  toRequest,
  withFields,
  withOrigin,
  withRereadableHeaders
} from './to-request.ts'
import { Turn } from './turn.ts'

/** What a request has waited for since it came: another's response, the store that was at work on one, or nothing yet. */
type Waited = 'for another' | 'for the store' | 'not'

/** The cache behind an interceptor: asks the engine what to do with each request, and does it. */
export class HttpCache {
  readonly settings: Settings
  readonly guard: StoreGuard
  readonly flights: Flights
  readonly server: Server
  readonly #knownOrigins: KnownOrigins = new Map()
  readonly #background = new Background(this)
  /** Requests that wait for the store, and the dispatcher they will go through. */
  readonly #waiting = new Map<Promise<void>, Dispatch>()
  #closed = false

  constructor(settings: Settings) {
    this.settings = settings
    this.flights = new Flights(settings.coalesceTimeoutMs)
    this.guard = new StoreGuard(settings.store, settings)
    const { cacheStatus } = settings
    this.server = new Server(this.guard, cacheStatus === undefined ? undefined : formatCacheName(cacheStatus))
  }

  /** One request from top to bottom: what the cache has no part in, what needs no lookup, what is stored. */
  handle(next: Dispatch, given: DispatchOptions, handler: AnyHandler): boolean {
    const opts = withOrigin(withRereadableHeaders(given), this.settings.origin)
    const ask: Ask = { next, opts, client: clientOf(handler, (opts as AskOptions)[OUTCOME]) }
    const excluded = this.#reasonToKeepOut(opts)
    if (excluded !== undefined) return this.#bypass(ask, excluded)
    const understood = toRequest(opts, this.settings, this.#knownOrigins)
    const { request } = understood
    if (request === undefined) return this.#bypass(ask, understood.reason)
    const early = decideUnstored(request, this.settings.policy)
    if (early?.kind === 'unsatisfiable') return this.#refuse(ask, early.reason)
    if (early?.kind === 'write-through') return this.fetch(ask, request, planFor(early.forward, early.reason))
    if (early?.kind === 'bypass') return this.fetch(ask, undefined, planFor(early.forward, early.reason))
    if (hasContent(opts)) return this.#bypass(ask, 'request-content')
    return this.#lookUp(ask, request)
  }

  /** Sends a request to the origin. `flight`: others may wait for what it brings. */
  fetch(ask: Ask, request: Request | undefined, plan: Plan, flightToStart?: string): boolean {
    if (flightToStart === undefined || request === undefined) return new OriginExchange(this, ask, request, plan).send()
    const flight = this.flights.start(flightToStart, request.key)
    return new OriginExchange(this, asItStands(ask), request, plan, flight).send()
  }

  /** Removes what is stored for a URL. Rejects where the store could not. */
  async purgeUrl(url: string | URL): Promise<void> {
    const text = String(url)
    const key = URL.canParse(text) ? sameOriginUri(text, text) : undefined
    if (key === undefined) throw optionError('url', 'an absolute http(s) URL', url)
    // As a URL has it, and as it was written: that is how `{ origin, path }` sends it.
    const names = [...new Set([key, text, text.replace(/#.*$/s, '')])]
    for (const name of names) this.flights.overtake(name)
    await Promise.all(names.map(name => this.guard.purge(name)))
  }

  /** Removes everything. Rejects where the store could not. */
  async purgeAll(): Promise<void> {
    this.flights.overtake()
    await this.settings.store.clear()
  }

  /** Ends what goes on in the background; later requests pass by. Closes the store if it is the cache's own. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.flights.close()
    this.#background.close()
    if (this.settings.ownsStore) await this.settings.store.close()
  }

  /** Lets a dispatcher close: what goes on in the background through it ends, and who waits here for a store or for
   * another's response is sent on. Settles once nobody does. */
  async release(next: Dispatch): Promise<void> {
    this.#background.release(next)
    this.flights.close()
    for (;;) {
      const waiting = [...this.#waiting].filter(([, through]) => through === next).map(([promise]) => promise)
      if (waiting.length === 0) return
      await Promise.all(waiting)
    }
  }

  #reasonToKeepOut(opts: AskOptions): string | undefined {
    if (opts.cache !== undefined && typeof opts.cache !== 'boolean')
      throw optionError('cache', 'true or false', opts.cache)
    if (opts.cache === false) return 'cache-false'
    if (this.#closed) return 'closed'
    return opts.upgrade || opts.method === 'CONNECT' ? 'upgrade' : undefined
  }

  #bypass(ask: Ask, reason: string): boolean {
    return this.fetch(ask, undefined, planFor('bypass', reason))
  }

  #lookUp(ask: Ask, request: Request, waited: Waited = 'not'): boolean {
    const lookup = this.guard.get(request.key, names => variantKey(request, names))
    const name = waited !== 'not' || !isPromise(lookup) ? undefined : flightName(request)
    const asked = name === undefined ? ask : { ...ask, underWay: this.flights.find(name) }
    return this.#when(asked, lookup, (found, later) => this.#obey(later, request, found, waited))
  }

  /** Goes on at once where the store has answered at once; else the client is told that its request is under way, and
   * the request is kept as it stands. */
  #when<T>(ask: Ask, answer: MaybePromise<T>, proceed: (answer: T, ask: Ask) => boolean): boolean {
    if (!isPromise(answer)) return proceed(answer, ask)
    const { client } = ask
    const kept = asItStands(ask)
    if (client !== undefined && !client.isStarted) startClient(client)
    // The guard's promises do not reject.
    const waiting = answer.then(value => {
      this.#waiting.delete(waiting)
      const { leads } = kept
      if (client?.isFinished && !leads?.isAwaited) return leads?.land('nothing')
      try {
        proceed(value, client?.isFinished ? { ...kept, client: undefined } : kept)
      } catch (error) {
        leads?.land('nothing')
        client?.fail(error as Error)
      }
    })
    this.#waiting.set(waiting, ask.next)
    return true
  }

  /** §4: what the engine says of a request and what is stored for it. */
  #obey(ask: Ask, request: Request, found: Lookup, waited: Waited): boolean {
    const decision = decideRequest(request, found, this.settings.policy, this.settings.now())
    switch (decision.kind) {
      case 'hit': {
        const isCollapsed = waited === 'for another'
        const reason = isCollapsed && !decision.stale ? 'collapsed' : decision.reason
        const outcome = hitOutcome(decision.answer, reason, decision.stale, isCollapsed)
        ask.leads?.land('stored')
        return this.#serve(ask, request, found, decision.answer, outcome)
      }
      case 'stale-while-revalidate': {
        const { answer, revalidation } = decision
        const whole = forWhole(request)
        const kept = whole === request ? asItStands(ask) : withRequest(ask, whole)
        ask.leads?.land('stored')
        this.#serve(ask, request, found, answer, hitOutcome(answer, decision.reason, true, false))
        void mapMaybe(this.guard.asOf(found), asOf => {
          const plan = { ...planFor('stale', 'stale'), revalidation, stored: found.stored, asOf }
          void this.#background.refresh(kept, whole, plan)
        })
        return true
      }
      case 'revalidate':
      case 'complete':
      case 'miss': {
        if (found.deeper !== undefined) {
          const deeper = this.guard.deeper(found, request.key, names => variantKey(request, names))
          return this.#when(ask, deeper, (other, later) => this.#obey(later, request, other, waited))
        }
        const revalidation = decision.kind === 'revalidate' ? decision.revalidation : NO_REVALIDATION
        const completion = decision.kind === 'complete' ? decision.completion : undefined
        const { forward, reason } = decision
        return this.#when(ask, ask.asOf ?? this.guard.asOf(found), (asOf, later) => {
          const plan = { forward, reason, revalidation, stored: found.stored, completion, asOf }
          return this.#fetchOrWait(later, request, plan, waited)
        })
      }
      case 'unsatisfiable':
        ask.leads?.land('nothing')
        return this.#refuse(ask, decision.reason)
      default:
        return decision satisfies never
    }
  }

  /** §5.2.1.7 */
  #refuse({ client }: Ask, reason: string): boolean {
    this.server.gatewayTimeout(client, reason)
    return true
  }

  #serve(ask: Ask, request: Request, found: Lookup, answer: Answer, outcome: Outcome): boolean {
    const { client } = ask
    if (client === undefined) return true
    const stored = found.stored.find(({ entry }) => entry === answer.entry)
    const opened = this.server.open(answer, stored)
    const kept = isPromise(opened) ? asItStands(ask) : ask
    this.server.serve(client, answer, opened, outcome, () => {
      if (requestDirectives(request.fields).onlyIfCached) {
        this.#refuse(kept, 'only-if-cached')
        return
      }
      this.#when(kept, this.guard.asOf(found), (asOf, later) =>
        this.fetch(later, request, { ...planFor('miss', 'body-vanished'), asOf })
      )
    })
    return true
  }

  /** One request to the origin at a time for what several ask for. Who has waited in vain asks for itself. */
  #fetchOrWait(ask: Ask, request: Request, plan: Plan, waited: Waited): boolean {
    if (ask.leads !== undefined) return this.#fetchAsLeader(ask, request, plan, ask.leads)
    const name = waited === 'for another' ? undefined : flightName(request)
    const flight = name === undefined ? undefined : this.flights.find(name)
    if (flight === undefined && waited === 'not') {
      if (ask.underWay?.landing === 'stored') return this.#lookUp(ask, request, 'for another')
      const landing = this.flights.landingOf(request.key)
      if (landing !== undefined) {
        const settled = withDeadline(landing, this.settings.storeTimeoutMs, 'commit').catch(() => {})
        return this.#when(ask, settled, (_, later) => this.#lookUp(later, request, 'for the store'))
      }
    }
    if (flight === undefined) {
      if (name !== undefined && this.#isForFleet(name, plan)) return this.#takeTurn(ask, request, plan, name)
      return this.fetch(mayAskAgain(plan) ? asItStands(ask) : ask, request, plan, name)
    }
    const { client } = ask
    if (client === undefined) return true
    const kept = asItStands(ask)
    if (!client.isStarted) startClient(client)
    if (client.isFinished) return true
    new Follower({
      client,
      flight,
      headersTimeoutMs: longestWaitMs(ask),
      landingTimeoutMs: this.settings.coalesceTimeoutMs,
      shareOf: stream => this.#shareOf(stream, request),
      lookUp: () => this.#lookUp(kept, request, 'for another'),
      fetch: () => this.fetch(kept, request, plan)
    }).board()
    return true
  }

  /** Where nothing can be stored, other processes would wait in vain. */
  #isForFleet(name: string, { asOf }: Plan): boolean {
    return this.settings.coalesce === 'fleet' && this.guard.isKnown(asOf) && !this.flights.isUnshared(name)
  }

  /** Of several processes, one at a time. Those of this one who ask for the same thing wait for it from now on. */
  #takeTurn(ask: Ask, request: Request, plan: Plan, name: string): boolean {
    const { client } = ask
    if (client === undefined) return true
    const flight = this.flights.start(name, request.key)
    const kept: Ask = { ...asItStands(ask), leads: flight }
    if (!client.isStarted) startClient(client)
    if (client.isFinished) {
      flight.land('nothing')
      return true
    }
    const unlessLeft = (): Ask => (client.isFinished ? { ...kept, client: undefined } : kept)
    new Turn({
      client,
      flight,
      name,
      leaseMs: this.settings.leaseMs,
      timeoutMs: longestWaitMs(ask),
      guard: this.guard,
      hold: lease => {
        flight.watcher = new Tenure(lease, { guard: this.guard, settings: this.settings, client })
      },
      lookUp: hasWaited => {
        const asOf = hasWaited ? undefined : plan.asOf
        this.#lookUp({ ...unlessLeft(), asOf }, request, 'for another')
      },
      fetch: () => this.#fetchAsLeader(unlessLeft(), request, plan, flight)
    }).begin()
    return true
  }

  #fetchAsLeader(ask: Ask, request: Request, plan: Plan, flight: Flight): boolean {
    if (ask.client !== undefined) return new OriginExchange(this, ask, request, plan, flight).send()
    this.#background.fetch(ask, request, plan, flight)
    return true
  }

  /** What a request can use of a response that another's has brought. */
  #shareOf({ entry }: Stream, request: Request): Share {
    if (entry.variantKey !== variantKey(request, entry.vary)) return 'nothing'
    const { policy, now } = this.settings
    const decision = decideRequest(request, { stored: [{ entry }], otherVariants: false }, policy, now())
    switch (decision.kind) {
      case 'hit':
      case 'stale-while-revalidate': {
        const isStale = decision.kind !== 'hit' || decision.stale
        const outcome = hitOutcome(decision.answer, isStale ? decision.reason : 'collapsed', isStale, true)
        return { head: new AnswerHead(decision.answer, this.server.status(outcome)), outcome }
      }
      case 'revalidate':
        return 'once stored'
      default:
        return 'nothing'
    }
  }
}

/** What an origin has to give its header section to another's request, before those who wait ask for themselves. */
const LONGEST_WAIT_MS = 30_000

function longestWaitMs({ opts }: Ask): number {
  return Math.min(opts.headersTimeout || Infinity, LONGEST_WAIT_MS)
}

/** The request as it stands: its caller may use the same objects for the next one, once dispatch has returned. */
function asItStands(ask: Ask): Ask {
  return { ...ask, opts: copyOptions(ask.opts) }
}

/** The same with the fields of another request. */
function withRequest(ask: Ask, { fields }: Request): Ask {
  return { ...ask, opts: { ...copyOptions(ask.opts), headers: withFields(fields, [], []) } }
}

/** Whether the origin's response may be such that the request is sent once more. */
function mayAskAgain({ revalidation, completion }: Plan): boolean {
  return revalidation.conditions.length > 0 || completion !== undefined
}

/** A handler that throws at the start ends its own request, as in undici. */
function startClient(client: Client): void {
  try {
    client.start()
  } catch (error) {
    client.abort(error as Error)
  }
}
