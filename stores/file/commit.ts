import type { Buffer } from 'node:buffer'
import { givesWay, isLesser } from '../../lib/rfc9111/precedence.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION, type StoredRecord } from '../../serializers/serializer.ts'
import { attempt } from '../shared/attempt.ts'
import { digestOf, tagDigestOf, variantName } from '../shared/entry-names.ts'
import { encodeRecordFile, type ParsedHead, parseHead, type RecordHead } from '../shared/record-format.ts'
import { isSameVaryList, withVaryList } from '../shared/vary-lists.ts'
import { keptUntil } from '../store-time.ts'
import type { FileContext } from './context.ts'
import type { LogPosition } from './deletion-log-view.ts'
import type { ReceivedBody } from './record-writer.ts'

const MAX_ARRIVALS = 1000

/** Where a record belongs, and what is there already. */
interface Place {
  readonly name: string
  readonly lists: RecordHead['lists']
  readonly replaced: RecordHead | undefined
}

/** A response that is to be found under another variant key. */
interface Moving {
  readonly name: string
  readonly head: RecordHead
  readonly record: StoredRecord
  readonly key: string
  readonly primary: ParsedHead | undefined
}

/** Puts records in their places: the first variant of a key under the name of the key, others under names of their own,
 * with their lists of selecting fields in the head of the first. So the only variant is found with one read, any other
 * with two. */
export class Commit {
  readonly #context: FileContext
  /** The place, among all responses that came, of those that were stored last; by key and variant. */
  readonly #arrivals = new Map<string, number>()

  constructor(context: FileContext) {
    this.#context = context
  }

  /** Stores a response. False where a deletion, or a response that came later, was faster. */
  place(entry: Entry, body: ReceivedBody, position: LogPosition, arrival: number): Promise<boolean> {
    const key = digestOf(entry.key)
    const variant = digestOf(entry.variantKey)
    const tags = entry.tags.map(tagDigestOf)
    return this.#context.mutex.run(key, async () => {
      const { records, deletions, writer, time } = this.#context
      const [primary] = await Promise.all([
        records.readHead(key),
        deletions.refresh(),
        writer.prepare(key, position.generation)
      ])
      if (deletions.covers(position, key, tags)) return false
      const isHeldLater = (this.#arrivals.get(key + variant) ?? 0) > arrival
      if (await this.#givesWay(entry, isHeldLater, key, variant, primary?.parsed?.head)) return false
      const { vary } = entry
      const place = await this.#placeFor(key, variant, vary, primary?.parsed, position)
      if (place === undefined) return false
      const { epoch, ordinal } = position
      const file = body.kind === 'file' ? { id: body.id, byteLength: body.byteLength } : undefined
      const keptUntilMs = keptUntil(entry)
      const head = { variantDigest: variant, vary, lists: place.lists, tags, keptUntilMs, epoch, ordinal, body: file }
      const bytes = this.#encode(head, entry, body.kind === 'inline' ? body.bytes : undefined)
      if (!(await writer.put(place.name, bytes, position.generation, body))) return false
      time.note(entry)
      this.#arrived(key + variant, arrival)
      await this.#tidy(key, variant, place)
      return true
    })
  }

  /** Replaces the metadata of a stored response. False where it is no longer there, or was deleted after `asOf`. */
  freshen(entry: Entry, asOf: LogPosition | undefined, from = entry.variantKey): Promise<boolean> {
    const key = digestOf(entry.key)
    const variant = digestOf(from)
    const tags = entry.tags.map(tagDigestOf)
    return this.#context.mutex.run(key, async () => {
      const { records, deletions, writer, time } = this.#context
      const [primary] = await Promise.all([records.readWhole(key), deletions.refresh()])
      const position = asOf ?? deletions.position
      if (position === undefined || primary === undefined) return false
      const isPrimary = parseHead(primary)?.head.variantDigest === variant
      const name = isPrimary ? key : variantName(key, variant)
      const bytes = isPrimary ? primary : await records.readWhole(name)
      const parsed = bytes === undefined ? undefined : parseHead(bytes)
      if (bytes === undefined || parsed?.head.variantDigest !== variant) return false
      const { head } = parsed
      if (deletions.covers(head, key, head.tags) || deletions.covers(position, key, tags)) return false
      const record = records.decode(bytes, parsed)
      if (record?.entry.id !== entry.id || record.entry.key !== entry.key) return false
      const keptUntilMs = keptUntil(entry)
      const changed = { ...head, tags, keptUntilMs, ordinal: Math.max(head.ordinal, position.ordinal) }
      await writer.prepare(name, position.generation)
      if (from !== entry.variantKey) {
        return this.#move({ name, head: changed, record, primary: parseHead(primary), key }, entry, position)
      }
      if (!(await writer.put(name, this.#encode(changed, entry, record.body), position.generation))) return false
      time.note(entry)
      return true
    })
  }

  /** Puts a response under another variant key, its body's file with it: the first record of a key stays where it is. */
  async #move({ name, head, record, primary, key }: Moving, entry: Entry, position: LogPosition): Promise<boolean> {
    const { folders, writer, time } = this.#context
    const variant = digestOf(entry.variantKey)
    const { vary } = entry
    const isFirst = name === key
    const place = isFirst
      ? { name, lists: head.lists, replaced: undefined }
      : await this.#placeFor(key, variant, vary, primary, position)
    if (place === undefined) return false
    const moved = { ...head, variantDigest: variant, vary, lists: place.lists }
    const { body } = head
    const file =
      isFirst || body === undefined
        ? undefined
        : { kind: 'file' as const, path: folders.bodyPath(name, body.id), ...body }
    if (!(await writer.put(place.name, this.#encode(moved, entry, record.body), position.generation, file)))
      return false
    time.note(entry)
    if (!isFirst) await attempt(() => folders.fs.unlink(folders.recordPath(name)))
    await this.#tidy(key, variant, place)
    return true
  }

  /** A slow response does not replace one that was asked for after it arrived, nor less than a body the body. */
  async #givesWay(
    entry: Entry,
    isHeldLater: boolean,
    key: string,
    variant: string,
    primary: RecordHead | undefined
  ): Promise<boolean> {
    if (!isHeldLater && !isLesser(entry)) return false
    const { records, deletions, time } = this.#context
    const name = primary?.variantDigest === variant ? key : variantName(key, variant)
    const found = await records.read(name, head => {
      return head.variantDigest === variant && !deletions.covers(head, key, head.tags)
    })
    if (found === undefined || found === 'damaged' || found.record === undefined) return false
    return !time.hasExpired(found.record.entry) && givesWay(entry, found.record.entry, isHeldLater)
  }

  async #placeFor(
    key: string,
    variant: string,
    vary: readonly string[],
    primary: ParsedHead | undefined,
    position: LogPosition
  ): Promise<Place | undefined> {
    const { deletions, records } = this.#context
    if (primary === undefined || deletions.covers(primary.head, key, [])) {
      return { name: key, lists: [], replaced: primary?.head }
    }
    const { head } = primary
    const isGone = deletions.covers(head, key, head.tags) || head.keptUntilMs < Date.now()
    if (head.variantDigest === variant || isGone) return { name: key, lists: head.lists, replaced: head }
    const isKnown = head.lists.some(list => isSameVaryList(list, vary))
    if (!isKnown && !(await this.#addList(key, vary, position))) return undefined
    const name = variantName(key, variant)
    return { name, lists: [], replaced: (await records.readHead(name))?.parsed?.head }
  }

  /** Has the first record of the key say that others are selected by these fields. */
  async #addList(key: string, vary: readonly string[], { generation }: LogPosition): Promise<boolean> {
    const bytes = await this.#context.records.readWhole(key)
    const parsed = bytes === undefined ? undefined : parseHead(bytes)
    if (bytes === undefined || parsed === undefined) return false
    const { head, recordStart } = parsed
    const lists = withVaryList(head.lists, vary)
    return this.#context.writer.put(key, encodeRecordFile({ ...head, lists }, bytes.subarray(recordStart)), generation)
  }

  /** Credentials can be part of a variant key: only its digest is kept. */
  #encode(head: RecordHead, entry: Entry, body: Uint8Array | undefined): Buffer {
    const kept = { ...entry, variantKey: `sha256-${head.variantDigest}` }
    return encodeRecordFile(head, this.#context.serializer.encode({ version: RECORD_VERSION, entry: kept, body }))
  }

  #arrived(variant: string, arrival: number): void {
    this.#arrivals.delete(variant)
    this.#arrivals.set(variant, arrival)
    if (this.#arrivals.size <= MAX_ARRIVALS) return
    for (const oldest of this.#arrivals.keys()) {
      this.#arrivals.delete(oldest)
      return
    }
  }

  /** Removes what the new record has replaced. */
  async #tidy(key: string, variant: string, { name, lists, replaced }: Place): Promise<void> {
    const { folders, background } = this.#context
    const old = replaced?.body
    if (old !== undefined) background.run(() => folders.fs.unlink(folders.bodyPath(name, old.id)))
    // From the time when another variant was the first.
    if (lists.length > 0) await attempt(() => folders.fs.unlink(folders.recordPath(variantName(key, variant))))
  }
}
