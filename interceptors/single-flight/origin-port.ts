import type { Request } from '../../lib/rfc9111/types.ts'
import type { Ask, Plan } from '../request/request-context.ts'
import type { Flight } from './flight-registry.ts'

/** Looks a request up in the store, and does what that comes to. What it throws at once is the dispatcher's own error. */
export type LookUp = (ask: Ask, request: Request) => boolean

/** A request to the origin that nobody waits for. */
export interface BackgroundExchange {
  /** Aborts the request, unless it has a reader by now. */
  cancel(): void
}

/** How requests get to the origin. */
export interface OriginPort {
  /** Sends a request; the flight, if any, is settled by what becomes of the response. */
  send(ask: Ask, request: Request | undefined, plan: Plan, flight?: Flight): boolean
  /** Sends a request outside of the current callback. `onOver` is called as soon as it is known whether the response is
   * stored; perhaps more than once. */
  sendLater(ask: Ask, request: Request, plan: Plan, flight: Flight, onOver: () => void): BackgroundExchange
}
