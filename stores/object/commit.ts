import type { Buffer } from 'node:buffer'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { attempt } from '../shared/attempt.ts'
import { digestOf, tagDigestOf, variantName } from '../shared/entry-names.ts'
import { type FoundRecord, findPlace, findRecord, type Place } from '../shared/entry-records.ts'
import { encodeEntry, encodeRecord, type RecordHead } from '../shared/record-format.ts'
import { keptUntil } from '../shared/store-time.ts'
import { withVaryList } from '../shared/vary-lists.ts'
import { isLive, type ObjectContext } from './context.ts'
import type { ObjectPosition } from './deletion-log.ts'
import { bodyPath, recordPath } from './layout.ts'
import { MAX_RECORD_BYTES } from './record-reader.ts'

const MAX_ATTEMPTS = 3

/** A body that has been received: as it is, or in an object of its own. */
export type ReceivedBody =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'object'; readonly id: string; readonly byteLength: number }

/** Makes responses visible: puts their records in their places. */
export class Commit {
  readonly #context: ObjectContext

  constructor(context: ObjectContext) {
    this.#context = context
  }

  /** Stores a response. False where a deletion was faster. */
  store(entry: Entry, body: ReceivedBody, position: ObjectPosition): Promise<boolean> {
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
        const { name, lists, replaced } = await this.#findPlace(key, head, primary === 'damaged' ? undefined : primary)
        const bytes = this.#encode({ ...head, lists }, entry, body.kind === 'inline' ? body.bytes : undefined)
        if (bytes.byteLength > MAX_RECORD_BYTES) return false
        // Another process may have put the first variant meanwhile, with lists of its own.
        const ifAbsent = primary === undefined && calls.capabilities.ifAbsent
        const stored = await this.#put(name, bytes, ifAbsent, position, tags)
        if (stored === 'taken') continue
        if (stored === 'kept') this.#context.time.note(entry)
        if (replaced?.body !== undefined) this.#deleteBody(key, replaced.body.id)
        // From the time when another variant was the first.
        if (lists.length > 0) await attempt(() => calls.delete(recordPath(variantName(key, variant))))
        return stored === 'kept'
      }
      return false
    })
  }

  /** Replaces the metadata of a stored response. False where it is no longer there, or was deleted after `asOf`. */
  update(entry: Entry, asOf: ObjectPosition | undefined, from = entry.variantKey): Promise<boolean> {
    const key = digestOf(entry.key)
    const tags = entry.tags.map(tagDigestOf)
    return this.#context.mutex.run(key, async () => {
      const { records, deletions } = this.#context
      const [found, position] = await Promise.all([
        findRecord(records, entry, digestOf(from)),
        asOf ?? deletions.now(key)
      ])
      if (found?.primary === undefined || !isLive(this.#context, found.head)) return false
      if (await deletions.hasOvertaken(position, tags)) return false
      const { name, head, record } = found
      const keptUntilMs = keptUntil(entry)
      const ordinal = Math.max(head.ordinal, position.ordinal)
      const changed = { ...head, tags, keptUntilMs, epoch: position.deletion, ordinal }
      if (from !== entry.variantKey) return this.#move({ ...found, head: changed }, entry, position)
      const bytes = this.#encode(changed, entry, record.body)
      if (bytes.byteLength > MAX_RECORD_BYTES) return false
      if ((await this.#put(name, bytes, false, position, tags)) !== 'kept') return false
      this.#context.time.note(entry)
      return true
    })
  }

  /** Puts a response under another variant key: the first record of a key stays where it is, and all bodies do. */
  async #move({ name, head, record, primary }: FoundRecord, entry: Entry, position: ObjectPosition): Promise<boolean> {
    const { calls, records } = this.#context
    const { key } = position
    const moved = { ...head, variantDigest: digestOf(entry.variantKey), vary: entry.vary }
    const isFirst = name === key
    const place = isFirst
      ? { name, lists: head.lists, replaced: undefined }
      : await this.#findPlace(key, moved, primary?.parsed?.head)
    const bytes = this.#encode({ ...moved, lists: place.lists }, entry, record.body)
    if (bytes.byteLength > MAX_RECORD_BYTES) return false
    if ((await this.#put(place.name, bytes, false, position, head.tags)) !== 'kept') return false
    this.#context.time.note(entry)
    if (!isFirst) await calls.delete(recordPath(name))
    const other = variantName(key, moved.variantDigest)
    const found = place.name === key && head.lists.length > 0 ? await records.readHead(other) : undefined
    const replaced = found === 'damaged' ? undefined : found
    if (replaced !== undefined) await calls.delete(recordPath(other))
    for (const gone of [place.replaced, replaced]) {
      if (gone?.body !== undefined && gone.body.id !== head.body?.id) this.#deleteBody(key, gone.body.id)
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

  async #findPlace(key: string, head: RecordHead, primary: RecordHead | undefined): Promise<Place> {
    const place = await findPlace(key, head.variantDigest, head.vary, primary, {
      isKeyDeleted: () => false,
      isLive: first => isLive(this.#context, first),
      addList: vary => this.#addList(key, vary),
      readHead: async name => {
        const found = await this.#context.records.readHead(name)
        return found === 'damaged' ? undefined : found
      }
    })
    return place ?? { name: variantName(key, head.variantDigest), lists: [], replaced: undefined }
  }

  async #addList(key: string, vary: readonly string[]): Promise<boolean> {
    const { records, calls } = this.#context
    const whole = await records.readWhole(key)
    if (whole?.parsed === undefined) return true
    const { head, recordStart } = whole.parsed
    const changed = { ...head, lists: withVaryList(head.lists, vary) }
    await calls.put(recordPath(key), encodeRecord(changed, whole.bytes.subarray(recordStart)))
    return true
  }

  #encode(head: RecordHead, entry: Entry, body: Uint8Array | undefined): Buffer {
    return encodeEntry(this.#context.serializer, head, entry, body)
  }

  #deleteBody(key: string, bodyId: string): void {
    const { background, calls } = this.#context
    background.run(() => calls.delete(bodyPath(key, bodyId)))
  }
}
