import type { Answer } from '../lib/rfc9111/answer.ts'
import { formatCacheStatus } from '../lib/rfc9111/cache-status.ts'
import { requestDirectives } from '../lib/rfc9111/directives.ts'
import { strongValidator } from '../lib/rfc9111/ranges.ts'
import { inStoredBody, storedBytes } from '../lib/rfc9111/segments.ts'
import type { Entry, FieldLines, Request } from '../lib/rfc9111/types.ts'
import { variantKey } from '../lib/rfc9111/vary.ts'
import type { Body, MaybePromise, Stored } from '../stores/store.ts'
import { AnswerHead } from './answer-head.ts'
import {
  type BodyPlayer,
  damageIn,
  HeldBodyPlayer,
  heldPieces,
  type OnDamage,
  type OnLost,
  ReadBodyPlayer,
  release
} from './body-player.ts'
import { type Client, type Head, nobodyWaits } from './client.ts'
import type { Patience } from './deadline.ts'
import { isPromise } from './maybe-promise.ts'
import { LinesHead, trailersHead } from './origin-head.ts'
import { cacheStatusOf, type Outcome } from './outcome.ts'
import { unsatisfiableOutcome } from './outcomes.ts'
import type { Ask } from './plan.ts'
import { type Reader, RestOfBody } from './rest-of-body.ts'
import type { StoreGuard } from './store-guard.ts'
import { TurnBudget } from './turn-budget.ts'

const NO_PIECES: readonly Uint8Array[] = []
const NO_LINES: FieldLines = []

/** What of a stored body is wanted. */
type Content = Pick<Answer, 'entry' | 'body'>

/** A stored body, opened so far that nothing but damage can keep it from being served. If that comes, the rest is asked
 * for by the request, as it stands; undefined: there is none to go by. */
export type OpenBody = (client: Client, trailers: FieldLines, ask: Ask, request: Request | undefined) => BodyPlayer

/** Plays answers into clients: in the same tick where the store has the body at hand. */
export class Server {
  readonly #guard: StoreGuard
  readonly #statusName: string | undefined
  readonly #budget = new TurnBudget()

  /** `statusName` is how this cache calls itself in Cache-Status; undefined: it does not. */
  constructor(guard: StoreGuard, statusName: string | undefined) {
    this.#guard = guard
    this.#statusName = statusName
  }

  /** This cache's member of Cache-Status. */
  status(outcome: Outcome): string | undefined {
    return this.#statusName === undefined ? undefined : formatCacheStatus(this.#statusName, cacheStatusOf(outcome))
  }

  /** Serves an answer; calls `vanished` in its place where the body cannot be had, before the client has got anything. What
   * is lost after that is asked for by `ask`. */
  serve(
    client: Client,
    answer: Answer,
    opened: MaybePromise<OpenBody | undefined>,
    outcome: Outcome,
    ask: Ask,
    request: Request | undefined,
    vanished: () => void
  ): void {
    if (isPromise(opened)) {
      if (!client.isStarted) attempt(client, () => client.start())
      void opened.then(body => {
        if (body === undefined) {
          if (!client.isFinished) attempt(client, vanished)
        } else {
          this.#playInTurn(client, answer, body, outcome, ask, request)
        }
      })
    } else if (opened === undefined) {
      vanished()
    } else {
      this.#playInTurn(client, answer, opened, outcome, ask, request)
    }
  }

  /** Opens an answer's body and reads its first piece; undefined where it cannot be had, within the `patience` there is. */
  open(
    answer: Content,
    stored: Stored | undefined,
    patience: Patience | undefined
  ): MaybePromise<OpenBody | undefined> {
    if (answer.body === 'none') return playerOf(NO_PIECES, true)
    if (stored === undefined) return undefined
    const range = answer.body === 'whole' ? undefined : inStoredBody(answer.entry, answer.body)
    if (range === undefined && answer.body !== 'whole') return undefined
    const body = this.#guard.open(stored, range, patience)
    const isOwn = stored.take !== undefined
    return isPromise(body)
      ? body.then(opened => this.#begin(opened, answer, isOwn, patience))
      : this.#begin(body, answer, isOwn, patience)
  }

  /** Gives one who has got the beginning of a response the rest of it. False: the store does not have it. */
  async readOn({ client, offset }: Reader, { id, key }: Entry, ask: Ask, request: Request): Promise<boolean> {
    const same = await this.#guard.find(
      key,
      names => variantKey(request, names),
      entry => entry.id === id
    )
    if (same === undefined) return false
    const { completeLength = 0, trailers } = same.entry
    const opened = await this.open({ entry: same.entry, body: { start: offset, end: completeLength } }, same, {})
    if (opened === undefined) return false
    const player = opened(client, trailers, ask, request)
    if (client.isFinished) player.abort(client.reason ?? nobodyWaits())
    else {
      client.source = player
      player.play()
    }
    return true
  }

  #playInTurn(
    client: Client,
    answer: Answer,
    body: OpenBody,
    outcome: Outcome,
    ask: Ask,
    request: Request | undefined
  ): void {
    const bytes = contentLength(answer)
    if (this.#budget.take(bytes)) this.play(client, answer, body, outcome, ask, request)
    else this.#budget.defer(bytes, () => this.play(client, answer, body, outcome, ask, request))
  }

  /** Delivers the header section and as much of the body as the client takes; to one who has gone, nothing. */
  play(client: Client, answer: Answer, body: OpenBody, outcome: Outcome, ask: Ask, request: Request | undefined): void {
    const player = body(client, answer.body === 'whole' ? answer.entry.trailers : NO_LINES, ask, request)
    deliver(client, outcome, new AnswerHead(answer, this.status(outcome)), player)
  }

  /** §5.2.1.7, §5.2.2.2: 504 with an empty body. */
  gatewayTimeout(client: Client | undefined, reason: string): void {
    if (client === undefined) return
    if (this.#budget.take(0)) this.#playGatewayTimeout(client, reason)
    else this.#budget.defer(0, () => this.#playGatewayTimeout(client, reason))
  }

  #playGatewayTimeout(client: Client, reason: string): void {
    const outcome = unsatisfiableOutcome(reason)
    const player = new HeldBodyPlayer(client, trailersHead([]), NO_PIECES, true)
    const head = new LinesHead(504, 'Gateway Timeout', [['Content-Length', '0']], this.status(outcome))
    deliver(client, outcome, head, player)
  }

  #begin(
    body: Body | undefined,
    answer: Content,
    isOwn: boolean,
    patience: Patience | undefined
  ): MaybePromise<OpenBody | undefined> {
    if (body === undefined) return undefined
    const pieces = heldPieces(body)
    if (pieces !== undefined) return playerOf(pieces, isOwn)
    return this.#beginReading(body as AsyncIterable<Uint8Array>, answer, isOwn, patience)
  }

  async #beginReading(
    body: AsyncIterable<Uint8Array>,
    answer: Content,
    isOwn: boolean,
    patience: Patience | undefined
  ): Promise<OpenBody | undefined> {
    const onDamage: OnDamage = unreported => {
      if (unreported !== undefined) this.#guard.report(unreported, 'read')
      void this.#guard.delete(answer.entry.key)
    }
    let iterator: AsyncIterator<Uint8Array> | undefined
    try {
      const opened = this.#guard.iterate(body)
      iterator = opened
      const readNext = (reading: AsyncIterator<Uint8Array>) => this.#guard.read(reading)
      const first = await this.#guard.read(opened, patience)
      const byteLength = contentLength(answer)
      const damage = damageIn(first, byteLength)
      if (damage !== undefined) {
        onDamage(damage)
        release(opened)
        return undefined
      }
      return (client, trailers, ask, request) => {
        const onLost: OnLost = (deliveredBytes, error) => {
          const { entry, body: content } = answer
          const reader =
            typeof content === 'object'
              ? { client, offset: content.start + deliveredBytes, end: content.end, trailers }
              : { client, offset: deliveredBytes, trailers }
          if (request === undefined || !hasRest(entry, request)) client.fail(error)
          else new RestOfBody(reader, entry, ask, request.fields).send()
        }
        const source = { iterator: opened, readNext, byteLength, onDamage, onLost, isOwn }
        return new ReadBodyPlayer(client, trailersHead(trailers), first, source)
      }
    } catch {
      // The guard has reported it.
      release(iterator)
      return undefined
    }
  }
}

/** A handler that throws ends its own response. */
function deliver(client: Client, outcome: Outcome, head: Head, player: BodyPlayer): void {
  if (client.isFinished || client.aborted) {
    player.abort(client.reason ?? nobodyWaits())
    return
  }
  client.source = player
  try {
    client.settle(outcome)
    if (!client.isStarted) client.start()
    if (client.aborted) return
    client.head(head)
  } catch (error) {
    player.abort(error as Error)
    return
  }
  player.play()
}

/** Whether the origin may be asked for the rest of what is stored, and can tell whether it has the same version. */
function hasRest(entry: Entry, { fields }: Request): boolean {
  return entry.statusCode === 200 && strongValidator(entry) !== undefined && !requestDirectives(fields).onlyIfCached
}

/** How many bytes of content the answer has. */
function contentLength({ body, entry }: Content): number {
  if (body === 'none') return 0
  return body === 'whole' ? storedBytes(entry) : body.end - body.start
}

function playerOf(pieces: readonly Uint8Array[], isOwn: boolean): OpenBody {
  return (client, trailers) => new HeldBodyPlayer(client, trailersHead(trailers), pieces, isOwn)
}

function attempt(client: Client, action: () => void): void {
  try {
    action()
  } catch (error) {
    client.fail(error as Error)
  }
}
