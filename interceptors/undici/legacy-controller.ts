import type { Dispatcher } from 'undici'

/** The controller of a dispatcher that speaks the legacy handler API, and has none. */
export class LegacyController implements Dispatcher.DispatchController {
  rawHeaders: Buffer[] | null = null
  rawTrailers: Buffer[] | null = null
  aborted = false
  paused = false
  reason: Error | null = null
  readonly #abort: (reason?: Error) => void
  readonly #resume: () => void

  constructor(abort: (reason?: Error) => void, resume: () => void) {
    this.#abort = abort
    this.#resume = resume
  }

  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    this.#abort(reason)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.#resume()
  }
}
