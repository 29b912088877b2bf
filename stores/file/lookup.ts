import type { ByteRange, CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import type { StoredRecord } from '../../serializers/serializer.ts'
import { digestOf, variantName } from '../shared/entry-names.ts'
import { HOLLOW_MS, type RecordHead } from '../shared/record-format.ts'
import { type Selection, select, selectOthers, type VariantOf } from '../shared/variant-selection.ts'
import type { Body, Lookup, MaybePromise, Position, Stored } from '../store.ts'
import { openBody } from './body-reader.ts'
import type { FileContext } from './context.ts'
import type { Deletion } from './delete.ts'
import type { LogPosition } from './deletion-log-view.ts'
import type { RecordReader } from './record-reader.ts'

const NO_BYTES = new Uint8Array()

/** Finds what is stored. */
export class FileLookup {
  readonly #context: FileContext
  readonly #deletion: Deletion

  constructor(context: FileContext, deletion: Deletion) {
    this.#context = context
    this.#deletion = deletion
  }

  async find(key: CacheKey, variantOf: VariantOf): Promise<Lookup> {
    const { folders, records, deletions } = this.#context
    if (!folders.isOurs && !(await folders.isThere())) return new FoundInFiles([], false, undefined, this.#context)
    const name = digestOf(key)
    let selection: Selection | undefined
    const reading = records.read(name, head => {
      selection = select(head.vary, variantOf)
      return selection.digest === head.variantDigest && head.keptUntilMs !== HOLLOW_MS
    })
    const looks = [deletions.glance(), folders.glance(folders.shardPath(name))].filter(look => look !== undefined)
    const found = await (looks.length === 0 ? reading : Promise.all([reading, ...looks]).then(([record]) => record))
    const { position } = deletions
    if (found === 'damaged') this.#remove(name)
    if (found === undefined || found === 'damaged' || deletions.covers(found.head, name, [])) {
      return new FoundInFiles([], false, position, this.#context)
    }
    const { head, record } = found
    const isLive = this.#isLive(name, head)
    const stored: Stored[] = []
    if (isLive && record !== undefined && selection !== undefined) this.#add(stored, name, key, selection, head, record)
    if (head.lists.length > 0) {
      const others = selectOthers(head, selection ?? select(head.vary, variantOf), variantOf)
      await Promise.all(others.map(other => this.#findVariant(stored, name, key, other)))
      if (stored.length > 0) this.#context.recency.note(name)
      stored.sort((a, b) => b.entry.responseTimeMs - a.entry.responseTimeMs)
    }
    const otherVariants = head.lists.length > 0 || (isLive && record === undefined)
    return new FoundInFiles(stored, otherVariants, position, this.#context)
  }

  async #findVariant(stored: Stored[], keyName: string, key: CacheKey, selection: Selection): Promise<void> {
    const name = variantName(keyName, selection.digest)
    const found = await this.#context.records.read(name, head => head.variantDigest === selection.digest)
    if (found === 'damaged') this.#remove(name)
    if (found === undefined || found === 'damaged' || found.record === undefined) return
    if (this.#isLive(keyName, found.head)) this.#add(stored, name, key, selection, found.head, found.record)
  }

  #isLive(keyName: string, head: RecordHead): boolean {
    return !this.#context.deletions.covers(head, keyName, head.tags)
  }

  #add(
    stored: Stored[],
    name: string,
    key: CacheKey,
    { variantKey }: Selection,
    { body }: RecordHead,
    record: StoredRecord
  ): void {
    // Another key with the same digest, or a file that was put in another's place.
    if (record.entry.key !== key || this.#context.time.hasExpired(record.entry)) return
    const entry = withVariantKey(record.entry, variantKey)
    this.#context.recency.note(name)
    if (body === undefined) stored.push(new StoredInRecord(entry, name, record.body ?? NO_BYTES, this.#context.records))
    else stored.push(new StoredInFile(entry, name, body, this.#context, this.#deletion))
  }

  #remove(name: string): void {
    this.#context.background.run(() => this.#deletion.removeDamaged(name))
  }
}

/** For as long as an entry is known, one with its variant key. */
const withVariantKeys = new WeakMap<Entry, Entry>()

/** A file has a digest in the place of the variant key. */
function withVariantKey(entry: Entry, variantKey: VariantKey): Entry {
  const known = withVariantKeys.get(entry)
  if (known?.variantKey === variantKey) return known
  const whole = { ...entry, variantKey }
  withVariantKeys.set(entry, whole)
  return whole
}

class FoundInFiles implements Lookup {
  readonly stored: readonly Stored[]
  readonly otherVariants: boolean
  readonly #position: LogPosition | undefined
  readonly #context: FileContext

  constructor(
    stored: readonly Stored[],
    otherVariants: boolean,
    position: LogPosition | undefined,
    context: FileContext
  ) {
    this.stored = stored
    this.otherVariants = otherVariants
    this.#position = position
    this.#context = context
  }

  /** Known since the lookup; only where there was no log yet, one is begun. */
  asOf(): MaybePromise<Position> {
    return this.#position ?? this.#context.deletions.now()
  }
}

/** A response whose body is part of its record, and was read with it. */
class StoredInRecord implements Stored {
  readonly entry: Entry
  readonly #name: string
  readonly #records: RecordReader
  #body: Uint8Array | undefined

  constructor(entry: Entry, name: string, body: Uint8Array, records: RecordReader) {
    this.entry = entry
    this.#name = name
    this.#body = body
    this.#records = records
  }

  open(range?: ByteRange): MaybePromise<Uint8Array | undefined> {
    return this.take(range)
  }

  /** What was read with the record is given away once. */
  take(range?: ByteRange): MaybePromise<Uint8Array | undefined> {
    const body = this.#body
    if (body === undefined) return this.#readAgain(range)
    this.#body = undefined
    return cut(body, range)
  }

  async #readAgain(range: ByteRange | undefined): Promise<Uint8Array | undefined> {
    const found = await this.#records.read(this.#name, () => true)
    if (found === undefined || found === 'damaged' || found.record?.entry.id !== this.entry.id) return undefined
    return cut(found.record.body ?? NO_BYTES, range)
  }
}

function cut(body: Uint8Array, range: ByteRange | undefined): Uint8Array | undefined {
  if (range === undefined) return body
  return range.end <= body.byteLength ? body.subarray(range.start, range.end) : undefined
}

/** A response whose body is in a file of its own. */
class StoredInFile implements Stored {
  readonly entry: Entry
  readonly #name: string
  readonly #body: NonNullable<RecordHead['body']>
  readonly #context: FileContext
  readonly #deletion: Deletion

  constructor(
    entry: Entry,
    name: string,
    body: NonNullable<RecordHead['body']>,
    context: FileContext,
    deletion: Deletion
  ) {
    this.entry = entry
    this.#name = name
    this.#body = body
    this.#context = context
    this.#deletion = deletion
  }

  open(range?: ByteRange): Promise<Body | undefined> {
    return this.take(range)
  }

  async take(range?: ByteRange): Promise<Body | undefined> {
    const { folders, background } = this.#context
    const { id, byteLength } = this.#body
    const wanted = range ?? { start: 0, end: byteLength }
    if (wanted.end > byteLength) return undefined
    const name = this.#name
    const onDamage = () => background.run(() => this.#deletion.removeWithBody(name, id))
    return openBody({ fs: folders.fs, path: folders.bodyPath(name, id), bodyId: id, byteLength, onDamage }, wanted)
  }
}
