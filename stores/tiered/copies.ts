/** A response that is being copied up. */
export interface Copying {
  /** Settles once the copy is stored, where all of it has been read; else gives it up. */
  close(): Promise<void>
}

/** The responses that are being copied from a tier to the one above. */
export class Copies {
  readonly #copies = new Set<Copying>()

  add(copy: Copying): void {
    this.#copies.add(copy)
  }

  delete(copy: Copying): void {
    this.#copies.delete(copy)
  }

  /** Ends all copies. Those whose bodies are still being read are given up: the lower tier has them. */
  async close(): Promise<void> {
    await Promise.all([...this.#copies].map(copy => copy.close()))
  }
}
