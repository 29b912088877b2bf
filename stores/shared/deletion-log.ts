import type { Entry } from '../../lib/rfc9111/types.ts'

/** Names can be long: so many characters of them are remembered, at most. */
const MAX_CHARACTERS = 4_194_304

/** The deletions of a store within one process, in their order: what was asked for before a deletion is not stored after it.
 * Bounded: where deletions have been forgotten, whatever was asked for before the last of them counts as deleted. */
export class DeletionLog {
  readonly #max: number
  readonly #positions = new Map<string, number>()
  #characters = 0
  #position = 0
  #forgottenUpTo = 0

  constructor(max = 10_000) {
    this.#max = max
  }

  /** How many deletions there have been. */
  get position(): number {
    return this.#position
  }

  add(kind: 'key' | 'tag', name: string): void {
    const id = `${kind} ${name}`
    if (this.#positions.delete(id)) this.#characters -= id.length
    this.#positions.set(id, ++this.#position)
    this.#characters += id.length
    for (const [oldest, position] of this.#positions) {
      if (this.#positions.size <= this.#max && this.#characters <= MAX_CHARACTERS) return
      this.#positions.delete(oldest)
      this.#characters -= oldest.length
      this.#forgottenUpTo = position
    }
  }

  /** Adds the deletion of everything. */
  addClear(): void {
    this.#forgottenUpTo = ++this.#position
    this.#positions.clear()
    this.#characters = 0
  }

  /** Whether a deletion that reaches `entry` came after position `asOf`. */
  covers(entry: Entry, asOf: number): boolean {
    if (asOf >= this.#position) return false
    if (asOf < this.#forgottenUpTo || this.#isAfter(`key ${entry.key}`, asOf)) return true
    return entry.tags.some(tag => this.#isAfter(`tag ${tag}`, asOf))
  }

  #isAfter(id: string, asOf: number): boolean {
    const position = this.#positions.get(id)
    return position !== undefined && position > asOf
  }
}
