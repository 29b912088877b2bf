/** Something that is being copied up. */
export interface Copying {
  /** Settles once it is kept further up, where all of it has been read; else forgets it. */
  close(): Promise<void>
}

/** What is being copied from a tier to the one above. */
export class Copies {
  readonly #copies = new Set<Copying>()

  add(copy: Copying): void {
    this.#copies.add(copy)
  }

  delete(copy: Copying): void {
    this.#copies.delete(copy)
  }

  /** What somebody is still reading is not waited for: the lower tier has it. */
  async close(): Promise<void> {
    await Promise.all([...this.#copies].map(copy => copy.close()))
  }
}
