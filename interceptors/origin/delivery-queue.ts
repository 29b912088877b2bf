import { soon } from '../../lib/event-loop.ts'
import { Slice } from '../../lib/time-slices.ts'
import type { Subscriber } from './subscriber.ts'

/** The broadcast whose subscribers are in the queue. */
export interface DeliveryQueueOwner {
  /** Delivers to a subscriber whatever it lacks and takes. */
  serve(subscriber: Subscriber): void
  /** The queue has run as long as one tick permits. */
  queueRan(): void
}

/** The order in which the subscribers of a broadcast are served: many of them take several ticks of the event loop. */
export class DeliveryQueue {
  readonly #owner: DeliveryQueueOwner
  /** Have been given all that was received. */
  #idle: Subscriber[] = []
  /** Are to be served, from the index `#served` on. */
  #waiting: Subscriber[] = []
  #served = 0
  #isRunning = false

  constructor(owner: DeliveryQueueOwner) {
    this.#owner = owner
  }

  /** Whether subscribers are still to be served. */
  get isBusy(): boolean {
    return this.#waiting.length > 0
  }

  /** One that has been given all that was received. */
  get idle(): Subscriber | undefined {
    return this.#idle[0]
  }

  /** Notes that the subscriber has been given all that was received. */
  addIdle(subscriber: Subscriber): void {
    if (subscriber.isListed) return
    subscriber.isListed = true
    this.#idle.push(subscriber)
  }

  /** Queues the idle subscribers. Returns the first of them where nothing is before it in the queue. */
  wake(): Subscriber | undefined {
    const isFirst = !this.#isRunning && this.#waiting.length === 0
    if (this.#waiting.length === 0) this.#waiting = this.#idle
    else for (const subscriber of this.#idle) this.#waiting.push(subscriber)
    this.#idle = []
    return isFirst ? this.#waiting[0] : undefined
  }

  /** Queues exactly these. */
  reset(subscribers: Iterable<Subscriber>): void {
    this.#idle = []
    this.#waiting = [...subscribers]
    this.#served = 0
  }

  /** Serves the subscribers in the queue, in later ticks those for whom there is no time in this one. */
  run(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    const slice = new Slice()
    while (this.#served < this.#waiting.length && !slice.isOver) {
      const subscriber = this.#waiting[this.#served++] as Subscriber
      subscriber.isListed = false
      this.#owner.serve(subscriber)
    }
    this.#isRunning = false
    if (this.#served < this.#waiting.length) {
      soon(() => this.run())
    } else {
      this.#waiting = []
      this.#served = 0
    }
    this.#owner.queueRan()
  }
}
