import type { Dispatcher } from 'undici'
import type { Completion } from '../../lib/rfc9111/completion.ts'
import type { ForwardReason } from '../../lib/rfc9111/decide-request.ts'
import { NO_REVALIDATION } from '../../lib/rfc9111/decide-response.ts'
import type { Entry, Request } from '../../lib/rfc9111/types.ts'
import type { Revalidation } from '../../lib/rfc9111/validation.ts'
import type { Position, Stored } from '../../stores/store.ts'
import type { OUTCOME, OutcomeHolder } from '../outcome/outcome.ts'
import type { Flight } from '../single-flight/flight-registry.ts'
import type { Patience } from '../store-access/store-deadline.ts'
import type { DownstreamHandler } from '../undici/downstream-handler.ts'
import { copyOptions, type DispatchOptions, withFields } from './request-mapping.ts'

export type Dispatch = Dispatcher.Dispatch

/** One request as it came: where it would go, and who asked. */
export interface Ask extends Patience {
  readonly next: Dispatch
  readonly opts: DispatchOptions
  /** undefined: nobody waits for the response; it is fetched in the background. */
  readonly client: DownstreamHandler | undefined
  /** For what it has waited since it came: another's response, or the store at work on one; undefined: for neither. */
  readonly waited?: 'for another' | 'for the store' | undefined
  /** What was fetching the same as the store was asked: where that has landed since, the store's answer is out of date. */
  readonly underWay?: Flight | undefined
  /** Its own flight, where that has begun before there was a request to the origin: others of this process wait for it. */
  readonly leads?: Flight | undefined
  /** Where the store stood a moment ago; undefined: it has to be asked. */
  readonly asOf?: Position | undefined
}

/** With what a request goes to the origin. */
export interface Plan {
  readonly forward: ForwardReason
  readonly reason: string
  readonly revalidation: Revalidation
  readonly stored: readonly Stored[]
  /** What was found and cannot be used, as its body is gone: only to be removed where the origin has replaced it. */
  readonly found?: readonly Stored[]
  /** The rest of a stored part is asked for, in place of what the client asked for. */
  readonly completion?: Completion | undefined
  readonly asOf: Position
}

/** The request as it stands: its caller may use the same objects for the next one, once dispatch has returned. */
export function asItStands(ask: Ask): Ask {
  return { ...ask, opts: copyOptions(ask.opts) }
}

/** The same, to be looked up once more, in the time that the store has left. */
export function afterWaiting(ask: Ask, waited: Ask['waited']): Ask {
  return { ...ask, waited }
}

/** The same with the fields of another request. */
export function withRequest(ask: Ask, { fields }: Request): Ask {
  return { ...ask, opts: { ...copyOptions(ask.opts), headers: withFields(fields, [], []) } }
}

/** What undici leaves in its options of what only this package knows. */
export interface AskOptions extends DispatchOptions {
  cache?: unknown
  [OUTCOME]?: OutcomeHolder
}

const NO_STORED: readonly Stored[] = []

/** Nothing stored, nothing to validate. */
export function planFor(forward: ForwardReason, reason: string): Plan {
  return { forward, reason, revalidation: NO_REVALIDATION, stored: NO_STORED, asOf: undefined }
}

/** What the request was planned with of what is stored; undefined: the entry is not of it. */
export function storedOf({ stored }: Plan, { id }: Entry): Stored | undefined {
  return stored.find(({ entry }) => entry.id === id)
}

/** Whether the request may be sent once more: for the origin's response, or for what is lost of a stored one. */
export function mayAskAgain({ revalidation, completion }: Plan): boolean {
  return revalidation.candidates.length > 0 || completion !== undefined
}

/** What is sent for a request: its own options, but for what the plan asks for in its place. */
export function optionsToSend({ opts }: Ask, request: Request | undefined, plan: Plan): DispatchOptions {
  const { completion, revalidation } = plan
  const { conditions } = revalidation
  if (request !== undefined && completion !== undefined) {
    return { ...opts, headers: withFields(request.fields, ['range', 'if-range'], completion.fields) }
  }
  if (request === undefined || conditions.length === 0) return opts
  // The client's own date would bring a 304 that says nothing of what is stored.
  const replaced = ['if-modified-since', ...conditions.map(([name]) => name.toLowerCase())]
  return { ...opts, headers: withFields(request.fields, replaced, conditions) }
}
