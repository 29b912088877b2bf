import { isResumable } from '../../lib/rfc9111/parts.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { Outcome } from '../outcome/outcome.ts'
import type { StandaloneRequest } from '../request/request-context.ts'
import type { Stream } from '../single-flight/flight.ts'
import type { DownstreamHandler, ResponseHead } from '../undici/downstream-handler.ts'
import type { Broadcast } from './broadcast.ts'
import type { SharedPrefix } from './shared-body.ts'
import type { SlowSubscribers } from './slow-subscribers.ts'
import type { Subscriber } from './subscriber.ts'

/** A response whose header section is there, and which other requests may join. */
export class SharedResponse implements Stream {
  readonly entry: Entry
  readonly slowSubscribers: SlowSubscribers
  /** Whether the rest can be requested by Range and If-Range. */
  readonly isResumable: boolean
  readonly #broadcast: Broadcast
  /** The request that the response is for. */
  readonly #leader: StandaloneRequest

  constructor(entry: Entry, broadcast: Broadcast, slowSubscribers: SlowSubscribers, leader: StandaloneRequest) {
    this.entry = entry
    this.slowSubscribers = slowSubscribers
    this.isResumable = isResumable(entry)
    this.#broadcast = broadcast
    this.#leader = leader
  }

  isOpen(): boolean {
    return this.#broadcast.isOpen
  }

  join(client: DownstreamHandler, own: StandaloneRequest, head: ResponseHead, outcome: Outcome): boolean {
    return this.#broadcast.join(client, own, () => {
      client.settle(outcome)
      if (!client.isStarted) client.start()
      client.head(head)
    })
  }

  /** Takes over a subscriber that is too slow for the broadcast. */
  detach({ client, own = this.#leader }: Subscriber, prefix: SharedPrefix): void {
    this.slowSubscribers.add(client, own, prefix)
  }
}
