/** Runs work for all who ask for it: one run at a time, and one more for those who ask while it goes on, since it may have
 * passed already what they ask about. */
export class SharedRun {
  readonly #work: () => Promise<void>
  #running: Promise<void> | undefined
  #queued: Promise<void> | undefined

  constructor(work: () => Promise<void>) {
    this.#work = work
  }

  /** The run that goes on now. */
  get running(): Promise<void> | undefined {
    return this.#running
  }

  /** Settles with a run that begins after this call. */
  run(): Promise<void> {
    if (this.#running === undefined) return this.#start()
    const start = () => this.#start()
    this.#queued ??= this.#running.then(start, start)
    return this.#queued
  }

  #start(): Promise<void> {
    this.#queued = undefined
    this.#running = this.#do()
    return this.#running
  }

  async #do(): Promise<void> {
    try {
      await this.#work()
    } finally {
      // Else the one that is queued is about to start.
      if (this.#queued === undefined) this.#running = undefined
    }
  }
}
