import type { Duplex } from 'node:stream'
import { CacheError } from '../../lib/errors.ts'
import { decideFailure } from '../../lib/rfc9111/decide-failure.ts'
import { isSafe } from '../../lib/rfc9111/methods.ts'
import type { FieldLines, Request, Response } from '../../lib/rfc9111/types.ts'
import { isPromise } from '../../stores/shared/maybe-promise.ts'
import { staleOutcome } from '../outcome/outcome.ts'
import { type ForwardPlan, optionsToSend, storedOf } from '../request/forward-plan.ts'
import type { RequestContext } from '../request/request-context.ts'
import type { Flight } from '../single-flight/flight.ts'
import type { BackgroundExchange } from '../single-flight/origin-port.ts'
import type { DownstreamHandler } from '../undici/downstream-handler.ts'
import { LinesHead } from '../undici/lines-head.ts'
import { asDispatchHandler, toOriginHandler } from '../undici/origin-adapter.ts'
import type { OriginEvents } from '../undici/origin-events.ts'
import type { OriginHandler } from '../undici/origin-handler.ts'
import { withQueuedAbort } from '../undici/queued-abort.ts'
import { soon } from '../undici/soon.ts'
import { isDisconnection } from './disconnection.ts'
import type { OriginServices } from './origin-services.ts'
import { type ResendingExchange, ResponseDisposition } from './response-disposition.ts'
import { ResponseTee } from './response-tee.ts'
import { StoreChanges } from './store-changes.ts'

/** Sends one request to the origin, and follows it to its end: the response goes to its client, to the store and to those who
 * share it; a failure goes to the client, unless something stored may stand in. */
export class OriginExchange implements OriginEvents, BackgroundExchange, ResendingExchange {
  readonly #services: OriginServices
  readonly #context: RequestContext
  /** undefined: the cache passes the request by, and adds its Cache-Status alone. */
  readonly #request: Request | undefined
  readonly #plan: ForwardPlan
  readonly #handler: OriginHandler
  readonly #tee: ResponseTee
  readonly #changes: StoreChanges
  #disposition: ResponseDisposition | undefined
  #requestTimeMs = 0
  /** The URLs that a redirect followed below the cache has led to. */
  #history: readonly unknown[] | undefined
  #onOver: (() => void) | undefined

  constructor(
    services: OriginServices,
    context: RequestContext,
    request: Request | undefined,
    plan: ForwardPlan,
    flight?: Flight
  ) {
    this.#services = services
    this.#context = context
    this.#request = request
    this.#plan = plan
    this.#changes = new StoreChanges(services, plan)
    this.#handler = toOriginHandler(this, context.client)
    this.#tee = new ResponseTee({
      services,
      context: context,
      plan,
      flight,
      handler: this.#handler,
      onSettled: () => {
        this.#changes.finish()
        this.#onOver?.()
      }
    })
  }

  /** Dispatches the request. What the inner dispatcher throws at once is thrown on. */
  send(): boolean {
    this.#begin()
    return this.#dispatch()
  }

  /** Dispatches a request of the cache's own: not within a callback of another response. `onOver` is called when it is known
   * whether the response is stored; perhaps more than once. */
  sendSoon(onOver?: () => void): void {
    this.#onOver = onOver
    this.#begin()
    soon(() => {
      if (this.#handler.isOver) return
      try {
        this.#dispatch()
      } catch (error) {
        this.#context.client?.fail(error as Error)
      }
    })
  }

  sendAgain(plan: ForwardPlan, flight: Flight | undefined): void {
    new OriginExchange(this.#services, this.#context, this.#request, plan, flight).sendSoon()
  }

  #begin(): void {
    this.#tee.begin(this.#context.client)
    if (this.#request?.method === 'POST') this.#changes.watch(this.#request.key, () => this.#tee.forget())
  }

  #dispatch(): boolean {
    const { next, client } = this.#context
    this.#context.storeDeadline.pause()
    try {
      this.#requestTimeMs = this.#services.settings.now()
      const opts = optionsToSend(this.#context, this.#request, this.#plan)
      return next(withQueuedAbort(opts, client, this.#handler), asDispatchHandler(this.#handler))
    } catch (error) {
      this.#tee.settle('nothing')
      if (client === undefined || !client.isStarted) throw error
      client.fail(error as Error)
      return true
    }
  }

  /** Aborts a request that was not sent for a client, unless it has a reader by now. */
  cancel(): void {
    this.#tee.leaveToReaders(new Error('the cache was closed'))
  }

  started(context: unknown): void {
    const inner = typeof context === 'object' && context !== null ? context : undefined
    const history = inner === undefined ? undefined : (inner as { history?: unknown }).history
    if (Array.isArray(history)) this.#history = history
    this.#leader?.start(inner)
  }

  upgraded(statusCode: number, lines: FieldLines, socket: Duplex): void {
    this.#tee.settle('nothing')
    this.#leader?.upgrade(new LinesHead(statusCode, '', lines), socket)
  }

  answered(statusCode: number, statusText: string, lines: FieldLines, isHttp2: boolean): Promise<void> | undefined {
    const request = this.#request
    const responseTimeMs = this.#services.settings.now()
    const response: Response = { statusCode, statusText, lines, requestTimeMs: this.#requestTimeMs, responseTimeMs }
    const disposition = new ResponseDisposition({
      services: this.#services,
      context: this.#context,
      plan: this.#plan,
      handler: this.#handler,
      tee: this.#tee,
      changes: this.#changes,
      exchange: this
    })
    this.#disposition = disposition
    if (request === undefined) disposition.forward(response, this.#plan.reason)
    else if (this.#isRedirected()) disposition.ignoreRedirected(request, response)
    else {
      const settled = disposition.answer(request, response, isHttp2)
      if (isPromise(settled)) return settled
    }
    return undefined
  }

  received(chunk: Buffer): void {
    if (!this.#tee.receive(chunk)) this.#breakOff()
  }

  ended(trailers: FieldLines, isWhole?: boolean): void {
    const isTrusted = isWhole ?? this.#services.settings.storeUnverifiedHttp2
    if (this.#disposition?.isEndInDoubt && !isTrusted) this.#tee.forget()
    if (!this.#tee.end(trailers)) this.#breakOff()
  }

  /** Ends a response whose origin has not sent as many bytes as it promised to add. */
  #breakOff(): void {
    this.#tee.forget()
    // Otherwise the origin would be asked to complete the same part again and again.
    if (this.#request !== undefined) void this.#changes.delete(this.#request.key)
    const error = new CacheError('ERR_CACHE_BODY', 'the rest of a stored part is not of the length it should have')
    this.#handler.abort(error)
    if (!this.#tee.isOver) this.failed(error)
  }

  failed(error: Error): void {
    this.#tee.interrupt()
    const request = this.#request
    const { client } = this.#context
    // Stricter than §4.4: an unsafe request that ends in an error invalidates its URI too. The change may have happened.
    if (request !== undefined && !isSafe(request.method)) void this.#changes.delete(request.key)
    if (
      request === undefined ||
      client === undefined ||
      client.hasHead ||
      client.aborted ||
      error === client.fault ||
      !isDisconnection(error)
    ) {
      this.#tee.fail(error)
      return
    }
    const { policy, now } = this.#services.settings
    const decision = decideFailure(request, this.#plan.revalidation, policy, now())
    if (decision.kind === 'error') client.fail(error)
    else {
      client.detach()
      const { bodies, replay } = this.#services
      if (decision.kind === 'gateway-timeout') return replay.gatewayTimeout(client, decision.reason)
      const opened = bodies.open(decision.answer, storedOf(this.#plan, decision.answer.entry))
      const outcome = staleOutcome(decision.answer, decision.reason)
      replay.serve(client, decision.answer, opened, outcome, this.#context, request, () => client.fail(error))
    }
  }

  #isRedirected(): boolean {
    return this.#history !== undefined && this.#history.length > 1
  }

  /** The client that the request was sent for, unless it has gone. */
  get #leader(): DownstreamHandler | undefined {
    const { client } = this.#context
    return client?.isFinished ? undefined : client
  }
}
