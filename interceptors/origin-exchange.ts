import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Answer } from '../lib/rfc9111/answer.ts'
import {
  decideFailure,
  decideResponse,
  NO_REVALIDATION,
  type ResponseDecision
} from '../lib/rfc9111/decide-response.ts'
import { isSafe } from '../lib/rfc9111/methods.ts'
import type { Entry, FieldLines, Request, Response } from '../lib/rfc9111/types.ts'
import type { MaybePromise } from '../stores/store.ts'
import type { HttpCache } from './cache.ts'
import { isDisconnection } from './disconnection.ts'
import type { Flight } from './flights.ts'
import { isPromise, mapMaybe } from './maybe-promise.ts'
import { asDispatchHandler, type OriginEvents, OriginHandler } from './origin-handler.ts'
import { LinesHead, trailersHead } from './origin-head.ts'
import type { Outcome } from './outcome.ts'
import { forwardedOutcome, staleOutcome, storedOutcome, validatedOutcome } from './outcomes.ts'
import type { Ask, Plan } from './plan.ts'
import { recordability } from './recordability.ts'
import { Recorder } from './recorder.ts'
import type { OpenBody } from './serve.ts'
import { withFields } from './to-request.ts'

/** One request at the origin, and what becomes of the response: forwarded, stored on the way, or replaced by what is
 * stored. */
export class OriginExchange implements OriginEvents {
  /** Called once there is nothing more to come. */
  onOver: (() => void) | undefined
  readonly #cache: HttpCache
  readonly #ask: Ask
  /** undefined: the cache has no part in it but to say so. */
  readonly #request: Request | undefined
  readonly #plan: Plan
  readonly #flight: Flight | undefined
  readonly #handler = new OriginHandler(this)
  #requestTimeMs = 0
  #isOver = false
  #history: readonly unknown[] | undefined
  #recorder: Recorder | undefined

  constructor(cache: HttpCache, ask: Ask, request: Request | undefined, plan: Plan, flight: Flight | undefined) {
    this.#cache = cache
    this.#ask = ask
    this.#request = request
    this.#plan = plan
    this.#flight = flight
  }

  /** Dispatches the request. What the inner dispatcher throws at once is thrown on. */
  send(): boolean {
    const { next, client } = this.#ask
    if (client !== undefined) {
      client.source = this.#handler
      if (client.paused) this.#handler.pause()
    }
    try {
      this.#requestTimeMs = this.#cache.settings.now()
      return next(this.#optionsToSend(), asDispatchHandler(this.#handler))
    } catch (error) {
      this.#finish('nothing')
      if (client === undefined || !client.isStarted) throw error
      client.fail(error as Error)
      return true
    }
  }

  /** Gives up a request that nobody waits for. */
  cancel(): void {
    this.#handler.abort(new Error('the cache was closed'))
  }

  started(context: unknown): void {
    const inner = typeof context === 'object' && context !== null ? context : undefined
    const history = inner === undefined ? undefined : (inner as { history?: unknown }).history
    if (Array.isArray(history)) this.#history = history
    this.#ask.client?.start(inner)
  }

  informed(statusCode: number, statusText: string, lines: FieldLines): void {
    this.#ask.client?.info(new LinesHead(statusCode, statusText, lines))
  }

  upgraded(statusCode: number, lines: FieldLines, socket: Duplex): void {
    this.#finish('nothing')
    this.#ask.client?.upgrade(new LinesHead(statusCode, '', lines), socket)
  }

  responseStarted(): void {
    this.#ask.client?.responseStarted()
  }

  answered(statusCode: number, statusText: string, lines: FieldLines, isHttp2: boolean): Promise<void> | undefined {
    const request = this.#request
    const responseTimeMs = this.#cache.settings.now()
    const response: Response = { statusCode, statusText, lines, requestTimeMs: this.#requestTimeMs, responseTimeMs }
    if (request === undefined) {
      this.#forward(response, this.#plan.reason)
      return undefined
    }
    if (this.#isRedirected()) return this.#ignoreRedirected(response, request)
    const exchange = { request, response, revalidation: this.#plan.revalidation, entryId: randomUUID() }
    const decision = decideResponse(exchange, this.#cache.settings.policy)
    const settled = mapMaybe(this.#applyToStore(decision), () => {
      // It may have ended while the store was at work.
      if (!this.#isOver) return this.#obey(decision, request, response, isHttp2)
    })
    return isPromise(settled) ? settled : undefined
  }

  received(chunk: Buffer): void {
    if (this.#recorder?.write(chunk) === false) this.#handler.pauseForStore()
    this.#ask.client?.data(chunk)
  }

  ended(trailers: FieldLines): void {
    if (this.#recorder === undefined) this.#finish('nothing')
    else this.#land(this.#recorder, trailers)
    this.#ask.client?.end(trailersHead(trailers))
  }

  #land(recorder: Recorder, trailers: FieldLines): void {
    recorder.finish(trailers)
    const settled = recorder.whenSettled()
    if (settled !== undefined && this.#request !== undefined) {
      this.#cache.flights.isLanding(this.#request.key, settled)
    }
  }

  failed(error: Error): void {
    this.#isOver = true
    this.#recorder?.abort()
    this.#finish('nothing')
    const request = this.#request
    const { client } = this.#ask
    // Stricter than §4.4: a change whose answer was lost may have happened all the same.
    if (request !== undefined && !isSafe(request.method)) void this.#cache.guard.delete(request.key)
    if (client === undefined) return
    if (
      request === undefined ||
      client.hasHead ||
      client.aborted ||
      error === client.fault ||
      !isDisconnection(error)
    ) {
      client.fail(error)
      return
    }
    const { policy, now } = this.#cache.settings
    const decision = decideFailure(request, this.#plan.revalidation, policy, now())
    if (decision.kind === 'error') client.fail(error)
    else {
      // Nothing more comes from here: until there is an answer, an abort ends the request by itself.
      client.source = undefined
      const { server } = this.#cache
      if (decision.kind === 'gateway-timeout') return server.gatewayTimeout(client, decision.reason)
      const opened = server.open(decision.answer, this.#storedOf(decision.answer))
      const outcome = staleOutcome(decision.answer, decision.reason)
      server.serve(client, decision.answer, opened, outcome, () => client.fail(error))
    }
  }

  #optionsToSend(): Ask['opts'] {
    const { opts } = this.#ask
    const { conditions } = this.#plan.revalidation
    const request = this.#request
    if (request === undefined || conditions.length === 0) return opts
    // The client's own date would bring a 304 that says nothing of what is stored.
    const replaced = ['if-modified-since', ...conditions.map(([name]) => name.toLowerCase())]
    return { ...opts, headers: withFields(request.fields, replaced, conditions) }
  }

  /** Before the client sees the response: who asks again right after it must not get what it has replaced. */
  #applyToStore({ deletes, updates }: ResponseDecision): MaybePromise<unknown> {
    const { guard } = this.#cache
    if (deletes.length === 0 && updates.length === 0) return undefined
    const pending = [
      ...deletes.map(key => guard.delete(key)),
      ...updates.map(entry => guard.update(entry, this.#plan.asOf))
    ].filter(isPromise)
    return pending.length === 0 ? undefined : Promise.all<unknown>(pending)
  }

  #obey(decision: ResponseDecision, request: Request, response: Response, isHttp2: boolean): MaybePromise<void> {
    switch (decision.kind) {
      case 'forward':
        return this.#forward(response, decision.reason)
      case 'store':
        return this.#store(decision.entry, request, response, isHttp2)
      case 'freshen': {
        const outcome = validatedOutcome(this.#plan, decision.answer)
        return this.#replace(decision.answer, outcome, () => this.#refetch(request))
      }
      case 'serve-stale': {
        const outcome = staleOutcome(decision.answer, decision.reason)
        return this.#replace(decision.answer, outcome, () => this.#forward(response, 'body-vanished'))
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
    const { guard } = this.#cache
    if (!isSafe(request.method)) void guard.delete(request.key)
    if (response.statusCode === 304 && this.#plan.revalidation.conditions.length > 0) this.#refetch(request)
    else this.#forward(response, 'redirected')
  }

  #forward(response: Response, reason: string): void {
    // Who waits would wait in vain; and without anybody waiting, the rest is of no use.
    if (this.#ask.client === undefined) this.#handler.discard()
    this.#finish('nothing')
    this.#deliver(response, forwardedOutcome(this.#plan, reason))
  }

  #store(entry: Entry, request: Request, response: Response, isHttp2: boolean): void {
    const { guard, settings } = this.#cache
    const isFramed = isHttp2 && request.targetUri.startsWith('https:')
    const recordable = recordability(response, request.method, isFramed, guard.maxEntrySizeBytes)
    if (typeof recordable === 'string') return this.#forward(response, recordable)
    const { expectedBytes } = recordable
    const writer = guard.put(entry, isSafe(request.method) ? this.#plan.asOf : undefined)
    if (writer === undefined) return this.#forward(response, 'declined-by-store')
    this.#recorder = new Recorder({
      guard,
      entry,
      writer,
      expectedBytes,
      maxBufferedBytes: settings.maxBufferedBytes,
      onDrain: () => this.#handler.resumeForStore(),
      onSettled: stored => this.#recorded(stored)
    })
    this.#flight?.headArrived(settings.coalesceTimeoutMs)
    this.#deliver(response, storedOutcome(this.#plan, entry, settings.policy))
  }

  #recorded(stored: boolean): void {
    if (!stored && this.#ask.client === undefined) this.#handler.discard()
    this.#finish(stored ? 'stored' : 'nothing')
  }

  /** Sends what is stored in place of what came. */
  #replace(answer: Answer, outcome: Outcome, vanished: () => void): MaybePromise<void> {
    const { client } = this.#ask
    const opened = client === undefined ? undefined : this.#cache.server.open(answer, this.#storedOf(answer))
    return mapMaybe<OpenBody | undefined, void>(opened, body => {
      if (client !== undefined && body === undefined) return vanished()
      this.#handler.discard()
      this.#finish(outcome.outcome === 'revalidated' ? 'stored' : 'nothing')
      if (client !== undefined && body !== undefined) {
        this.#cache.server.play(client, answer, body, outcome)
      }
    })
  }

  /** Asks again, for the whole: what a 304 speaks of is not there. */
  #refetch(request: Request): void {
    this.#handler.discard()
    this.#finish('nothing')
    const { client } = this.#ask
    if (client === undefined || client.isFinished) return
    const { forward, asOf } = this.#plan
    this.#cache.fetch(this.#ask, request, {
      forward,
      reason: 'refetch',
      revalidation: NO_REVALIDATION,
      stored: [],
      asOf
    })
  }

  #deliver(response: Response, outcome: Outcome): void {
    const { client } = this.#ask
    if (client === undefined || client.aborted) return
    client.settle(outcome)
    const status = this.#cache.server.status(outcome)
    client.head(new LinesHead(response.statusCode, response.statusText, response.lines, status))
  }

  #storedOf({ entry }: Answer): Plan['stored'][number] | undefined {
    return this.#plan.stored.find(stored => stored.entry.id === entry.id)
  }

  #finish(landing: 'stored' | 'nothing'): void {
    this.#flight?.land(landing)
    this.onOver?.()
  }
}
