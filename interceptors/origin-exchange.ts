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
import type { CacheKey, Entry, FieldLines, Request, Response } from '../lib/rfc9111/types.ts'
import type { MaybePromise } from '../stores/store.ts'
import { Audience } from './audience.ts'
import type { HttpCache } from './cache.ts'
import type { Client, Head } from './client.ts'
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
import { RestOfBody, Straggler } from './straggler.ts'
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
  readonly #audience: Audience
  readonly #stragglers = new Set<Straggler>()
  #requestTimeMs = 0
  #isOver = false
  #history: readonly unknown[] | undefined
  #recorder: Recorder | undefined
  #entry: Entry | undefined

  constructor(cache: HttpCache, ask: Ask, request: Request | undefined, plan: Plan, flight?: Flight) {
    this.#cache = cache
    this.#ask = ask
    this.#request = request
    this.#plan = plan
    this.#flight = flight
    this.#audience = new Audience({
      upstream: this.#handler,
      maxBufferedBytes: cache.settings.maxBufferedBytes,
      onLeft: reason => this.#someoneLeft(reason)
    })
  }

  /** Dispatches the request. What the inner dispatcher throws at once is thrown on. */
  send(): boolean {
    const { next, client } = this.#ask
    if (client !== undefined) {
      this.#audience.begin(client)
      if (this.#flight !== undefined) this.#flight.onLeft = () => this.#someoneLeft(notNeeded())
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
    this.#leader?.start(inner)
  }

  informed(statusCode: number, statusText: string, lines: FieldLines): void {
    this.#leader?.info(new LinesHead(statusCode, statusText, lines))
  }

  upgraded(statusCode: number, lines: FieldLines, socket: Duplex): void {
    this.#finish('nothing')
    this.#leader?.upgrade(new LinesHead(statusCode, '', lines), socket)
  }

  responseStarted(): void {
    this.#leader?.responseStarted()
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
    this.#audience.receive(chunk)
  }

  ended(trailers: FieldLines): void {
    if (this.#recorder === undefined) this.#finish('nothing')
    else this.#land(this.#recorder, trailers)
    this.#isOver = true
    this.#audience.end(trailersHead(trailers))
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
    for (const { client } of this.#stragglers) client.fail(error)
    this.#stragglers.clear()
    this.#recorder?.abort()
    this.#finish('nothing')
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
      this.#audience.fail(error)
      client?.fail(error)
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
      ...deletes.map(key => this.#delete(key)),
      ...updates.map(entry => guard.update(entry, this.#plan.asOf))
    ].filter(isPromise)
    return pending.length === 0 ? undefined : Promise.all<unknown>(pending)
  }

  #delete(key: CacheKey): MaybePromise<boolean> {
    this.#cache.flights.overtake(key)
    return this.#cache.guard.delete(key)
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
    if (!isSafe(request.method)) void this.#delete(request.key)
    if (response.statusCode === 304 && this.#plan.revalidation.conditions.length > 0) this.#refetch(request)
    else this.#forward(response, 'redirected')
  }

  #forward(response: Response, reason: string): void {
    // Who waits would wait in vain; and without anybody waiting, the rest is of no use.
    if (response.statusCode < 500) this.#flight?.isForOneAlone()
    if (this.#audience.isEmpty) this.#handler.discard()
    this.#finish('nothing')
    this.#deliver(response, forwardedOutcome(this.#plan, reason))
  }

  #store(entry: Entry, request: Request, response: Response, isHttp2: boolean): void {
    const { guard, settings } = this.#cache
    const isFramed = isHttp2 && request.targetUri.startsWith('https:')
    const recordable = recordability(response, request.method, isFramed, guard.maxEntrySizeBytes)
    if (typeof recordable === 'string') return this.#forward(response, recordable)
    const { expectedBytes } = recordable
    this.#entry = entry
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
    this.#audience.leaveBehind = (client, offset) => this.#leaveBehind(client, offset)
    if (this.#flight !== undefined) this.#audience.keepBeginning()
    this.#deliver(response, storedOutcome(this.#plan, entry, settings.policy))
    this.#flight?.streams({ entry, join: (client, head, outcome) => this.#join(client, head, outcome) })
  }

  #join(client: Client, head: Head, outcome: Outcome): boolean {
    return this.#audience.join(client, () => {
      client.settle(outcome)
      if (!client.isStarted) client.start()
      client.head(head)
    })
  }

  /** Goes on for those who are left, as long as there are any. */
  #someoneLeft(reason: Error): void {
    const isWanted = !this.#audience.isEmpty || this.#stragglers.size > 0 || this.#flight?.isAwaited
    if (!isWanted && !this.#isOver) this.#handler.abort(reason)
  }

  /** One that does not keep up reads on from the store, once the response is there. */
  #leaveBehind(client: Client, offset: number): void {
    const straggler: Straggler = new Straggler(client, offset, () => {
      if (this.#stragglers.delete(straggler)) this.#someoneLeft(notNeeded())
    })
    this.#stragglers.add(straggler)
  }

  #recorded(stored: boolean): void {
    this.#audience.leaveBehind = undefined
    const stragglers = [...this.#stragglers]
    this.#stragglers.clear()
    for (const straggler of stragglers) void this.#readOn(straggler, stored)
    if (!stored && this.#audience.isEmpty && !this.#isOver) this.#handler.discard()
    this.#finish(stored ? 'stored' : 'nothing')
  }

  /** The rest for one who has fallen behind: from the store, or else from the origin. */
  async #readOn(straggler: Straggler, isStored: boolean): Promise<void> {
    const request = this.#request
    const entry = this.#entry
    if (request === undefined || entry === undefined || straggler.client.isFinished) return
    if (isStored && (await this.#cache.server.readOn(straggler, entry, request))) return
    if (!straggler.client.isFinished) new RestOfBody(straggler, entry).send(this.#ask, request.fields)
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
    if (client === undefined || client.aborted || client.isFinished) return
    client.settle(outcome)
    const status = this.#cache.server.status(outcome)
    client.head(new LinesHead(response.statusCode, response.statusText, response.lines, status))
  }

  #storedOf({ entry }: Answer): Plan['stored'][number] | undefined {
    return this.#plan.stored.find(stored => stored.entry.id === entry.id)
  }

  /** Who asked first, unless that one has gone. */
  get #leader(): Client | undefined {
    const { client } = this.#ask
    return client?.isFinished ? undefined : client
  }

  /** What was asked for has come, whole or not at all: lands once. */
  #finish(landing: 'stored' | 'nothing'): void {
    this.#flight?.land(landing)
    this.onOver?.()
  }
}

function notNeeded(): Error {
  return new Error('nobody waits for the response')
}
