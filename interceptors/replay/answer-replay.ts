import type { Answer } from '../../lib/rfc9111/answer.ts'
import type { FieldLines, Request } from '../../lib/rfc9111/types.ts'
import { isPromise } from '../../stores/shared/maybe-promise.ts'
import type { MaybePromise } from '../../stores/store.ts'
import type { StatusOf } from '../outcome/cache-status.ts'
import { type Outcome, unsatisfiableOutcome } from '../outcome/outcome.ts'
import type { Reason } from '../outcome/reasons.ts'
import type { RequestContext } from '../request/request-context.ts'
import { AnswerHead } from '../undici/answer-head.ts'
import type { DownstreamHandler, ResponseHead } from '../undici/downstream-handler.ts'
import { LinesHead, trailersHead } from '../undici/lines-head.ts'
import { type BodyReplay, HeldBodyReplay } from './body-replay.ts'
import { contentLength, type OpenBody } from './stored-body.ts'
import { TickBudget } from './tick-budget.ts'

const NO_LINES: FieldLines = []

/** Replays stored responses to clients: in the same tick of the event loop, where the store returns the body synchronously and
 * the budget of the tick allows it. */
export class AnswerReplay {
  readonly #statusOf: StatusOf
  readonly #budget = new TickBudget()

  constructor(statusOf: StatusOf) {
    this.#statusOf = statusOf
  }

  /** Serves an answer. Where the body cannot be opened, `vanished` is called instead, before anything is delivered. If the
   * store loses the body later, the rest is requested from the origin with `context` and `request`. */
  serve(
    client: DownstreamHandler,
    answer: Answer,
    opened: MaybePromise<OpenBody | undefined>,
    outcome: Outcome,
    context: RequestContext,
    request: Request | undefined,
    vanished: () => void
  ): void {
    if (isPromise(opened)) {
      if (!client.isStarted) attempt(client, () => client.start())
      void opened.then(body => {
        if (body === undefined) {
          if (!client.isFinished) attempt(client, vanished)
        } else {
          this.play(client, answer, body, outcome, context, request)
        }
      })
    } else if (opened === undefined) {
      vanished()
    } else {
      this.play(client, answer, opened, outcome, context, request)
    }
  }

  /** Delivers an answer whose body has been opened: in this tick of the event loop, or in a later one once the budget of this
   * tick is spent. Until then no other source may be attached to the client. */
  play(
    client: DownstreamHandler,
    answer: Answer,
    body: OpenBody,
    outcome: Outcome,
    context: RequestContext,
    request: Request | undefined
  ): void {
    const bytes = contentLength(answer)
    if (this.#budget.take(bytes)) this.#deliver(client, answer, body, outcome, context, request)
    else this.#budget.defer(bytes, () => this.#deliver(client, answer, body, outcome, context, request))
  }

  /** §5.2.1.7, §5.2.2.2: 504 with an empty body. */
  gatewayTimeout(client: DownstreamHandler | undefined, reason: Reason): void {
    if (client === undefined) return
    if (this.#budget.take(0)) this.#playGatewayTimeout(client, reason)
    else this.#budget.defer(0, () => this.#playGatewayTimeout(client, reason))
  }

  /** Delivers the header section, and as much of the body as the client takes. A client that has aborted gets nothing. */
  #deliver(
    client: DownstreamHandler,
    answer: Answer,
    body: OpenBody,
    outcome: Outcome,
    context: RequestContext,
    request: Request | undefined
  ): void {
    const replay = body(client, answer.body === 'whole' ? answer.entry.trailers : NO_LINES, context, request)
    deliver(client, outcome, new AnswerHead(answer, this.#statusOf(outcome)), replay)
  }

  #playGatewayTimeout(client: DownstreamHandler, reason: Reason): void {
    const outcome = unsatisfiableOutcome(reason)
    const replay = new HeldBodyReplay(client, trailersHead(NO_LINES), [], true)
    const head = new LinesHead(504, 'Gateway Timeout', [['Content-Length', '0']], this.#statusOf(outcome))
    deliver(client, outcome, head, replay)
  }
}

/** A handler that throws ends its own response. */
function deliver(client: DownstreamHandler, outcome: Outcome, head: ResponseHead, replay: BodyReplay): void {
  if (!client.attach(replay)) return
  try {
    client.settle(outcome)
    if (!client.isStarted) client.start()
    if (client.aborted) return
    client.head(head)
  } catch (error) {
    replay.abort(error as Error)
    return
  }
  replay.play()
}

function attempt(client: DownstreamHandler, action: () => void): void {
  try {
    action()
  } catch (error) {
    client.fail(error as Error)
  }
}
