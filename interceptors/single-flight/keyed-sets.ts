const NONE: readonly never[] = []

/** Sets of members by key. Each operation takes the same time however many keys there are. */
export class KeyedSets<T> {
  readonly #sets = new Map<string, Set<T>>()

  add(key: string, member: T): void {
    const set = this.#sets.get(key)
    if (set === undefined) this.#sets.set(key, new Set([member]))
    else set.add(member)
  }

  delete(key: string, member: T): void {
    const set = this.#sets.get(key)
    if (set?.delete(member) && set.size === 0) this.#sets.delete(key)
  }

  /** The members of a key, as a copy. */
  of(key: string): readonly T[] {
    const set = this.#sets.get(key)
    return set === undefined ? NONE : [...set]
  }

  all(): readonly T[] {
    return [...this.#sets.values()].flatMap(set => [...set])
  }
}
