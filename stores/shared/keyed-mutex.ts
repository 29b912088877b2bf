/** A mutex for each name: work on one name is done one after the other. */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Does `work` once what was asked for before, for the same name, is over, however it ended. */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    const done = before === undefined ? work() : before.then(work, work)
    this.#last.set(name, done)
    try {
      return await done
    } finally {
      if (this.#last.get(name) === done) this.#last.delete(name)
    }
  }
}
