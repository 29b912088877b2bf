import type { Request } from '../../lib/rfc9111/types.ts'
import type { ForwardPlan } from '../request/forward-plan.ts'
import type { Flight, FlightContext } from './flight.ts'

/** Looks a request up in the store, and does what that comes to. What it throws at once is the dispatcher's own error. */
export type LookUp = (context: FlightContext, request: Request) => boolean

/** A request to the origin that nobody waits for. */
export interface BackgroundExchange {
  /** Aborts the request, unless it has a reader by now. */
  cancel(): void
}

/** How requests get to the origin. */
export interface OriginPort {
  /** Sends a request; the flight, if any, is settled by what becomes of the response. */
  send(context: FlightContext, request: Request | undefined, plan: ForwardPlan, flight?: Flight): boolean
  /** Sends a request outside of the current callback. `onOver` is called as soon as it is known whether the response is
   * stored; perhaps more than once. */
  sendLater(
    context: FlightContext,
    request: Request,
    plan: ForwardPlan,
    flight: Flight,
    onOver: () => void
  ): BackgroundExchange
}
