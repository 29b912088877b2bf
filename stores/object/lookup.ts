import type { ByteRange, CacheKey, Entry } from '../../lib/rfc9111/types.ts'
import { digestOf, variantName } from '../shared/entry-names.ts'
import type { RecordHead, WholeRecord } from '../shared/record-format.ts'
import { type Selection, select, selectOthers, type VariantOf } from '../shared/variant-selection.ts'
import type { Body, Lookup, Position, Stored } from '../store.ts'
import { openBody } from './body-reader.ts'
import { isLive, type ObjectContext } from './context.ts'
import type { Deletion } from './delete.ts'
import { bodyPath } from './layout.ts'

/** Finds what is stored. */
export class ObjectLookup {
  readonly #context: ObjectContext
  readonly #deletion: Deletion

  constructor(context: ObjectContext, deletion: Deletion) {
    this.#context = context
    this.#deletion = deletion
  }

  async find(key: CacheKey, variantOf: VariantOf): Promise<Lookup> {
    const name = digestOf(key)
    const primary = await this.#context.records.readWhole(name)
    const head = primary?.parsed?.head
    const asOf = (): Promise<Position> => this.#context.deletions.now(name)
    if (primary !== undefined && head === undefined) this.#remove(name)
    if (primary === undefined || head === undefined) return { stored: [], otherVariants: false, asOf }
    const first = select(head.vary, variantOf)
    const isFirst = first.digest === head.variantDigest
    const found = [isFirst ? this.#storedIn(name, primary, key, first) : undefined]
    if (head.lists.length > 0) {
      const others = selectOthers(head, first, variantOf)
      found.push(...(await Promise.all(others.map(other => this.#findVariant(name, key, other)))))
    }
    const stored = found.filter(each => each !== undefined)
    stored.sort((a, b) => b.entry.responseTimeMs - a.entry.responseTimeMs)
    return { stored, otherVariants: head.lists.length > 0 || (!isFirst && isLive(this.#context, head)), asOf }
  }

  async #findVariant(keyName: string, key: CacheKey, selection: Selection): Promise<Stored | undefined> {
    const name = variantName(keyName, selection.digest)
    const found = await this.#context.records.readWhole(name)
    if (found === undefined) return undefined
    if (found.parsed === undefined) this.#remove(name)
    return this.#storedIn(name, found, key, selection)
  }

  #storedIn(name: string, found: WholeRecord, key: CacheKey, { variantKey, digest }: Selection): Stored | undefined {
    const head = found.parsed?.head
    if (head?.variantDigest !== digest || !isLive(this.#context, head)) return undefined
    const record = this.#context.records.decode(found)
    if (record === undefined) this.#remove(name)
    // Another key with the same digest, or an object that was put in another's place.
    if (record?.entry.key !== key || this.#context.time.hasExpired(record.entry)) return undefined
    const entry = { ...record.entry, variantKey }
    if (head.body === undefined) return new StoredInRecord(entry, record.body ?? new Uint8Array())
    return new StoredInObject(entry, name, head.body, this.#context, this.#deletion)
  }

  #remove(name: string): void {
    this.#context.background.run(() => this.#deletion.removeDamaged(name))
  }
}

/** A response whose body is part of its record. */
class StoredInRecord implements Stored {
  readonly entry: Entry
  readonly #body: Uint8Array

  constructor(entry: Entry, body: Uint8Array) {
    this.entry = entry
    this.#body = body
  }

  open(range?: ByteRange): Uint8Array | undefined {
    if (range === undefined) return this.#body
    return range.end <= this.#body.byteLength ? this.#body.subarray(range.start, range.end) : undefined
  }
}

/** A response whose body is an object of its own. */
class StoredInObject implements Stored {
  readonly entry: Entry
  readonly #name: string
  readonly #body: NonNullable<RecordHead['body']>
  readonly #context: ObjectContext
  readonly #deletion: Deletion

  constructor(
    entry: Entry,
    name: string,
    body: NonNullable<RecordHead['body']>,
    context: ObjectContext,
    deletion: Deletion
  ) {
    this.entry = entry
    this.#name = name
    this.#body = body
    this.#context = context
    this.#deletion = deletion
  }

  async open(range?: ByteRange): Promise<Body | undefined> {
    const { calls, background } = this.#context
    const { id, byteLength } = this.#body
    const { start, end } = range ?? { start: 0, end: byteLength }
    if (end > byteLength || start > end) return undefined
    if (start === end) return new Uint8Array()
    const onDamage = () => background.run(() => this.#deletion.removeWithBody(this.#name, id))
    const path = bodyPath(digestOf(this.entry.key), id)
    return openBody({ calls, path, bodyId: id, byteLength, onDamage }, { start, end })
  }
}
