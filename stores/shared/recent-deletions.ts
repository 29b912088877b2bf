import type { Entry } from '../../lib/rfc9111/types.ts'

/** Names can be long: so many characters of them are remembered, at most. */
const MAX_CHARACTERS = 4_194_304

/** Remembers deletions, so that what was asked for before one is not stored after it. Bounded: where deletions have been
 * forgotten, whatever is older than the last of them counts as deleted. */
export class Tombstones {
  readonly #max: number
  readonly #positions = new Map<string, number>()
  #characters = 0
  #position = 0
  /** Everything asked for before it is refused. */
  #floor = 0

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
      this.#floor = position
    }
  }

  addAll(): void {
    this.#floor = ++this.#position
    this.#positions.clear()
    this.#characters = 0
  }

  /** Whether a deletion that reaches `entry` came after position `asOf`. */
  covers(entry: Entry, asOf: number): boolean {
    if (asOf >= this.#position) return false
    if (asOf < this.#floor || this.#isAfter(`key ${entry.key}`, asOf)) return true
    return entry.tags.some(tag => this.#isAfter(`tag ${tag}`, asOf))
  }

  #isAfter(id: string, asOf: number): boolean {
    const position = this.#positions.get(id)
    return position !== undefined && position > asOf
  }
}
