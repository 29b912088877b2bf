import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { CacheError } from '../../lib/errors.ts'
import type { Answer } from '../../lib/rfc9111/answer.ts'
import { decideFailure, decideResponse, type Join, type ResponseDecision } from '../../lib/rfc9111/decide-response.ts'
import { framing } from '../../lib/rfc9111/framing.ts'
import { isSafe } from '../../lib/rfc9111/methods.ts'
import { inStoredBody, storedBytes } from '../../lib/rfc9111/segments.ts'
import type { CacheKey, Entry, FieldLines, Request, Response } from '../../lib/rfc9111/types.ts'
import { isPromise, mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { MaybePromise } from '../../stores/store.ts'
import {
  completedOutcome,
  forwardedOutcome,
  type Outcome,
  staleOutcome,
  storedOutcome,
  validatedOutcome
} from '../outcome/outcome.ts'
import { REASONS, type Reason } from '../outcome/reasons.ts'
import { StoredBeginning } from '../replay/body-prefix.ts'
import type { OpenBody } from '../replay/stored-body.ts'
import { type ForwardPlan, optionsToSend, planFor, storedOf } from '../request/forward-plan.ts'
import type { FlightResult, RequestContext } from '../request/request-context.ts'
import type { Flight } from '../single-flight/flight.ts'
import type { Change } from '../single-flight/flight-registry.ts'
import { pause } from '../store-access/store-deadline.ts'
import { AnswerHead } from '../undici/answer-head.ts'
import type { DownstreamHandler } from '../undici/downstream-handler.ts'
import { LinesHead } from '../undici/lines-head.ts'
import { asDispatchHandler, type OriginEvents, OriginHandler, SendingOriginHandler } from '../undici/origin-handler.ts'
import { withQueuedAbort } from '../undici/queued-abort.ts'
import { soon } from '../undici/soon.ts'
import { recordability } from './body-framing.ts'
import { isDisconnection } from './disconnection.ts'
import type { OriginServices } from './origin-services.ts'
import { Delivery } from './response-tee.ts'

/** One request at the origin, and what becomes of the response: forwarded, stored on the way, or replaced by what is
 * stored. */
export class OriginExchange implements OriginEvents {
  readonly #services: OriginServices
  readonly #ask: RequestContext
  /** undefined: the cache has no part in it but to say so. */
  readonly #request: Request | undefined
  readonly #plan: ForwardPlan
  readonly #handler: OriginHandler
  readonly #delivery: Delivery
  #requestTimeMs = 0
  #history: readonly unknown[] | undefined
  /** This exchange where it is a POST, which no position guards: its own deletion comes after it began. */
  #change: Change | undefined
  #unwatch: (() => void) | undefined
  #onOver: (() => void) | undefined
  #isOvertaken = false
  /** By HTTP/2, of a length that nobody knows: only the stream can tell the end from a reset. */
  #isEndInDoubt = false
  /** What is removed once it is known whether the response is stored. */
  #replaced: readonly Entry[] | undefined

  constructor(
    services: OriginServices,
    ask: RequestContext,
    request: Request | undefined,
    plan: ForwardPlan,
    flight?: Flight
  ) {
    this.#services = services
    this.#ask = ask
    this.#request = request
    this.#plan = plan
    this.#handler = ask.client?.hearsSending ? new SendingOriginHandler(this) : new OriginHandler(this)
    this.#delivery = new Delivery({
      services,
      ask,
      plan,
      flight,
      handler: this.#handler,
      onSettled: () => {
        this.#removeReplaced()
        this.#unwatch?.()
        this.#onOver?.()
      }
    })
  }

  /** Dispatches the request. What the inner dispatcher throws at once is thrown on. */
  send(): boolean {
    this.#begin()
    return this.#dispatch()
  }

  /** The same, for what the cache sends by itself: not within a callback of another response. `onOver` is called when it is
   * known whether the response is stored; perhaps more than once. */
  sendSoon(onOver?: () => void): void {
    this.#onOver = onOver
    this.#begin()
    soon(() => {
      if (this.#handler.isOver) return
      try {
        this.#dispatch()
      } catch (error) {
        this.#ask.client?.fail(error as Error)
      }
    })
  }

  #begin(): void {
    this.#delivery.begin(this.#ask.client)
    if (this.#request?.method === 'POST') this.#watchFor(this.#request.key)
  }

  #dispatch(): boolean {
    const { next, client } = this.#ask
    pause(this.#ask)
    try {
      this.#requestTimeMs = this.#services.settings.now()
      const opts = optionsToSend(this.#ask, this.#request, this.#plan)
      return next(withQueuedAbort(opts, client, this.#handler), asDispatchHandler(this.#handler))
    } catch (error) {
      this.#delivery.settle('nothing')
      if (client === undefined || !client.isStarted) throw error
      client.fail(error as Error)
      return true
    }
  }

  /** Gives up a request that was not sent for anybody, unless somebody reads along by now. */
  cancel(): void {
    this.#delivery.leaveToReaders(new Error('the cache was closed'))
  }

  started(context: unknown): void {
    const inner = typeof context === 'object' && context !== null ? context : undefined
    const history = inner === undefined ? undefined : (inner as { history?: unknown }).history
    if (Array.isArray(history)) this.#history = history
    this.#leader?.start(inner)
  }

  informed(statusCode: number, statusText: string, lines: FieldLines): void {
    this.#leader?.info(new LinesHead(statusCode, statusText, lines))
  }

  upgraded(statusCode: number, lines: FieldLines, socket: Duplex): void {
    this.#delivery.settle('nothing')
    this.#leader?.upgrade(new LinesHead(statusCode, '', lines), socket)
  }

  responseStarted(): void {
    this.#leader?.responseStarted()
  }

  bodySent(chunk: unknown): void {
    this.#leader?.bodySent(chunk)
  }

  requestSent(): void {
    this.#leader?.requestSent()
  }

  answered(statusCode: number, statusText: string, lines: FieldLines, isHttp2: boolean): Promise<void> | undefined {
    const request = this.#request
    const responseTimeMs = this.#services.settings.now()
    const response: Response = { statusCode, statusText, lines, requestTimeMs: this.#requestTimeMs, responseTimeMs }
    if (request === undefined) {
      this.#forward(response, this.#plan.reason)
      return undefined
    }
    if (this.#isRedirected()) return this.#ignoreRedirected(response, request)
    const { revalidation, completion } = this.#plan
    const stored = this.#plan.stored.map(({ entry }) => entry)
    const found = this.#plan.found?.map(({ entry }) => entry)
    const exchange = { request, response, revalidation, stored, found, completion, entryId: randomUUID() }
    const decision = decideResponse(exchange, this.#services.settings.policy)
    const settled = mapMaybe(this.#applyToStore(decision), isStored => {
      // It may have ended while the store was at work.
      if (!this.#delivery.isOver) return this.#obey(decision, request, response, isHttp2, isStored)
    })
    return isPromise(settled) ? settled : undefined
  }

  received(chunk: Buffer): void {
    if (!this.#delivery.receive(chunk)) this.#breakOff()
  }

  ended(trailers: FieldLines, isWhole?: boolean): void {
    if (this.#isEndInDoubt && !(isWhole ?? this.#services.settings.storeUnverifiedHttp2)) this.#delivery.forget()
    if (!this.#delivery.end(trailers)) this.#breakOff()
  }

  /** The origin has not sent what it promised to add. */
  #breakOff(): void {
    this.#delivery.forget()
    // Else it would be asked to complete the same part again and again.
    if (this.#request !== undefined) void this.#delete(this.#request.key)
    const error = new CacheError('ERR_CACHE_BODY', 'the rest of a stored part is not of the length it should have')
    this.#handler.abort(error)
    if (!this.#delivery.isOver) this.failed(error)
  }

  failed(error: Error): void {
    this.#delivery.interrupt()
    const request = this.#request
    const { client } = this.#ask
    // Stricter than §4.4: a change whose answer was lost may have happened all the same.
    if (request !== undefined && !isSafe(request.method)) void this.#delete(request.key)
    if (
      request === undefined ||
      client === undefined ||
      client.hasHead ||
      client.aborted ||
      error === client.fault ||
      !isDisconnection(error)
    ) {
      this.#delivery.fail(error)
      return
    }
    const { policy, now } = this.#services.settings
    const decision = decideFailure(request, this.#plan.revalidation, policy, now())
    if (decision.kind === 'error') client.fail(error)
    else {
      client.detach()
      const { bodies, replay } = this.#services
      if (decision.kind === 'gateway-timeout') return replay.gatewayTimeout(client, decision.reason)
      const opened = bodies.open(decision.answer, storedOf(this.#plan, decision.answer.entry), {})
      const outcome = staleOutcome(decision.answer, decision.reason)
      replay.serve(client, decision.answer, opened, outcome, this.#ask, request, () => client.fail(error))
    }
  }

  /** Before the client sees the response: who asks again right after it must not get what it has replaced. Tells whether the
   * entry that is to answer is stored. */
  #applyToStore(decision: ResponseDecision): MaybePromise<boolean> {
    const { deletes, updates } = decision
    const { guard } = this.#services
    let { removes } = decision
    if (decision.kind === 'store' && (this.#ask.client === undefined || !guard.removesOne)) {
      // Nobody sees the new one yet, or it would go with the old one: that is served until it is known whether the new one
      // is stored.
      this.#replaced = removes
      removes = []
    }
    if (deletes.length === 0 && updates.length === 0 && removes.length === 0) return false
    const pending: unknown[] = [...deletes.map(key => this.#delete(key)), ...removes.map(entry => this.#remove(entry))]
    let isStored: MaybePromise<boolean> = false
    for (const entry of updates) {
      const updated = this.#update(entry)
      if ('answer' in decision && decision.answer.entry === entry) isStored = updated
      else pending.push(updated)
    }
    const promises = pending.filter(isPromise)
    return promises.length === 0 ? isStored : Promise.all(promises).then(() => isStored)
  }

  /** False: it is not stored any more. */
  #update(entry: Entry): MaybePromise<boolean> {
    const { guard } = this.#services
    const held = storedOf(this.#plan, entry)?.entry
    if (held === undefined || held.variantKey === entry.variantKey) return guard.update(entry, this.#plan.asOf)
    return mapMaybe(guard.update(entry, this.#plan.asOf, held.variantKey), moved => {
      // Where it is now, it would answer requests that it is not for.
      return moved ? true : mapMaybe(guard.remove(held), () => false)
    })
  }

  /** What is stored under its name, though the entry may have moved since. */
  #remove(entry: Entry): MaybePromise<boolean> {
    return this.#services.guard.remove(storedOf(this.#plan, entry)?.entry ?? entry)
  }

  /** What has had to wait for the new response to be stored, or not. */
  #removeReplaced(): void {
    const replaced = this.#replaced
    if (replaced === undefined) return
    this.#replaced = undefined
    for (const entry of replaced) void this.#remove(entry)
  }

  #watchFor(key: CacheKey): void {
    this.#change = {
      key,
      overtaken: () => {
        this.#isOvertaken = true
        // Not at once: that may resume this connection, which undici does not bear while it parses what comes by another.
        void Promise.resolve().then(() => this.#delivery.forget())
      }
    }
    this.#unwatch = this.#services.flights.watch(this.#change)
  }

  #delete(key: CacheKey): MaybePromise<boolean> {
    this.#services.flights.overtake(key, this.#change)
    return this.#services.guard.delete(key)
  }

  #obey(
    decision: ResponseDecision,
    request: Request,
    response: Response,
    isHttp2: boolean,
    isStored: boolean
  ): MaybePromise<void> {
    switch (decision.kind) {
      case 'forward':
        return this.#forward(response, decision.reason)
      case 'store':
        return this.#store(decision.entry, decision.joins, request, response, isHttp2)
      case 'complete':
        return this.#complete(decision, request, response, isHttp2)
      case 'freshen': {
        const outcome = validatedOutcome(this.#plan, decision.answer, isStored)
        return this.#replace(decision.answer, outcome, 'stored', () => this.#refetch(request))
      }
      case 'serve-stale': {
        const outcome = staleOutcome(decision.answer, decision.reason)
        return this.#replace(decision.answer, outcome, 'nothing', () => this.#forward(response, 'body-vanished'))
      }
      case 'refetch':
        return this.#refetch(request)
      default:
        return decision satisfies never
    }
  }

  /** A redirect was followed below the cache: the response is not that of the URL that was asked for. */
  #isRedirected(): boolean {
    return this.#history !== undefined && this.#history.length > 1
  }

  #ignoreRedirected(response: Response, request: Request): undefined {
    if (!isSafe(request.method)) void this.#delete(request.key)
    const { completion, revalidation } = this.#plan
    // What came may answer fields that the client did not send.
    const isForCache = completion === undefined ? response.statusCode === 304 : response.statusCode !== 200
    if (isForCache && (completion !== undefined || revalidation.conditions.length > 0)) this.#refetch(request)
    else this.#forward(response, 'redirected')
  }

  #forward(response: Response, reason: Reason): void {
    this.#delivery.shareWithNobody(REASONS[reason].predictsNext && !isFailureOfTheMoment(response.statusCode))
    this.#deliver(response, forwardedOutcome(this.#plan, reason))
  }

  #store(entry: Entry, join: Join | undefined, request: Request, response: Response, isHttp2: boolean): void {
    const refusal = this.#recordOrReason(entry, join, request, response, isHttp2)
    const isForReaders = refusal !== undefined && REASONS[refusal].allowsSharing && this.#ask.client !== undefined
    if (refusal !== undefined && !isForReaders) return this.#forward(response, refusal)
    const { policy } = this.#services.settings
    this.#deliver(
      response,
      isForReaders ? forwardedOutcome(this.#plan, refusal) : storedOutcome(this.#plan, entry, policy)
    )
    this.#delivery.share(entry, request)
  }

  /** Begins to store what comes, joined with what is stored. A word: why not. */
  #recordOrReason(
    entry: Entry,
    join: Join | undefined,
    request: Request,
    response: Response,
    isHttp2: boolean
  ): Reason | undefined {
    if (this.#isOvertaken) return 'unsafe-method'
    const { maxEntrySizeBytes } = this.#services.guard
    const isFramed = isHttp2 && request.targetUri.startsWith('https:')
    const recordable = recordability(response, request.method, isFramed, maxEntrySizeBytes)
    if (typeof recordable === 'string') return recordable
    const expectedBytes = entry.completeLength === undefined ? recordable.expectedBytes : storedBytes(entry)
    this.#isEndInDoubt = isFramed && expectedBytes === undefined && framing(response, request.method) === undefined
    if ((expectedBytes ?? 0) > maxEntrySizeBytes) return 'too-large'
    return this.#delivery.recordOrReason(request, entry, join, expectedBytes)
  }

  /** What was missing of a stored part is on its way: the client gets both as one, and the store what it did not have. The
   * origin waits until the stored bytes have been delivered. */
  async #complete(
    { entry, answer, completion, reason }: Extract<ResponseDecision, { kind: 'complete' }>,
    request: Request,
    response: Response,
    isHttp2: boolean
  ): Promise<void> {
    const { entry: part, wanted, missing } = completion
    const stored = storedOf(this.#plan, part)
    const range = inStoredBody(part, { start: wanted.start, end: missing.start })
    if (stored === undefined || range === undefined) return this.#refetch(request)
    const beginning = await StoredBeginning.open(this.#services.guard, stored, range, this.#ask)
    if (beginning === undefined) {
      if (!this.#delivery.isOver) this.#refetch(request)
      return
    }
    try {
      if (this.#delivery.isOver) return
      const before = range.start === 0 ? undefined : { start: 0, end: range.start }
      const join = { with: part, before, after: undefined }
      const refusal = entry === undefined ? reason : this.#recordOrReason(entry, join, request, response, isHttp2)
      this.#delivery.expect(missing.end - missing.start)
      this.#deliverAnswer(answer, completedOutcome(this.#plan, answer, refusal))
      if (refusal === undefined || REASONS[refusal].allowsSharing) this.#delivery.share(answer.entry, request)
      else this.#delivery.settle('nothing')
      if (await beginning.play(this.#delivery)) return
      this.#handler.discard()
      this.#delivery.handOver(answer.entry, request, wanted)
    } catch (error) {
      this.#delivery.forget()
      this.#handler.abort(error as Error)
    } finally {
      beginning.close()
    }
  }

  /** Sends what is stored in place of what came. `result` is for those who wait for it. */
  #replace(answer: Answer, outcome: Outcome, result: FlightResult, vanished: () => void): MaybePromise<void> {
    const { client } = this.#ask
    const opened =
      client === undefined ? undefined : this.#services.bodies.open(answer, storedOf(this.#plan, answer.entry), {})
    return mapMaybe<OpenBody | undefined, void>(opened, body => {
      if (client !== undefined && body === undefined) return vanished()
      this.#handler.discard()
      this.#delivery.settle(result)
      if (client !== undefined && body !== undefined) {
        this.#services.replay.play(client, answer, body, outcome, this.#ask, this.#request)
      }
    })
  }

  /** Asks again, for the whole: what a 304 speaks of is not there. */
  #refetch(request: Request): void {
    this.#handler.discard()
    const { client } = this.#ask
    if (client === undefined || client.isFinished) return this.#delivery.settle('nothing')
    const { forward, asOf, stored } = this.#plan
    const plan = { ...planFor(forward, 'refetch'), asOf, found: stored }
    new OriginExchange(this.#services, this.#ask, request, plan, this.#delivery.leaveFlight()).sendSoon()
  }

  #deliver(response: Response, outcome: Outcome): void {
    const { client } = this.#ask
    if (client === undefined || client.aborted || client.isFinished) return
    client.settle(outcome)
    const status = this.#services.statusOf(outcome)
    client.head(new LinesHead(response.statusCode, response.statusText, response.lines, status))
  }

  #deliverAnswer(answer: Answer, outcome: Outcome): void {
    const { client } = this.#ask
    if (client === undefined || client.aborted || client.isFinished) return
    client.settle(outcome)
    client.head(new AnswerHead(answer, this.#services.statusOf(outcome)))
  }

  /** Who asked first, unless that one has gone. */
  get #leader(): DownstreamHandler | undefined {
    const { client } = this.#ask
    return client?.isFinished ? undefined : client
  }
}

/** A failure that says nothing of the next response: of the server's, or because it is asked for too much. RFC 9110 §15.5.9,
 * §15.6, RFC 6585 §4, RFC 8470 §5.2 */
function isFailureOfTheMoment(statusCode: number): boolean {
  return statusCode >= 500 || statusCode === 408 || statusCode === 425 || statusCode === 429
}
