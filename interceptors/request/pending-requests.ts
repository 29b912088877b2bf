import { isPromise } from '../../stores/shared/maybe-promise.ts'
import type { Guarded } from '../store-access/guarded.ts'
import { startOnce } from '../undici/downstream-handler.ts'
import { asItStands, type Dispatch, leadsOthers, type RequestContext, settleLed } from './request-context.ts'

/** The requests that wait for the store: for an answer, or until it has stored another's response. */
export class PendingRequests {
  /** Each with the dispatcher that the request would go through. */
  readonly #requests = new Map<Promise<void>, Dispatch>()

  /** Proceeds at once where the answer is there; else the client is told that its request is under way, and the request is
   * kept as it stands. */
  when<T, C extends RequestContext>(
    context: C,
    answer: Guarded<T>,
    proceed: (answer: T, context: C) => boolean
  ): boolean {
    if (!isPromise(answer)) return proceed(answer, context)
    const { client } = context
    const kept = asItStands(context)
    if (client !== undefined) startOnce(client)
    const waiting = answer.then(value => {
      this.#requests.delete(waiting)
      if (client?.isFinished && !leadsOthers(kept)) return settleLed(kept, 'nothing')
      try {
        proceed(value, client?.isFinished ? { ...kept, client: undefined } : kept)
      } catch (error) {
        settleLed(kept, 'nothing')
        client?.fail(error as Error)
      }
    })
    this.#requests.set(waiting, context.next)
    return true
  }

  /** Settles once no request waits that would go through that dispatcher. */
  async whenOver(next: Dispatch): Promise<void> {
    for (;;) {
      const waiting = [...this.#requests].filter(([, through]) => through === next).map(([promise]) => promise)
      if (waiting.length === 0) return
      await Promise.all(waiting)
    }
  }
}
