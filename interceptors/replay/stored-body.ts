import type { Hash } from 'node:crypto'
import type { Answer } from '../../lib/rfc9111/answer.ts'
import { requestDirectives } from '../../lib/rfc9111/directives.ts'
import { strongValidator } from '../../lib/rfc9111/ranges.ts'
import { inStoredBody, storedBytes } from '../../lib/rfc9111/segments.ts'
import type { Entry, FieldLines, Request } from '../../lib/rfc9111/types.ts'
import { variantKey } from '../../lib/rfc9111/vary.ts'
import { isPromise } from '../../stores/shared/maybe-promise.ts'
import type { Body, MaybePromise, Stored } from '../../stores/store.ts'
import type { RequestContext, StandaloneRequest } from '../request/request-context.ts'
import { damageIn, heldChunks, release } from '../store-access/body-checks.ts'
import type { StoreDeadline } from '../store-access/store-deadline.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'
import type { DownstreamHandler } from '../undici/downstream-handler.ts'
import { trailersHead } from '../undici/lines-head.ts'
import { type BodyReplay, HeldBodyReplay, type OnDamage, type OnLost, ReadBodyReplay } from './body-replay.ts'
import { type Reader, ResumedBody } from './resumed-body.ts'

const NO_CHUNKS: readonly Uint8Array[] = []

/** The entry, and the range of its body, that an answer needs. */
type Content = Pick<Answer, 'entry' | 'body'>

/** A stored body that has been opened and, where it is read in pieces, whose first piece has been read. If the store loses the
 * rest, that is requested from the origin by `request`; undefined: it cannot be. */
export type OpenBody = (
  client: DownstreamHandler,
  trailers: FieldLines,
  context: RequestContext,
  request: Request | undefined,
  readingOn?: ReadingOn
) => BodyReplay

/** How a client goes on that has been delivered the beginning from elsewhere. */
interface ReadingOn {
  /** The hash of the delivered bytes, where it is known; it is continued with what follows. */
  readonly hash: Hash | undefined
  readonly onLost: OnLost
}

/** Opens stored bodies. */
export class StoredBodies {
  readonly #guard: StoreGuard

  constructor(guard: StoreGuard) {
    this.#guard = guard
  }

  /** Opens an answer's body and reads its first piece, by `deadline`; undefined where it cannot be read. */
  open(
    answer: Content,
    stored: Stored | undefined,
    deadline = this.#guard.newDeadline()
  ): MaybePromise<OpenBody | undefined> {
    if (answer.body === 'none') return heldReplay(NO_CHUNKS, true)
    if (stored === undefined) return undefined
    const range = answer.body === 'whole' ? undefined : inStoredBody(answer.entry, answer.body)
    if (range === undefined && answer.body !== 'whole') return undefined
    const body = this.#guard.open(stored, range, deadline)
    const isOwn = stored.take !== undefined
    return isPromise(body)
      ? body.then(opened => this.#begin(opened, answer, isOwn, deadline))
      : this.#begin(body, answer, isOwn, deadline)
  }

  /** Delivers the rest of a response whose beginning the client has. Calls `goOn` with what has been delivered if the store loses
   * the rest. False: the store does not have the response. */
  async readOn(
    { client, offset, hash }: Reader,
    { id, key }: Entry,
    { context, request }: StandaloneRequest,
    goOn: (reader: Reader) => void
  ): Promise<boolean> {
    const same = await this.#guard.find(
      key,
      names => variantKey(request, names),
      entry => entry.id === id
    )
    if (same === undefined) return false
    const { completeLength = 0, trailers } = same.entry
    const opened = await this.open({ entry: same.entry, body: { start: offset, end: completeLength } }, same)
    if (opened === undefined) return false
    const own = hash?.copy()
    const onLost: OnLost = (deliveredBytes, _error, isDoubtful) => {
      goOn({ client, offset: offset + deliveredBytes, hash: own, isDoubtful })
    }
    const replay = opened(client, trailers, context, request, { hash: own, onLost })
    if (client.attach(replay)) replay.play()
    return true
  }

  #begin(
    body: Body | undefined,
    answer: Content,
    isOwn: boolean,
    deadline: StoreDeadline
  ): MaybePromise<OpenBody | undefined> {
    if (body === undefined) return undefined
    const chunks = heldChunks(body)
    if (chunks !== undefined) return heldReplay(chunks, isOwn)
    return this.#beginReading(body as AsyncIterable<Uint8Array>, answer, isOwn, deadline)
  }

  async #beginReading(
    body: AsyncIterable<Uint8Array>,
    answer: Content,
    isOwn: boolean,
    deadline: StoreDeadline
  ): Promise<OpenBody | undefined> {
    const onDamage: OnDamage = unreported => {
      if (unreported !== undefined) this.#guard.report(unreported, 'read')
      void this.#guard.remove(answer.entry)
    }
    let iterator: AsyncIterator<Uint8Array> | undefined
    try {
      const opened = this.#guard.iterate(body)
      iterator = opened
      const readNext = (reading: AsyncIterator<Uint8Array>) => this.#guard.read(reading)
      const first = await this.#guard.read(opened, deadline)
      const byteLength = contentLength(answer)
      const damage = damageIn(first, byteLength)
      if (damage !== undefined) {
        onDamage(damage)
        release(opened)
        return undefined
      }
      return (client, trailers, context, request, readingOn) => {
        const goOn: OnLost = (deliveredBytes, error) => {
          const { entry, body: content } = answer
          const reader =
            typeof content === 'object'
              ? { client, offset: content.start + deliveredBytes, end: content.end, trailers }
              : { client, offset: deliveredBytes, trailers }
          if (request === undefined || !hasRest(entry, request)) client.fail(error)
          else new ResumedBody(reader, entry, context, request.fields).send()
        }
        const { hash, onLost } = readingOn ?? { hash: undefined, onLost: goOn }
        const source = { iterator: opened, readNext, byteLength, onDamage, onLost, isOwn, hash }
        return new ReadBodyReplay(client, trailersHead(trailers), first, source)
      }
    } catch {
      // The guard has reported it.
      release(iterator)
      return undefined
    }
  }
}

/** Whether the origin may be asked for the rest of a stored response, and can tell whether it has the same version. */
function hasRest(entry: Entry, { fields }: Request): boolean {
  return entry.statusCode === 200 && strongValidator(entry) !== undefined && !requestDirectives(fields).onlyIfCached
}

/** The length of an answer's content, in bytes. */
export function contentLength({ body, entry }: Content): number {
  if (body === 'none') return 0
  return body === 'whole' ? storedBytes(entry) : body.end - body.start
}

function heldReplay(chunks: readonly Uint8Array[], isOwn: boolean): OpenBody {
  return (client, trailers) => new HeldBodyReplay(client, trailersHead(trailers), chunks, isOwn)
}
