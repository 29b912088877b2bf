// Several exchanges of one client, all asked for at once, whose bodies it reads one after the other.

/** The turns of so many, in order. */
export class Queue {
  readonly #turns: { readonly begun: Promise<void>; readonly begin: () => void }[]
  readonly #order: readonly number[]
  readonly #answered = new Set<number>()
  readonly #over = new Set<number>()

  /** `order`: the places, as they are read. */
  constructor(order: readonly number[]) {
    this.#order = order
    this.#turns = order.map(() => {
      let begin = (): void => {}
      const begun = new Promise<void>(resolve => {
        begin = resolve
      })
      return { begun, begin }
    })
  }

  /** The first of those that are not over has its turn once all are answered. */
  answered(place: number): void {
    this.#answered.add(place)
    this.#goOn()
  }

  over(place: number): void {
    this.#over.add(place)
    this.answered(place)
  }

  turnOf(place: number): Promise<void> {
    return this.#turns[place]?.begun ?? Promise.resolve()
  }

  #goOn(): void {
    if (this.#answered.size < this.#order.length) return
    const next = this.#order.find(place => !this.#over.has(place))
    if (next !== undefined) this.#turns[next]?.begin()
  }
}
