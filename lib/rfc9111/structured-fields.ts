import { combinedValue } from './fields.ts'
import type { Fields } from './types.ts'

/** A bare item (RFC 9651 §3.3), or what no field read here has a use for: a byte sequence or an inner list. */
export type BareItem =
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'decimal'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'token'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'bytes'; readonly value: undefined }
  | { readonly kind: 'list'; readonly value: undefined }

export interface Item {
  readonly value: BareItem
  readonly parameters: ReadonlyMap<string, BareItem>
}

/** The members of a Dictionary; undefined where the field is absent, empty or malformed anywhere, as RFC 9651 §4.2 has it.
 * The dates and display strings that RFC 9651 added to RFC 8941 count as malformed. */
export function parseDictionary(fields: Fields, name: string): ReadonlyMap<string, Item> | undefined {
  const text = combinedValue(fields, name)
  if (text === undefined) return undefined
  const reader = new Reader(text)
  const members = new Map<string, Item>()
  reader.skipSpaces()
  while (!reader.atEnd) {
    const key = reader.key()
    if (key === undefined) return undefined
    const member = reader.take('=') ? reader.item() : reader.parametersOf({ kind: 'boolean', value: true })
    if (member === undefined) return undefined
    members.set(key, member)
    if (!reader.nextMember()) return undefined
  }
  return members.size === 0 ? undefined : members
}

/** The items of a List; undefined where the field is absent or malformed. RFC 9651 §4.2.1 */
export function parseList(text: string): readonly Item[] | undefined {
  const reader = new Reader(text)
  const items: Item[] = []
  reader.skipSpaces()
  while (!reader.atEnd) {
    const item = reader.item()
    if (item === undefined) return undefined
    items.push(item)
    if (!reader.nextMember()) return undefined
  }
  return items
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length
  }

  skipSpaces(): void {
    while (this.#text[this.#at] === ' ') this.#at++
  }

  take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  key(): string | undefined {
    return this.#match(/[a-z*][a-z0-9_.*-]*/y)
  }

  item(): Item | undefined {
    const value = this.take('(') ? this.#innerList() : this.#bareItem()
    return value === undefined ? undefined : this.parametersOf(value)
  }

  parametersOf(value: BareItem): Item | undefined {
    const parameters = new Map<string, BareItem>()
    while (this.take(';')) {
      this.skipSpaces()
      const key = this.key()
      if (key === undefined) return undefined
      const parameter = this.take('=') ? this.#bareItem() : ({ kind: 'boolean', value: true } as const)
      if (parameter === undefined) return undefined
      parameters.set(key, parameter)
    }
    return { value, parameters }
  }

  /** Moves past a comma to the next member; true at the end as well. False: something else follows, or nothing does. */
  nextMember(): boolean {
    this.#match(/[ \t]*/y)
    if (this.atEnd) return true
    if (!this.take(',')) return false
    this.#match(/[ \t]*/y)
    return !this.atEnd
  }

  /** Up to its closing parenthesis; items are separated by spaces. RFC 9651 §4.2.1.2 */
  #innerList(): BareItem | undefined {
    do {
      this.skipSpaces()
      if (this.take(')')) return { kind: 'list', value: undefined }
      const value = this.#bareItem()
      if (value === undefined || this.parametersOf(value) === undefined) return undefined
    } while (this.#match(/ |(?=\))/y) !== undefined)
    return undefined
  }

  #bareItem(): BareItem | undefined {
    const decimal = this.#match(/-?\d{1,12}\.\d{1,3}(?![\d.])/y)
    if (decimal !== undefined) return { kind: 'decimal', value: Number(decimal) }
    const integer = this.#match(/-?\d{1,15}(?![\d.])/y)
    if (integer !== undefined) return { kind: 'integer', value: Number(integer) }
    if (this.#match(/:[A-Za-z0-9+/=]*:/y) !== undefined) return { kind: 'bytes', value: undefined }
    const string = this.#match(/"(?:[ !#-[\]-~]|\\["\\])*"/y)
    if (string !== undefined) return { kind: 'string', value: string.slice(1, -1).replace(/\\(.)/g, '$1') }
    const boolean = this.#match(/\?[01]/y)
    if (boolean !== undefined) return { kind: 'boolean', value: boolean === '?1' }
    const token = this.#match(/[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*/y)
    return token === undefined ? undefined : { kind: 'token', value: token }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#at = pattern.lastIndex
    return match[0]
  }
}
