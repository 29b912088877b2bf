import type { Buffer } from 'node:buffer'
import { isUint8Array } from 'node:util/types'
import type { Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import type { ChunkedBody } from '../shared/chunked-body.ts'
import { digestBytesOf } from '../shared/digest.ts'
import { givesWayToHeld } from '../shared/precedence.ts'
import { decodePayload, encodePayload } from '../shared/record-payload.ts'
import { keptUntil, type StoreTime } from '../shared/store-time.ts'
import { withVaryList } from '../shared/vary-lists.ts'
import { keepBody, retireBody } from './body-removal.ts'
import type { DatabaseHandle } from './database-handle.ts'
import { removeRecord, removeRecordOnly } from './delete.ts'
import { isDeleted, isOvertaken } from './deletion-log.ts'
import {
  encodeKeyRow,
  keyDigestOf,
  keyNameIn,
  keyNameOf,
  namespaceOf,
  readKeyRow,
  recordNameOf,
  tagDigestOf
} from './layout.ts'
import { recordUse } from './recency.ts'
import { encodeRecord, type RecordHead } from './record-layout.ts'
import { occupiedByRecord, occupiedByRecordNamed, readHead, withRecord } from './records.ts'
import type { Batch } from './tables.ts'

type Body = ChunkedBody<Uint8Array>

/** Makes responses visible; each is one write, which happens whole or not at all. */
export class Commit {
  readonly #handle: DatabaseHandle
  readonly #serializer: BytesSerializer
  readonly #time: StoreTime
  readonly #namespace: Uint8Array

  constructor(handle: DatabaseHandle, serializer: BytesSerializer, time: StoreTime) {
    this.#handle = handle
    this.#serializer = serializer
    this.#time = time
    this.#namespace = namespaceOf(serializer.name, RECORD_VERSION)
  }

  /** Stores a response that was asked for as of a position of the deletions, and after that number of changes. False:
   * overtaken by a deletion, or by a response that was asked for later. */
  async store(entry: Entry, body: Uint8Array | Body, asOf: number, arrival: number): Promise<boolean> {
    const variantDigest = digestBytesOf(entry.variantKey)
    const [inline, chunked] = isUint8Array(body) ? [body, undefined] : [undefined, body]
    const payload = encodePayload(this.#serializer, entry, variantDigest.toString('hex'), inline)
    const name = this.#nameOf(entry, variantDigest)
    return this.#handle.open().database.write(batch => {
      const { tables, counters } = batch
      if (isOvertaken(tables, counters, entry, asOf)) return false
      const held = readHead(tables, name)
      if (held !== undefined && this.#givesWay(batch, entry, arrival, name, held)) return false
      if (chunked !== undefined && !keepBody(batch, chunked)) return false
      if (held?.body !== undefined) retireBody(batch, held.body)
      const head = headOf(entry, counters.position, arrival, chunked, variantDigest)
      putRecord(batch, name, encodeRecord(head, payload), entry.vary)
      this.#time.note(entry)
      return true
    }, 'storing')
  }

  /** Replaces the metadata of a response, which moves where its variant key was another one. False: no longer stored, or
   * overtaken by a deletion. */
  async update(entry: Entry, asOf: number | undefined, from: VariantKey = entry.variantKey): Promise<boolean> {
    const variantDigest = digestBytesOf(entry.variantKey)
    const isMoved = from !== entry.variantKey
    const name = this.#nameOf(entry, isMoved ? digestBytesOf(from) : variantDigest)
    return this.#handle.open().database.write(batch => {
      const { tables, counters } = batch
      const held = withRecord(tables, name, ({ head, payload }) => {
        const isInline = head.entryId === entry.id && head.body === undefined
        return { head, record: isInline ? decodePayload(this.#serializer, payload) : undefined }
      })
      if (held === undefined || held.head.entryId !== entry.id) return false
      const { head, record } = held
      if (head.body === undefined && record === undefined) {
        removeRecord(batch, name)
        return false
      }
      if (isDeleted(tables, counters, keyDigestOf(entry.key), head)) return false
      if (asOf !== undefined && isOvertaken(tables, counters, entry, asOf)) return false
      const payload = encodePayload(this.#serializer, entry, variantDigest.toString('hex'), record?.body)
      const updated = headOf(entry, counters.position, counters.changes, head.body, variantDigest)
      const bytes = encodeRecord(updated, payload)
      if (isMoved) {
        const newName = this.#nameOf(entry, variantDigest)
        const replaced = readHead(tables, newName)?.body
        if (replaced !== undefined) retireBody(batch, replaced)
        putRecord(batch, newName, bytes, entry.vary)
        removeRecordOnly(batch, name)
      } else {
        putRecord(batch, name, bytes, entry.vary)
      }
      this.#time.note(entry)
      return true
    }, 'storing')
  }

  #givesWay(batch: Batch, entry: Entry, arrival: number, name: Uint8Array, held: RecordHead): boolean {
    const { tables, counters } = batch
    return givesWayToHeld(entry, isLater(held, arrival, entry.responseTimeMs), () => {
      const found = withRecord(tables, name, ({ payload }) => decodePayload(this.#serializer, payload))?.entry
      if (found === undefined || this.#time.hasExpired(found)) return undefined
      return isDeleted(tables, counters, keyDigestOf(entry.key), held) ? undefined : found
    })
  }

  #nameOf({ key }: Entry, variantDigest: Uint8Array): Buffer {
    return recordNameOf(keyNameOf(this.#namespace, keyDigestOf(key)), variantDigest)
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
  body: Body | undefined,
  variantDigest: Buffer
): RecordHead {
  const { responseTimeMs, id } = entry
  const keptUntilMs = keptUntil(entry)
  const tags = entry.tags.map(tagDigestOf)
  return { asOf, arrival, responseTimeMs, keptUntilMs, body, variantDigest, entryId: id, tags }
}

/** Writes a record, in the place of one that has its name. */
function putRecord(batch: Batch, name: Buffer, bytes: Buffer, vary: readonly string[]): void {
  const { tables, counters } = batch
  counters.usedBytes += occupiedByRecord(bytes.length) - occupiedByRecordNamed(tables, name)
  void tables.records.put(name, bytes)
  const keyName = keyNameIn(name)
  const lists = readKeyRow(tables.keys, keyName)?.lists ?? []
  void tables.keys.put(keyName, encodeKeyRow({ lastChange: batch.change(), lists: withVaryList(lists, vary) }))
  recordUse(tables, name, Date.now())
}
