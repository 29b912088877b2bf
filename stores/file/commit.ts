import type { Buffer } from 'node:buffer'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { attempt } from '../shared/attempt.ts'
import { digestOf, tagDigestOf, variantName } from '../shared/entry-names.ts'
import { type FoundRecord, findPlace, findRecord, type Place } from '../shared/entry-records.ts'
import { givesWayToHeld } from '../shared/precedence.ts'
import { encodeEntry, encodeRecord, type RecordHead } from '../shared/record-format.ts'
import { keptUntil } from '../shared/store-time.ts'
import { withVaryList } from '../shared/vary-lists.ts'
import type { FileContext } from './context.ts'
import type { LogPosition } from './deletion-log-view.ts'
import type { ReceivedBody } from './record-writer.ts'

const MAX_ARRIVALS = 1000

/** Makes responses visible: puts their records in their places. */
export class Commit {
  readonly #context: FileContext
  /** The place, among all responses that came, of those that were stored last; by key and variant. */
  readonly #arrivals = new Map<string, number>()

  constructor(context: FileContext) {
    this.#context = context
  }

  /** Stores a response. False where a deletion, or a response that came later, was faster. */
  store(entry: Entry, body: ReceivedBody, position: LogPosition, arrival: number): Promise<boolean> {
    const key = digestOf(entry.key)
    const variant = digestOf(entry.variantKey)
    const tags = entry.tags.map(tagDigestOf)
    return this.#context.mutex.run(key, async () => {
      const { records, deletions, writer, time } = this.#context
      const [first] = await Promise.all([
        records.readHead(key),
        deletions.refresh(),
        writer.prepare(key, position.generation)
      ])
      if (deletions.covers(position, key, tags)) return false
      const primary = first?.parsed?.head
      const isHeldLater = (this.#arrivals.get(key + variant) ?? 0) > arrival
      const name = primary?.variantDigest === variant ? key : variantName(key, variant)
      if (await givesWayToHeld(entry, isHeldLater, () => this.#readHeld(name, key, variant))) return false
      const { vary } = entry
      const place = await this.#findPlace(key, variant, vary, primary, position)
      if (place === undefined) return false
      const { epoch, ordinal } = position
      const file = body.kind === 'file' ? { id: body.id, byteLength: body.byteLength } : undefined
      const keptUntilMs = keptUntil(entry)
      const head = { variantDigest: variant, vary, lists: place.lists, tags, keptUntilMs, epoch, ordinal, body: file }
      const bytes = this.#encode(head, entry, body.kind === 'inline' ? body.bytes : undefined)
      if (!(await writer.put(place.name, bytes, position.generation, body))) return false
      time.note(entry)
      this.#noteArrival(key + variant, arrival)
      await this.#removeReplaced(key, variant, place)
      return true
    })
  }

  /** Replaces the metadata of a stored response. False where it is no longer there, or was deleted after `asOf`. */
  update(entry: Entry, asOf: LogPosition | undefined, from = entry.variantKey): Promise<boolean> {
    const key = digestOf(entry.key)
    const tags = entry.tags.map(tagDigestOf)
    return this.#context.mutex.run(key, async () => {
      const { records, deletions, writer, time } = this.#context
      const [found] = await Promise.all([findRecord(records, entry, digestOf(from)), deletions.refresh()])
      const position = asOf ?? deletions.position
      if (position === undefined || found?.primary === undefined) return false
      const { name, head, record } = found
      if (deletions.covers(head, key, head.tags) || deletions.covers(position, key, tags)) return false
      const keptUntilMs = keptUntil(entry)
      const changed = { ...head, tags, keptUntilMs, ordinal: Math.max(head.ordinal, position.ordinal) }
      await writer.prepare(name, position.generation)
      if (from !== entry.variantKey) return this.#move({ ...found, head: changed }, entry, position)
      if (!(await writer.put(name, this.#encode(changed, entry, record.body), position.generation))) return false
      time.note(entry)
      return true
    })
  }

  /** Puts a response under another variant key, its body's file with it: the first record of a key stays where it is. */
  async #move({ name, head, record, primary }: FoundRecord, entry: Entry, position: LogPosition): Promise<boolean> {
    const { folders, writer, time } = this.#context
    const key = digestOf(entry.key)
    const variant = digestOf(entry.variantKey)
    const { vary } = entry
    const isFirst = name === key
    const place = isFirst
      ? { name, lists: head.lists, replaced: undefined }
      : await this.#findPlace(key, variant, vary, primary?.parsed?.head, position)
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
    await this.#removeReplaced(key, variant, place)
    return true
  }

  /** The response that is stored in a place, if it can be served. */
  async #readHeld(name: string, key: string, variant: string): Promise<Entry | undefined> {
    const { records, deletions, time } = this.#context
    const found = await records.read(name, head => {
      return head.variantDigest === variant && !deletions.covers(head, key, head.tags)
    })
    const entry = found === undefined || found === 'damaged' ? undefined : found.record?.entry
    return entry === undefined || time.hasExpired(entry) ? undefined : entry
  }

  #findPlace(
    key: string,
    variant: string,
    vary: readonly string[],
    primary: RecordHead | undefined,
    position: LogPosition
  ): Promise<Place | undefined> {
    const { deletions, records } = this.#context
    return findPlace(key, variant, vary, primary, {
      isKeyDeleted: head => deletions.covers(head, key, []),
      isLive: head => !deletions.covers(head, key, head.tags) && head.keptUntilMs >= Date.now(),
      addList: list => this.#addList(key, list, position),
      readHead: async name => (await records.readHead(name))?.parsed?.head
    })
  }

  async #addList(key: string, vary: readonly string[], { generation }: LogPosition): Promise<boolean> {
    const whole = await this.#context.records.readWhole(key)
    if (whole?.parsed === undefined) return false
    const { head, recordStart } = whole.parsed
    const changed = { ...head, lists: withVaryList(head.lists, vary) }
    return this.#context.writer.put(key, encodeRecord(changed, whole.bytes.subarray(recordStart)), generation)
  }

  #encode(head: RecordHead, entry: Entry, body: Uint8Array | undefined): Buffer {
    return encodeEntry(this.#context.serializer, head, entry, body)
  }

  #noteArrival(variant: string, arrival: number): void {
    this.#arrivals.delete(variant)
    this.#arrivals.set(variant, arrival)
    if (this.#arrivals.size <= MAX_ARRIVALS) return
    for (const oldest of this.#arrivals.keys()) {
      this.#arrivals.delete(oldest)
      return
    }
  }

  async #removeReplaced(key: string, variant: string, { name, lists, replaced }: Place): Promise<void> {
    const { folders, background } = this.#context
    const old = replaced?.body
    if (old !== undefined) background.run(() => folders.fs.unlink(folders.bodyPath(name, old.id)))
    // From the time when another variant was the first.
    if (lists.length > 0) await attempt(() => folders.fs.unlink(folders.recordPath(variantName(key, variant))))
  }
}
