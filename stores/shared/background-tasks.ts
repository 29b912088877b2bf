/** Work that nobody waits for but who closes the store. What fails there is tried again another time. */
export class BackgroundTasks {
  readonly #work = new Set<Promise<void>>()

  run(work: () => Promise<void>): void {
    const done = work()
      .catch(() => {})
      .finally(() => this.#work.delete(done))
    this.#work.add(done)
  }

  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work)
  }
}
