import { Buffer } from 'node:buffer'
import { isUint8Array } from 'node:util/types'
import { givesWay, isLesser } from '../../lib/rfc9111/precedence.ts'
import type { CacheKey, Entry } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION, type StoredRecord } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import { keptUntil, type StoreTime } from '../store-time.ts'
import { checkedTag } from '../tags.ts'
import { leave, stay } from './body-removal.ts'
import type { Batch } from './database.ts'
import type { Opening } from './database-handle.ts'
import { isDeleted, isOvertaken, noteDeletion } from './deletion-log.ts'
import { DIGEST_BYTES, digestOf, keyDigestOf, SPACE_BYTES, spaceOf, tagDigestOf } from './layout.ts'
import { type ChunkedBody, encodeRecord, type ParsedRecord, type RecordHead } from './record-layout.ts'
import { putRecord, readRecord, recordNames, removeRecord } from './records.ts'

/** Records removed with their key at once; a sweep removes the others, which nobody finds any more. */
const MAX_REMOVED = 64

/** Everything that changes what is stored; each is one write, which happens whole or not at all. */
export class EntryWriter {
  readonly #opening: Opening
  readonly #serializer: BytesSerializer
  readonly #time: StoreTime
  readonly #space: Buffer

  constructor(opening: Opening, serializer: BytesSerializer, time: StoreTime) {
    this.#opening = opening
    this.#serializer = serializer
    this.#time = time
    this.#space = spaceOf(serializer.name, RECORD_VERSION)
  }

  /** False: overtaken by a deletion, or by a response that was asked for later. */
  async store(entry: Entry, body: Uint8Array | ChunkedBody, asOf: number, arrival: number): Promise<boolean> {
    const variantDigest = digestOf(entry.variantKey)
    const inline = isUint8Array(body) ? body : undefined
    const chunked = isUint8Array(body) ? undefined : body
    const payload = this.#encode(entry, variantDigest, inline)
    const name = this.#nameOf(entry.key, variantDigest)
    return this.#opening.opened().database.write(batch => {
      const { tables, marks } = batch
      if (isOvertaken(tables, marks, entry, asOf)) return false
      const held = readRecord(tables, name)
      if (held !== undefined && this.#givesWay(batch, entry, arrival, held)) return false
      if (chunked !== undefined && !stay(batch, chunked)) return false
      if (held?.head.body !== undefined) leave(batch, held.head.body, Date.now())
      const head = headOf(entry, marks.position, arrival, chunked, variantDigest)
      putRecord(batch, name, encodeRecord(head, payload), entry.vary, Date.now())
      this.#time.note(entry)
      return true
    }, 'storing')
  }

  /** False: no longer stored, or overtaken by a deletion. */
  async update(entry: Entry, asOf: number | undefined, from = entry.variantKey): Promise<boolean> {
    const variantDigest = digestOf(entry.variantKey)
    const isMoved = from !== entry.variantKey
    const name = this.#nameOf(entry.key, isMoved ? digestOf(from) : variantDigest)
    return this.#opening.opened().database.write(batch => {
      const { tables, marks } = batch
      const held = readRecord(tables, name)
      if (held === undefined || held.head.entryId !== entry.id) return false
      // At once: the next read overwrites what the last one gave.
      const { head } = held
      const record = head.body === undefined ? this.#decode(held.payload) : undefined
      if (head.body === undefined && record === undefined) {
        removeRecord(batch, name, Date.now())
        return false
      }
      if (isDeleted(tables, marks, keyDigestOf(entry.key), head)) return false
      if (asOf !== undefined && isOvertaken(tables, marks, entry, asOf)) return false
      const payload = this.#encode(entry, variantDigest, record?.body)
      const updated = headOf(entry, marks.position, marks.changes, head.body, variantDigest)
      const bytes = encodeRecord(updated, payload)
      if (!isMoved) putRecord(batch, name, bytes, entry.vary, Date.now())
      else {
        const place = this.#nameOf(entry.key, variantDigest)
        const replaced = readRecord(tables, place)?.head.body
        if (replaced !== undefined) leave(batch, replaced, Date.now())
        putRecord(batch, place, bytes, entry.vary, Date.now())
        removeRecord(batch, name, Date.now(), 'its body stays')
      }
      this.#time.note(entry)
      return true
    }, 'storing')
  }

  /** Nothing where another response has taken its place. */
  async remove({ key, variantKey, id }: Entry): Promise<void> {
    const name = this.#nameOf(key, digestOf(variantKey))
    await this.#opening.opened().database.write(batch => {
      if (readRecord(batch.tables, name)?.head.entryId === id) removeRecord(batch, name, Date.now())
    })
  }

  async delete(key: CacheKey): Promise<void> {
    const digest = keyDigestOf(key)
    await this.#opening.opened().database.write(batch => {
      noteDeletion(batch, 'key', digest)
      this.#removeRow(batch, Buffer.concat([this.#space, digest]))
    })
  }

  async deleteByTag(tag: string): Promise<void> {
    const digest = tagDigestOf(checkedTag(tag))
    await this.#opening.opened().database.write(batch => noteDeletion(batch, 'tag', digest))
  }

  async clear(): Promise<void> {
    await this.#opening.opened().database.write(batch => {
      batch.change()
      batch.marks.clearedAt = ++batch.marks.position
    })
  }

  /** A slow response does not replace one that was asked for after it arrived, nor less than a body the body. */
  #givesWay({ tables, marks }: Batch, entry: Entry, arrival: number, { head, payload }: ParsedRecord): boolean {
    const isHeldLater = isLater(head, arrival, entry.responseTimeMs)
    if (!isHeldLater && !isLesser(entry)) return false
    // At once: the next read overwrites what the last one gave.
    const found = this.#decode(payload)
    if (found === undefined || this.#time.hasExpired(found.entry)) return false
    return !isDeleted(tables, marks, keyDigestOf(entry.key), head) && givesWay(entry, found.entry, isHeldLater)
  }

  #removeRow(batch: Batch, rowName: Buffer): void {
    for (const name of recordNames(batch.tables, rowName, MAX_REMOVED)) removeRecord(batch, name, Date.now())
  }

  /** Nothing of a request's fields is written: the digest stands for the variant key. */
  #encode(entry: Entry, variantDigest: Buffer, body: Uint8Array | undefined): Uint8Array {
    const digested: Entry = { ...entry, variantKey: variantDigest.toString('hex') }
    return this.#serializer.encode({ version: RECORD_VERSION, entry: digested, body })
  }

  #decode(payload: Uint8Array): StoredRecord | undefined {
    try {
      return this.#serializer.decode(payload)
    } catch {
      return undefined
    }
  }

  #nameOf(key: CacheKey, variantDigest: Buffer): Buffer {
    const name = Buffer.allocUnsafeSlow(SPACE_BYTES + 2 * DIGEST_BYTES)
    name.set(this.#space)
    name.set(keyDigestOf(key), SPACE_BYTES)
    name.set(variantDigest.subarray(0, DIGEST_BYTES), SPACE_BYTES + DIGEST_BYTES)
    return name
  }
}

/** Whether what is stored came later, by the order of changes and, where nothing was changed in between, by the clock. */
function isLater(held: RecordHead, arrival: number, responseTimeMs: number): boolean {
  return held.arrival > arrival || (held.arrival === arrival && held.responseTimeMs > responseTimeMs)
}

function headOf(
  entry: Entry,
  asOf: number,
  arrival: number,
  body: ChunkedBody | undefined,
  variantDigest: Buffer
): RecordHead {
  const { responseTimeMs, id } = entry
  const keptUntilMs = keptUntil(entry)
  const tags = entry.tags.map(tagDigestOf)
  return { asOf, arrival, responseTimeMs, keptUntilMs, body, variantDigest, entryId: id, tags }
}
