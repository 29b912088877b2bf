import { isPromise } from '../../stores/shared/maybe-promise.ts'
import type { MaybePromise } from '../../stores/store.ts'
import { startOnce } from '../undici/downstream-handler.ts'
import { asItStands, type Dispatch, leadsOthers, type RequestContext, settleLed } from './request-context.ts'

/** Requests that wait for the store: for an answer, or until it has stored another's response. */
export class PendingRequests {
  /** With the dispatcher that each would go through. */
  readonly #requests = new Map<Promise<void>, Dispatch>()

  /** Goes on at once where the answer is there; else the client is told that its request is under way, and the request is
   * kept as it stands. The promise must not reject. */
  when<T, C extends RequestContext>(
    context: C,
    answer: MaybePromise<T>,
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

  /** Settles once nobody waits who would go through that dispatcher. */
  async whenOver(next: Dispatch): Promise<void> {
    for (;;) {
      const waiting = [...this.#requests].filter(([, through]) => through === next).map(([promise]) => promise)
      if (waiting.length === 0) return
      await Promise.all(waiting)
    }
  }
}
