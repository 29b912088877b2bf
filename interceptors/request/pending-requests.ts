import type { MaybePromise } from '../../stores/store.ts'
import { isPromise } from '../maybe-promise.ts'
import { startOnce } from '../undici/downstream-handler.ts'
import { type Ask, asItStands, type Dispatch } from './request-context.ts'

/** Requests that wait for the store: for an answer, or until it has stored another's response. */
export class Waiting {
  /** With the dispatcher that each would go through. */
  readonly #requests = new Map<Promise<void>, Dispatch>()

  /** Goes on at once where the answer is there; else the client is told that its request is under way, and the request is
   * kept as it stands. The promise must not reject. */
  when<T>(ask: Ask, answer: MaybePromise<T>, proceed: (answer: T, ask: Ask) => boolean): boolean {
    if (!isPromise(answer)) return proceed(answer, ask)
    const { client } = ask
    const kept = asItStands(ask)
    if (client !== undefined) startOnce(client)
    const waiting = answer.then(value => {
      this.#requests.delete(waiting)
      const { leads } = kept
      if (client?.isFinished && !leads?.isAwaited) return leads?.land('nothing')
      try {
        proceed(value, client?.isFinished ? { ...kept, client: undefined } : kept)
      } catch (error) {
        leads?.land('nothing')
        client?.fail(error as Error)
      }
    })
    this.#requests.set(waiting, ask.next)
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
