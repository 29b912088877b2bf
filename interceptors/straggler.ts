import type { Client, Source } from './client.ts'

export interface StragglerEvents {
  paceChanged(): void
  left(): void
}

/** One who has fallen too far behind the others, and waits until the rest of the response can be had in another way. */
export class Straggler implements Source {
  readonly client: Client
  /** How many bytes it has got. */
  readonly offset: number
  readonly #events: StragglerEvents

  constructor(client: Client, offset: number, events: StragglerEvents) {
    this.client = client
    this.offset = offset
    this.#events = events
    client.source = this
  }

  pause(): void {
    this.#events.paceChanged()
  }

  resume(): void {
    this.#events.paceChanged()
  }

  abort(reason: Error): void {
    this.client.fail(reason)
    this.#events.left()
  }
}
