import { randomUUID } from 'node:crypto'
import type { Answer } from '../../lib/rfc9111/answer.ts'
import { decideResponse, type Join, type ResponseDecision } from '../../lib/rfc9111/decide-response.ts'
import { framing } from '../../lib/rfc9111/framing.ts'
import { isSafe } from '../../lib/rfc9111/methods.ts'
import { inStoredBody, storedBytes } from '../../lib/rfc9111/segments.ts'
import type { Entry, Request, Response } from '../../lib/rfc9111/types.ts'
import { mapMaybe } from '../../stores/shared/maybe-promise.ts'
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
import { BodyPrefix } from '../replay/body-prefix.ts'
import type { OpenBody } from '../replay/stored-body.ts'
import { type ForwardPlan, planFor, storedOf } from '../request/forward-plan.ts'
import type { FlightResult, RequestContext } from '../request/request-context.ts'
import type { Flight } from '../single-flight/flight.ts'
import { AnswerHead } from '../undici/answer-head.ts'
import { LinesHead } from '../undici/lines-head.ts'
import type { OriginHandler } from '../undici/origin-handler.ts'
import { bodyFraming } from './body-framing.ts'
import type { OriginServices } from './origin-services.ts'
import type { ResponseTee } from './response-tee.ts'
import type { StoreChanges } from './store-changes.ts'

export interface DispositionOptions {
  readonly services: OriginServices
  readonly context: RequestContext
  readonly plan: ForwardPlan
  readonly handler: OriginHandler
  readonly tee: ResponseTee
  readonly changes: StoreChanges
  readonly exchange: ResendingExchange
}

/** What can send its request once more. */
export interface ResendingExchange {
  sendAgain(plan: ForwardPlan, flight: Flight | undefined): void
}

/** What becomes of the origin's response: it is forwarded, forwarded and stored, joined with a stored part, replaced by a
 * stored response, or requested anew. */
export class ResponseDisposition {
  readonly #options: DispositionOptions
  #isEndInDoubt = false

  constructor(options: DispositionOptions) {
    this.#options = options
  }

  /** Whether the response came by HTTP/2 without a length, so that only the stream can tell its end from a reset. */
  get isEndInDoubt(): boolean {
    return this.#isEndInDoubt
  }

  /** Decides on the response, and does what the engine says. */
  answer(request: Request, response: Response, isHttp2: boolean): MaybePromise<void> {
    const { services, context, plan, changes, tee } = this.#options
    const { revalidation, completion } = plan
    const stored = plan.stored.map(({ entry }) => entry)
    const found = plan.found?.map(({ entry }) => entry)
    const exchange = { request, response, revalidation, stored, found, completion, entryId: randomUUID() }
    const decision = decideResponse(exchange, services.settings.policy)
    return mapMaybe(changes.apply(decision, context.client !== undefined), isStored => {
      // It may have ended while the store was at work.
      if (!tee.isOver) return this.#obey(decision, request, response, isHttp2, isStored)
    })
  }

  /** Passes on the response to a redirect that was followed below the cache: it is not that of the URL that was asked for. */
  ignoreRedirected(request: Request, response: Response): void {
    const { completion, revalidation } = this.#options.plan
    if (!isSafe(request.method)) void this.#options.changes.delete(request.key)
    // The response may answer fields that the client did not send.
    const isForCache = completion === undefined ? response.statusCode === 304 : response.statusCode !== 200
    if (isForCache && (completion !== undefined || revalidation.conditions.length > 0)) this.#refetch()
    else this.forward(response, 'redirected')
  }

  /** Passes the response on, unstored. */
  forward(response: Response, reason: Reason): void {
    const { tee, plan } = this.#options
    tee.shareWithNobody(REASONS[reason].predictsNext && !isFailureOfTheMoment(response.statusCode))
    this.#deliver(response, forwardedOutcome(plan, reason))
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
        return this.forward(response, decision.reason)
      case 'store':
        return this.#store(decision.entry, decision.joins, request, response, isHttp2)
      case 'complete':
        return this.#complete(decision, request, response, isHttp2)
      case 'freshen': {
        const outcome = validatedOutcome(this.#options.plan, decision.answer, isStored)
        return this.#replace(decision.answer, outcome, request, 'stored', () => this.#refetch())
      }
      case 'serve-stale': {
        const outcome = staleOutcome(decision.answer, decision.reason)
        return this.#replace(decision.answer, outcome, request, 'nothing', () =>
          this.forward(response, 'body-vanished')
        )
      }
      case 'refetch':
        return this.#refetch()
      default:
        return decision satisfies never
    }
  }

  #store(entry: Entry, join: Join | undefined, request: Request, response: Response, isHttp2: boolean): void {
    const { context, plan, services, tee } = this.#options
    const refusal = this.#recordOrReason(entry, join, request, response, isHttp2)
    const isForReaders = refusal !== undefined && REASONS[refusal].allowsSharing && context.client !== undefined
    if (refusal !== undefined && !isForReaders) return this.forward(response, refusal)
    const { policy } = services.settings
    this.#deliver(response, isForReaders ? forwardedOutcome(plan, refusal) : storedOutcome(plan, entry, policy))
    tee.share(entry, request)
  }

  /** Begins to store the response, joined with what is stored. A reason: why not. */
  #recordOrReason(
    entry: Entry,
    join: Join | undefined,
    request: Request,
    response: Response,
    isHttp2: boolean
  ): Reason | undefined {
    const { services, changes, tee } = this.#options
    if (changes.isOvertaken) return 'unsafe-method'
    const { maxEntrySizeBytes } = services.guard
    const isFramed = isHttp2 && request.targetUri.startsWith('https:')
    const recordable = bodyFraming(response, request.method, isFramed, maxEntrySizeBytes)
    if (typeof recordable === 'string') return recordable
    const expectedBytes = entry.completeLength === undefined ? recordable.expectedBytes : storedBytes(entry)
    this.#isEndInDoubt = isFramed && expectedBytes === undefined && framing(response, request.method) === undefined
    if ((expectedBytes ?? 0) > maxEntrySizeBytes) return 'too-large'
    return tee.recordOrReason(request, entry, join, expectedBytes)
  }

  /** Delivers a stored part and the rest of it, which the origin sends, as one response, and stores the rest. The origin
   * waits until the stored bytes have been delivered. */
  async #complete(
    { entry, answer, completion, reason }: Extract<ResponseDecision, { kind: 'complete' }>,
    request: Request,
    response: Response,
    isHttp2: boolean
  ): Promise<void> {
    const { services, context, plan, tee, handler } = this.#options
    const { entry: part, wanted, missing } = completion
    const stored = storedOf(plan, part)
    const range = inStoredBody(part, { start: wanted.start, end: missing.start })
    if (stored === undefined || range === undefined) return this.#refetch()
    const prefix = await BodyPrefix.open(services.guard, stored, range, context.storeDeadline)
    if (prefix === undefined) {
      if (!tee.isOver) this.#refetch()
      return
    }
    try {
      if (tee.isOver) return
      const before = range.start === 0 ? undefined : { start: 0, end: range.start }
      const join = { with: part, before, after: undefined }
      const refusal = entry === undefined ? reason : this.#recordOrReason(entry, join, request, response, isHttp2)
      tee.expect(missing.end - missing.start)
      this.#deliverAnswer(answer, completedOutcome(plan, answer, refusal))
      if (refusal === undefined || REASONS[refusal].allowsSharing) tee.share(answer.entry, request)
      else tee.settle('nothing')
      if (await prefix.play(tee)) return
      handler.discard()
      tee.handOver(answer.entry, request, wanted)
    } catch (error) {
      tee.forget()
      handler.abort(error as Error)
    } finally {
      prefix.close()
    }
  }

  /** Sends a stored response in place of the origin's. `result` is for those who wait for it. */
  #replace(
    answer: Answer,
    outcome: Outcome,
    request: Request,
    result: FlightResult,
    vanished: () => void
  ): MaybePromise<void> {
    const { services, context, plan, tee, handler } = this.#options
    const { client } = context
    const opened = client === undefined ? undefined : services.bodies.open(answer, storedOf(plan, answer.entry))
    return mapMaybe<OpenBody | undefined, void>(opened, body => {
      if (client !== undefined && body === undefined) return vanished()
      handler.discard()
      tee.settle(result)
      if (client !== undefined && body !== undefined) {
        // The replay may come in a later tick: until then an abort ends the response by itself.
        client.detach()
        services.replay.play(client, answer, body, outcome, context, request)
      }
    })
  }

  /** Sends the request again, for the whole: what a 304 speaks of is not there. */
  #refetch(): void {
    const { context, plan, tee, handler, exchange } = this.#options
    handler.discard()
    const { client } = context
    if (client === undefined || client.isFinished) return tee.settle('nothing')
    const { forward, asOf, stored } = plan
    exchange.sendAgain({ ...planFor(forward, 'refetch'), asOf, found: stored }, tee.leaveFlight())
  }

  #deliver({ statusCode, statusText, lines }: Response, outcome: Outcome): void {
    const { client } = this.#options.context
    if (client === undefined || client.aborted || client.isFinished) return
    client.settle(outcome)
    client.head(new LinesHead(statusCode, statusText, lines, this.#options.services.statusOf(outcome)))
  }

  #deliverAnswer(answer: Answer, outcome: Outcome): void {
    const { client } = this.#options.context
    if (client === undefined || client.aborted || client.isFinished) return
    client.settle(outcome)
    client.head(new AnswerHead(answer, this.#options.services.statusOf(outcome)))
  }
}

/** Whether a status is a failure that says nothing of the next response: the server's, or that of too many requests.
 * RFC 9110 §15.5.9, §15.6, RFC 6585 §4, RFC 8470 §5.2 */
function isFailureOfTheMoment(statusCode: number): boolean {
  return statusCode >= 500 || statusCode === 408 || statusCode === 425 || statusCode === 429
}
