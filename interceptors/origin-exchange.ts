import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { CacheError } from '../lib/errors.ts'
import type { Answer } from '../lib/rfc9111/answer.ts'
import {
  decideFailure,
  decideResponse,
  type Join,
  NO_REVALIDATION,
  type ResponseDecision
} from '../lib/rfc9111/decide-response.ts'
import { isSafe } from '../lib/rfc9111/methods.ts'
import { inStoredBody, storedBytes } from '../lib/rfc9111/segments.ts'
import type { CacheKey, Entry, FieldLines, Request, Response } from '../lib/rfc9111/types.ts'
import type { MaybePromise } from '../stores/store.ts'
import { AnswerHead } from './answer-head.ts'
import { Audience } from './audience.ts'
import type { HttpCache } from './cache.ts'
import type { Client, Head } from './client.ts'
import { isDisconnection } from './disconnection.ts'
import type { Flight } from './flights.ts'
import { isPromise, mapMaybe } from './maybe-promise.ts'
import { asDispatchHandler, type OriginEvents, OriginHandler } from './origin-handler.ts'
import { LinesHead, trailersHead } from './origin-head.ts'
import type { Outcome } from './outcome.ts'
import { completedOutcome, forwardedOutcome, staleOutcome, storedOutcome, validatedOutcome } from './outcomes.ts'
import { mayStorePart } from './part-replacement.ts'
import type { Ask, Plan } from './plan.ts'
import { recordability } from './recordability.ts'
import { Recorder } from './recorder.ts'
import type { OpenBody } from './serve.ts'
import { type Destination, StoredBeginning } from './stored-beginning.ts'
import { RestOfBody, Straggler } from './straggler.ts'
import { withFields } from './to-request.ts'

/** One request at the origin, and what becomes of the response: forwarded, stored on the way, or replaced by what is
 * stored. */
export class OriginExchange implements OriginEvents, Destination {
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
  /** What of a stored body comes after the origin's bytes. */
  #join: Join | undefined
  /** How much the origin has promised to add to what was stored; undefined: its body stands for itself. */
  #missingBytes: number | undefined

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
    this.#recorder?.abort()
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
    const { revalidation, completion } = this.#plan
    const stored = this.#plan.stored.map(({ entry }) => entry)
    const exchange = { request, response, revalidation, stored, completion, entryId: randomUUID() }
    const decision = decideResponse(exchange, this.#cache.settings.policy)
    const settled = mapMaybe(this.#applyToStore(decision), () => {
      // It may have ended while the store was at work.
      if (!this.#isOver) return this.#obey(decision, request, response, isHttp2)
    })
    return isPromise(settled) ? settled : undefined
  }

  received(chunk: Buffer): void {
    if (this.#isOver) return
    if (this.#missingBytes !== undefined) {
      this.#missingBytes -= chunk.byteLength
      if (this.#missingBytes < 0) return this.#breakOff()
    }
    this.pass(chunk)
  }

  ended(trailers: FieldLines): void {
    if (this.#missingBytes !== undefined && this.#missingBytes !== 0) return this.#breakOff()
    if (this.#recorder === undefined) this.#finish('nothing')
    else this.#land(this.#recorder, trailers)
    this.#isOver = true
    this.#audience.end(trailersHead(trailers))
  }

  // Destination of what is stored already

  get isOver(): boolean {
    return this.#isOver
  }

  pass(chunk: Buffer): void {
    if (this.#recorder?.write(chunk) === false) this.#handler.pauseForStore()
    this.#audience.receive(chunk)
  }

  whenFree(): Promise<void> | undefined {
    return this.#handler.whenFree()
  }

  /** The origin has not sent what it promised to add. */
  #breakOff(): void {
    this.#recorder?.abort()
    const error = new CacheError('ERR_CACHE_BODY', 'the rest of a stored part is not of the length it should have')
    this.#handler.abort(error)
    if (!this.#isOver) this.failed(error)
  }

  #land(recorder: Recorder, trailers: FieldLines): void {
    const join = this.#join
    const stored = join === undefined ? undefined : this.#storedOf(join.with)
    if (stored !== undefined && join?.after !== undefined) recorder.copy(stored, join.after)
    recorder.finish(trailers)
    this.#isLanding(recorder)
  }

  /** Who asks for the same right after looks again once the store has done its work. */
  #isLanding(recorder: Recorder): void {
    const settled = recorder.whenSettled()
    if (settled !== undefined && this.#request !== undefined) {
      this.#cache.flights.isLanding(this.#request.key, settled)
    }
  }

  failed(error: Error): void {
    this.#isOver = true
    for (const { client } of this.#stragglers) client.fail(error)
    this.#stragglers.clear()
    if (this.#recorder !== undefined) {
      if (this.#request?.method === 'GET') this.#recorder.cutOff()
      else this.#recorder.abort()
      this.#isLanding(this.#recorder)
    }
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
      const opened = server.open(decision.answer, this.#storedOf(decision.answer.entry))
      const outcome = staleOutcome(decision.answer, decision.reason)
      server.serve(client, decision.answer, opened, outcome, () => client.fail(error))
    }
  }

  #optionsToSend(): Ask['opts'] {
    const { opts } = this.#ask
    const { conditions } = this.#plan.revalidation
    const request = this.#request
    const { completion } = this.#plan
    if (request !== undefined && completion !== undefined) {
      return { ...opts, headers: withFields(request.fields, ['range', 'if-range'], completion.fields) }
    }
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
        return this.#store(decision.entry, decision.joins, request, response, isHttp2)
      case 'complete':
        return this.#complete(decision, request, response, isHttp2)
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
    const { completion, revalidation } = this.#plan
    // What came may answer fields that the client did not send.
    const isForCache = completion === undefined ? response.statusCode === 304 : response.statusCode !== 200
    if (isForCache && (completion !== undefined || revalidation.conditions.length > 0)) this.#refetch(request)
    else this.#forward(response, 'redirected')
  }

  #forward(response: Response, reason: string): void {
    // Who waits would wait in vain; and without anybody waiting, the rest is of no use.
    if (response.statusCode < 500) this.#flight?.isForOneAlone()
    if (this.#audience.isEmpty) this.#handler.discard()
    this.#finish('nothing')
    this.#deliver(response, forwardedOutcome(this.#plan, reason))
  }

  #store(entry: Entry, join: Join | undefined, request: Request, response: Response, isHttp2: boolean): void {
    const refusal = this.#recordOrReason(entry, join, request, response, isHttp2)
    if (refusal !== undefined) return this.#forward(response, refusal)
    this.#deliver(response, storedOutcome(this.#plan, entry, this.#cache.settings.policy))
    this.#stream(entry)
  }

  /** Begins to store what comes, joined with what is stored. A word: why not. */
  #recordOrReason(
    entry: Entry,
    join: Join | undefined,
    request: Request,
    response: Response,
    isHttp2: boolean
  ): string | undefined {
    const { guard, settings } = this.#cache
    const isFramed = isHttp2 && request.targetUri.startsWith('https:')
    const recordable = recordability(response, request.method, isFramed, guard.maxEntrySizeBytes)
    if (typeof recordable === 'string') return recordable
    const expectedBytes = entry.completeLength === undefined ? recordable.expectedBytes : storedBytes(entry)
    if ((expectedBytes ?? 0) > guard.maxEntrySizeBytes) return 'too-large'
    const joined = join === undefined ? undefined : this.#storedOf(join.with)
    if (join !== undefined && joined === undefined) return 'body-vanished'
    const writer = guard.put(entry, isSafe(request.method) ? this.#plan.asOf : undefined)
    if (writer === undefined) return 'declined-by-store'
    this.#entry = entry
    this.#join = join
    this.#recorder = new Recorder({
      guard,
      entry,
      writer,
      expectedBytes,
      knownBytes: join === undefined ? 0 : storedBytes(join.with),
      maxBufferedBytes: settings.maxBufferedBytes,
      onDrain: () => this.#handler.resumeForStore(),
      onSettled: stored => this.#recorded(stored),
      mayStorePart: (part, isCutOff) => mayStorePart(guard, request, part, isCutOff)
    })
    if (joined !== undefined && join?.before !== undefined) this.#recorder.copy(joined, join.before)
    this.#audience.leaveBehind = (client, offset) => this.#leaveBehind(client, offset)
    if (this.#flight !== undefined) this.#audience.keepBeginning()
    return undefined
  }

  #stream(entry: Entry): void {
    this.#flight?.streams({ entry, join: (client, head, outcome) => this.#admit(client, head, outcome) })
  }

  /** The rest of a stored part is on its way: the client gets both as one, and the store what it did not have. The origin
   * waits until the stored bytes have been delivered. */
  async #complete(
    { entry, answer, completion }: Extract<ResponseDecision, { kind: 'complete' }>,
    request: Request,
    response: Response,
    isHttp2: boolean
  ): Promise<void> {
    const { entry: part, wanted, missing } = completion
    const stored = this.#storedOf(part)
    const range = inStoredBody(part, { start: wanted.start, end: missing.start })
    if (stored === undefined || range === undefined) return this.#refetch(request)
    const beginning = await StoredBeginning.open(this.#cache.guard, stored, range)
    if (beginning === undefined) {
      if (!this.#isOver) this.#refetch(request)
      return
    }
    try {
      if (this.#isOver) return
      const before = range.start === 0 ? undefined : { start: 0, end: range.start }
      const join = { with: part, before, after: undefined }
      const refusal = this.#recordOrReason(entry, join, request, response, isHttp2)
      this.#missingBytes = missing.end - missing.start
      this.#deliverAnswer(answer, completedOutcome(this.#plan, answer, refusal))
      if (refusal === undefined) this.#stream(entry)
      else this.#finish('nothing')
      await beginning.play(this)
    } catch (error) {
      this.#recorder?.abort()
      this.#handler.abort(error as Error)
    } finally {
      beginning.close()
    }
  }

  #admit(client: Client, head: Head, outcome: Outcome): boolean {
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
    const opened = client === undefined ? undefined : this.#cache.server.open(answer, this.#storedOf(answer.entry))
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

  #deliverAnswer(answer: Answer, outcome: Outcome): void {
    const { client } = this.#ask
    if (client === undefined || client.aborted || client.isFinished) return
    client.settle(outcome)
    client.head(new AnswerHead(answer, this.#cache.server.status(outcome)))
  }

  #storedOf({ id }: Entry): Plan['stored'][number] | undefined {
    return this.#plan.stored.find(stored => stored.entry.id === id)
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
