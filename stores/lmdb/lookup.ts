import { Buffer } from 'node:buffer'
import { LRUCache } from 'lru-cache'
import { nextTurn } from '../../lib/event-loop.ts'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import type { StoreTime } from '../store-time.ts'
import { readChunks } from './body-reader.ts'
import type { Marks } from './counters.ts'
import type { LmdbDatabase } from './database.ts'
import type { Opening } from './database-handle.ts'
import {
  type KnownKey,
  type LookupSource,
  type OpenChunks,
  StoredInChunks,
  type StoredInLmdb,
  StoredInRecord
} from './decoded-key.ts'
import { isDeleted, isOvertaken } from './deletion-log.ts'
import { type KeyRow, parseKeyRow } from './key-row.ts'
import { DIGEST_BYTES, digestOf, keyDigestIn, keyDigestOf, rangeOf, spaceOf } from './layout.ts'
import { type ParsedRecord, parseRecord, type RecordHead } from './record-layout.ts'
import { readRecord, recordNames, removeRecord } from './records.ts'

/** Objects around a decoded record. */
const OVERHEAD_BYTES = 1000
const MAX_LOOKED_AT = 32
/** What is kept decoded is let go of by its last use, known that exactly. */
const KEPT_RECENCY_MS = 1000

/** Everything that is asked of the database, answered at once. What was decoded is kept, and believed for as long as the
 * number of the last change says so: one small read a hit. */
export class EntryReader implements LookupSource {
  readonly #opening: Opening
  readonly #serializer: BytesSerializer
  readonly #space: Buffer
  readonly #time: StoreTime
  readonly #recencyMs: number
  readonly #known: LRUCache<CacheKey, KnownKey> | undefined
  /** The last one asked for, which most often is the next as well. */
  #variant: { readonly key: VariantKey; readonly digest: Buffer } | undefined

  constructor(
    opening: Opening,
    serializer: BytesSerializer,
    time: StoreTime,
    maxMemorySizeBytes: number,
    recencyMs: number
  ) {
    this.#opening = opening
    this.#serializer = serializer
    this.#time = time
    this.#space = spaceOf(serializer.name, RECORD_VERSION)
    this.#recencyMs = recencyMs
    if (maxMemorySizeBytes === 0) return
    this.#known = new LRUCache<CacheKey, KnownKey>({
      maxSize: maxMemorySizeBytes,
      sizeCalculation: known => known.byteLength
    })
  }

  /** What is stored for a key; undefined: nothing. */
  find(key: CacheKey): KnownKey | undefined {
    const database = this.#database()
    const known = this.#known?.peek(key)
    if (known !== undefined && known.changes === database.changes()) return known
    return this.#verify(database, known, key)
  }

  /** The responses among them that a request selects. */
  select(known: KnownKey, variantOf: (fieldNames: readonly string[]) => VariantKey): StoredInLmdb[] {
    const nowMs = Date.now()
    if (nowMs - known.usedAtMs >= KEPT_RECENCY_MS) {
      known.usedAtMs = nowMs
      this.#known?.get(known.key)
    }
    const found: StoredInLmdb[] = []
    for (const list of known.lists) {
      const variantKey = variantOf(list)
      const stored = known.variants.get(variantKey) ?? this.#read(known, variantKey)
      if (stored === undefined || this.#time.hasExpired(stored.entry) || found.includes(stored)) continue
      found.push(stored)
      if (nowMs - stored.usedAtMs < this.#recencyMs) continue
      stored.usedAtMs = nowMs
      this.#opening.opened().sweeper.used(stored.name, nowMs)
    }
    return found
  }

  position(): number {
    return this.#database().marks()?.position ?? 0
  }

  isOvertaken(entry: Entry, asOf: number): boolean {
    const database = this.#database()
    const marks = database.marks()
    return marks !== undefined && isOvertaken(database.tables, marks, entry, asOf)
  }

  /** Whether the key holds responses beside those found, as far as a short look tells. */
  hasOthers(known: KnownKey, found: readonly StoredInLmdb[]): boolean {
    const database = this.#database()
    const marks = database.marks()
    if (marks === undefined) return false
    const names = recordNames(database.tables, known.rowName, MAX_LOOKED_AT)
    if (names.length === MAX_LOOKED_AT) return true
    return names.some(name => {
      if (found.some(stored => Buffer.compare(stored.name, name) === 0)) return false
      return this.#live(database, marks, name) !== undefined
    })
  }

  /** What is stored by this serializer, with digests in the place of variant keys. */
  async *entries(): AsyncGenerator<Entry> {
    let start = this.#space
    for (;;) {
      const database = this.#database()
      const { end } = rangeOf(this.#space)
      const after = { start, exclusiveStart: true, end, limit: MAX_LOOKED_AT }
      const names = [...database.tables.records.getKeys(after)] as Buffer[]
      for (const name of names) {
        const entry = this.#entryOf(name)
        if (entry !== undefined) yield entry
      }
      const last = names.at(-1)
      if (last === undefined) return
      start = last
      await nextTurn()
    }
  }

  #entryOf(name: Uint8Array): Entry | undefined {
    const database = this.#database()
    const marks = database.marks()
    const live = marks === undefined ? undefined : this.#live(database, marks, name)
    if (live === undefined) return undefined
    try {
      // Read again: the look at deletions has overwritten it.
      const payload = readRecord(database.tables, name)?.payload
      return payload === undefined ? undefined : this.#serializer.decode(payload).entry
    } catch {
      return undefined
    }
  }

  #database(): LmdbDatabase {
    const { database } = this.#opening.opened()
    database.refresh()
    return database
  }

  /** Something has changed since: what is known still holds, or is read anew. */
  #verify(database: LmdbDatabase, known: KnownKey | undefined, key: CacheKey): KnownKey | undefined {
    const marks = database.marks()
    const rowName = known?.rowName ?? Buffer.concat([this.#space, keyDigestOf(key)])
    const row = marks === undefined ? undefined : readRow(database, rowName)
    if (marks === undefined || row === undefined) {
      this.#known?.delete(key)
      return undefined
    }
    if (known !== undefined && known.stamp === row.stamp) {
      if (known.position !== marks.position) dropDeleted(database, marks, known)
      known.changes = marks.changes
      known.position = marks.position
      return known
    }
    const { lists, stamp } = row
    const { changes, position } = marks
    const byteLength = OVERHEAD_BYTES + key.length
    const variants = new Map<VariantKey, StoredInLmdb>()
    const fresh: KnownKey = { key, rowName, lists, stamp, changes, position, variants, byteLength, usedAtMs: 0 }
    this.#known?.set(key, fresh)
    return fresh
  }

  #read(known: KnownKey, variantKey: VariantKey): StoredInLmdb | undefined {
    const database = this.#database()
    const digest = this.#digestOfVariant(variantKey)
    const name = Buffer.concat([known.rowName, digest.subarray(0, DIGEST_BYTES)])
    const bytes = database.tables.records.getBinaryFast(name)
    if (bytes === undefined) return undefined
    const { length } = bytes
    const parsed = parseRecord(bytes)
    if (parsed === undefined) return this.#remove(name)
    const { head } = parsed
    if (!head.variantDigest.equals(digest)) return undefined
    // At once: the next read overwrites what this one gave.
    const stored = this.#decode(known.key, variantKey, name, parsed)
    if (stored === undefined || isDeletedSince(database, known, head)) return undefined
    known.variants.set(variantKey, stored)
    // The strings and objects of an entry take more than its bytes, a body what it is.
    known.byteLength += stored.bodyBytes + 3 * Math.max(0, length - stored.bodyBytes) + OVERHEAD_BYTES
    if (this.#known?.peek(known.key) !== known) return stored
    // Removed first: the size of what is there already is not looked at again.
    this.#known.delete(known.key)
    this.#known.set(known.key, known)
    return stored
  }

  #digestOfVariant(key: VariantKey): Buffer {
    if (this.#variant?.key !== key) this.#variant = { key, digest: digestOf(key) }
    return this.#variant.digest
  }

  #decode(key: CacheKey, variantKey: VariantKey, name: Buffer, parsed: ParsedRecord): StoredInLmdb | undefined {
    const { head, payload } = parsed
    try {
      const { entry, body } = this.#serializer.decode(payload)
      if (entry.key !== key || entry.variantKey !== head.variantDigest.toString('hex')) return undefined
      const asAsked = { ...entry, variantKey }
      if (head.body !== undefined) return new StoredInChunks(asAsked, head, name, head.body, this.#openChunks)
      if (body?.byteLength !== storedBytes(entry)) return this.#remove(name)
      return new StoredInRecord(asAsked, head, name, body)
    } catch (error) {
      this.#remove(name)
      if (Object(error).code === 'ERR_CACHE_RECORD') return undefined
      throw error
    }
  }

  readonly #openChunks: OpenChunks = ({ chunks, name, entry }, range) =>
    readChunks(this.#database(), chunks, range, () => this.#remove(name, entry.id))

  #live(database: LmdbDatabase, marks: Marks, name: Uint8Array): ParsedRecord | undefined {
    const parsed = readRecord(database.tables, name)
    if (parsed === undefined || parsed.head.keptUntilMs < Date.now()) return undefined
    return isDeleted(database.tables, marks, keyDigestIn(name), parsed.head) ? undefined : parsed
  }

  /** Removes what is damaged: a record, unless another has come in its place. */
  #remove(name: Uint8Array, entryId?: string): undefined {
    const { database } = this.#opening.opened()
    database
      .write(batch => {
        const held = readRecord(batch.tables, name)?.head.entryId
        if (held === entryId || held === undefined || entryId === undefined) removeRecord(batch, name, Date.now())
      })
      .catch(() => {})
  }
}

/** Position and marks are of the same moment: a lookup is one look at the map. */
function isDeletedSince(database: LmdbDatabase, known: KnownKey, head: RecordHead): boolean {
  if (head.asOf >= known.position) return false
  const marks = database.marks()
  return marks === undefined || isDeleted(database.tables, marks, keyDigestIn(known.rowName), head)
}

function readRow(database: LmdbDatabase, rowName: Uint8Array): KeyRow | undefined {
  const bytes = database.tables.keys.getBinaryFast(rowName)
  return bytes === undefined ? undefined : parseKeyRow(bytes)
}

function dropDeleted({ tables }: LmdbDatabase, marks: Marks, known: KnownKey): void {
  for (const [variantKey, { head }] of known.variants) {
    if (isDeleted(tables, marks, keyDigestIn(known.rowName), head)) known.variants.delete(variantKey)
  }
}
