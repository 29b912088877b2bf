import type { Dispatcher } from 'undici'
import type { Request } from '../../lib/rfc9111/types.ts'
import type { Position } from '../../stores/store.ts'
import type { OUTCOME, OutcomeHolder } from '../outcome/outcome.ts'
import type { StoreDeadline } from '../store-access/store-deadline.ts'
import { copyOptions, type DispatchOptions, withFields } from '../undici/dispatch-options.ts'
import type { DownstreamHandler } from '../undici/downstream-handler.ts'

export type Dispatch = Dispatcher.Dispatch

/** Options of a request with what only this package understands among them. */
export interface CacheDispatchOptions extends DispatchOptions {
  cache?: unknown
  [OUTCOME]?: OutcomeHolder
}

/** One request as it came: where it would go, and who asked. */
export interface RequestContext<F extends FlightState = FlightState> {
  readonly next: Dispatch
  readonly opts: DispatchOptions
  /** undefined: nobody waits for the response; it is fetched in the background. */
  readonly client: DownstreamHandler | undefined
  readonly progress: Progress<F>
  readonly storeDeadline: StoreDeadline
}

/** A request to the origin that others wait for, as far as a request's context has to know it. */
export interface FlightState {
  readonly isAwaited: boolean
  /** undefined while it is under way. */
  readonly result: FlightResult | undefined
  /** Releases those who wait. */
  settle(result: FlightResult): void
}

/** What those who waited for a flight can use: what is stored now, or nothing. */
export type FlightResult = 'stored' | 'nothing'

/** How far a request has come. */
export type Progress<F extends FlightState = FlightState> =
  /** It has waited for nothing yet. `underWay` was fetching the same as the store was asked: where it has stored that since,
   * the store's answer is out of date. */
  | { readonly kind: 'first'; readonly underWay: F | undefined }
  /** It has waited for another's response, or for the store at work on one. */
  | { readonly kind: 'after-wait'; readonly on: 'response' | 'store' }
  /** Others wait for its flight, which has begun before there was a request to the origin. `asOf`: the store's position a
   * moment ago; undefined: the store has to be asked. */
  | { readonly kind: 'leader'; readonly flight: F; readonly asOf: Position }

/** The progress of a request that has just come. */
export const FIRST: Progress<never> = { kind: 'first', underWay: undefined }

const AFTER_WAIT = {
  response: { kind: 'after-wait', on: 'response' },
  store: { kind: 'after-wait', on: 'store' }
} as const satisfies Record<string, Progress>

/** The request as it stands: its caller may use the same objects for the next one, once dispatch has returned. */
export function asItStands<C extends RequestContext>(context: C): C {
  return { ...context, opts: copyOptions(context.opts) }
}

/** The same, to be looked up once more, in the time that the store has left. */
export function afterWaiting<C extends RequestContext>(context: C, on: 'response' | 'store'): C {
  return { ...context, progress: AFTER_WAIT[on] }
}

/** Whether it has waited for another's response. */
export function hasWaitedForResponse({ progress }: RequestContext): boolean {
  return progress.kind === 'leader' || (progress.kind === 'after-wait' && progress.on === 'response')
}

/** Settles the flight that the request leads, if it leads one. */
export function settleLed({ progress }: RequestContext, result: FlightResult): void {
  if (progress.kind === 'leader') progress.flight.settle(result)
}

/** Whether others wait for a flight that the request leads. */
export function leadsOthers({ progress }: RequestContext): boolean {
  return progress.kind === 'leader' && progress.flight.isAwaited
}

/** The same with the fields of another request. */
export function withRequest<C extends RequestContext>(context: C, { fields }: Request): C {
  return { ...context, opts: { ...copyOptions(context.opts), headers: withFields(fields, [], []) } }
}

/** A request that shares a response, as it would be sent for its client alone. */
export interface StandaloneRequest {
  readonly context: RequestContext
  readonly request: Request
}
