import type { Buffer } from 'node:buffer'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION, type StoredRecord } from '../../serializers/serializer.ts'
import { attempt } from '../shared/attempt.ts'
import { digestOf, tagDigestOf, variantName } from '../shared/entry-names.ts'
import { encodeRecordFile, type RecordHead } from '../shared/record-format.ts'
import { isSameVaryList, withVaryList } from '../shared/vary-lists.ts'
import { keptUntil } from '../store-time.ts'
import { isLive, type ObjectContext } from './context.ts'
import type { ObjectPosition } from './deletion-log.ts'
import { bodyPath, recordPath } from './layout.ts'
import { MAX_RECORD_BYTES } from './record-reader.ts'

const MAX_ATTEMPTS = 3

/** A body that has come whole. */
export type ReceivedBody =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'object'; readonly id: string; readonly byteLength: number }

/** Where a record belongs, and what is there already. */
interface Place {
  readonly name: string
  readonly lists: RecordHead['lists']
  readonly replaced: RecordHead | undefined
  /** Whether there is nothing at all for the key. */
  readonly isFirst: boolean
}

/** A response that is to be found under another variant key. */
interface Moving {
  readonly name: string
  readonly head: RecordHead
  readonly record: StoredRecord
  readonly primary: RecordHead | undefined
}

/** Puts records in their places: the first variant of a key under the name of the key, others under names of their own,
 * with their lists of selecting fields in the head of the first. So the only variant is found with one read, any other
 * with two. */
export class Commit {
  readonly #context: ObjectContext

  constructor(context: ObjectContext) {
    this.#context = context
  }

  /** Stores a response. False where a deletion was faster. */
  place(entry: Entry, body: ReceivedBody, position: ObjectPosition): Promise<boolean> {
    const { key } = position
    const variant = digestOf(entry.variantKey)
    const tags = entry.tags.map(tagDigestOf)
    const { vary } = entry
    const { ordinal, deletion: epoch } = position
    const object = body.kind === 'object' ? { id: body.id, byteLength: body.byteLength } : undefined
    const keptUntilMs = keptUntil(entry)
    const head = { variantDigest: variant, vary, lists: [], tags, keptUntilMs, epoch, ordinal, body: object }
    return this.#context.mutex.run(key, async () => {
      for (let i = 0; i < MAX_ATTEMPTS; i++) {
        const { deletions, records, calls } = this.#context
        const [primary, overtaken] = await Promise.all([records.readHead(key), deletions.hasOvertaken(position, tags)])
        if (overtaken) return false
        const { name, lists, replaced, isFirst } = await this.#placeFor(key, head, primary)
        const bytes = this.#encode({ ...head, lists }, entry, body.kind === 'inline' ? body.bytes : undefined)
        if (bytes.byteLength > MAX_RECORD_BYTES) return false
        // Another process may have put the first variant meanwhile, with lists of its own.
        const isConditional = isFirst && calls.capabilities.ifAbsent
        const stored = await this.#put(name, bytes, isConditional, position, tags)
        if (stored === 'taken') continue
        if (stored === 'kept') this.#context.time.note(entry)
        if (replaced?.body !== undefined) this.#discard(key, replaced.body.id)
        // From the time when another variant was the first.
        if (lists.length > 0) await attempt(() => calls.delete(recordPath(variantName(key, variant))))
        return stored === 'kept'
      }
      return false
    })
  }

  /** Replaces the metadata of a stored response. False where it is no longer there, or was deleted after `asOf`. */
  freshen(entry: Entry, asOf: ObjectPosition | undefined, from = entry.variantKey): Promise<boolean> {
    const key = digestOf(entry.key)
    const variant = digestOf(from)
    const tags = entry.tags.map(tagDigestOf)
    return this.#context.mutex.run(key, async () => {
      const { records, deletions } = this.#context
      const [primary, position] = await Promise.all([records.read(key), asOf ?? deletions.now(key)])
      const isPrimary = primary?.parsed?.head.variantDigest === variant
      const name = isPrimary ? key : variantName(key, variant)
      const found = primary === undefined || isPrimary ? primary : await records.read(name)
      const head = found?.parsed?.head
      if (found === undefined || head?.variantDigest !== variant || !isLive(this.#context, head)) return false
      const record = records.decode(found)
      if (record?.entry.id !== entry.id || record.entry.key !== entry.key) return false
      if (await deletions.hasOvertaken(position, tags)) return false
      const keptUntilMs = keptUntil(entry)
      const ordinal = Math.max(head.ordinal, position.ordinal)
      const changed = { ...head, tags, keptUntilMs, ordinal, epoch: position.deletion }
      if (from !== entry.variantKey) {
        return this.#move({ name, head: changed, record, primary: primary?.parsed?.head }, entry, position)
      }
      const bytes = this.#encode(changed, entry, record.body)
      if (bytes.byteLength > MAX_RECORD_BYTES) return false
      if ((await this.#put(name, bytes, false, position, tags)) !== 'kept') return false
      this.#context.time.note(entry)
      return true
    })
  }

  /** Puts a response under another variant key: the first record of a key stays where it is, and all bodies do. */
  async #move({ name, head, record, primary }: Moving, entry: Entry, position: ObjectPosition): Promise<boolean> {
    const { calls, records } = this.#context
    const { key } = position
    const moved = { ...head, variantDigest: digestOf(entry.variantKey), vary: entry.vary }
    const other = variantName(key, moved.variantDigest)
    const isFirst = name === key
    const place = isFirst ? { name, lists: head.lists, replaced: undefined } : await this.#placeFor(key, moved, primary)
    const bytes = this.#encode({ ...moved, lists: place.lists }, entry, record.body)
    if (bytes.byteLength > MAX_RECORD_BYTES) return false
    if ((await this.#put(place.name, bytes, false, position, head.tags)) !== 'kept') return false
    this.#context.time.note(entry)
    if (!isFirst) await calls.delete(recordPath(name))
    const replaced = place.name === key && head.lists.length > 0 ? await records.readHead(other) : undefined
    if (replaced !== undefined && replaced !== 'damaged') await calls.delete(recordPath(other))
    for (const gone of [place.replaced, replaced === 'damaged' ? undefined : replaced]) {
      if (gone?.body !== undefined && gone.body.id !== head.body?.id) this.#discard(key, gone.body.id)
    }
    return true
  }

  /** Puts a record, and looks for deletions once more, now that whoever deletes finds it: one of the two sees the other.
   * Taken back where it is overtaken, and where that cannot be told. */
  async #put(
    name: string,
    bytes: Buffer,
    ifAbsent: boolean,
    position: ObjectPosition,
    tags: readonly string[]
  ): Promise<'kept' | 'overtaken' | 'taken'> {
    const { deletions, calls } = this.#context
    const path = recordPath(name)
    let isOvertaken: boolean
    try {
      if (!(await calls.put(path, bytes, ifAbsent))) return 'taken'
      isOvertaken = await deletions.hasSurelyOvertaken(position, tags)
    } catch (error) {
      await attempt(() => calls.delete(path))
      throw error
    }
    if (isOvertaken) await calls.delete(path)
    return isOvertaken ? 'overtaken' : 'kept'
  }

  async #placeFor(key: string, head: RecordHead, primary: RecordHead | 'damaged' | undefined): Promise<Place> {
    if (primary === undefined || primary === 'damaged') {
      return { name: key, lists: [], replaced: undefined, isFirst: primary === undefined }
    }
    if (primary.variantDigest === head.variantDigest || !isLive(this.#context, primary)) {
      return { name: key, lists: primary.lists, replaced: primary, isFirst: false }
    }
    const isKnown = primary.lists.some(list => isSameVaryList(list, head.vary))
    if (!isKnown) await this.#addList(key, head.vary)
    const name = variantName(key, head.variantDigest)
    const replaced = await this.#context.records.readHead(name)
    return { name, lists: [], replaced: replaced === 'damaged' ? undefined : replaced, isFirst: false }
  }

  /** Has the first record of the key say that others are selected by these fields. */
  async #addList(key: string, vary: readonly string[]): Promise<void> {
    const { records, calls } = this.#context
    const primary = await records.read(key)
    if (primary?.parsed === undefined) return
    const { head, recordStart } = primary.parsed
    const lists = withVaryList(head.lists, vary)
    await calls.put(recordPath(key), encodeRecordFile({ ...head, lists }, primary.bytes.subarray(recordStart)))
  }

  /** Credentials can be part of a variant key: only its digest is kept. */
  #encode(head: RecordHead, entry: Entry, body: Uint8Array | undefined): Buffer {
    const kept = { ...entry, variantKey: `sha256-${head.variantDigest}` }
    return encodeRecordFile(head, this.#context.serializer.encode({ version: RECORD_VERSION, entry: kept, body }))
  }

  #discard(key: string, bodyId: string): void {
    const { background, calls } = this.#context
    background.run(() => calls.delete(bodyPath(key, bodyId)))
  }
}
