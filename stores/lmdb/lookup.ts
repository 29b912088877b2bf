import { Buffer } from 'node:buffer'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import { digestBytesOf } from '../shared/digest.ts'
import type { StoreTime } from '../shared/store-time.ts'
import type { Lookup } from '../store.ts'
import { readChunks } from './body-reader.ts'
import type { Counters } from './counters.ts'
import type { LmdbDatabase } from './database.ts'
import type { DatabaseHandle } from './database-handle.ts'
import { type DecodedKey, DecodedKeys } from './decoded-key.ts'
import { removeRecord } from './delete.ts'
import { isDeleted, isOvertaken } from './deletion-log.ts'
import { keyDigestIn, keyDigestOf, keyNameOf, namespaceOf, readKeyRow, recordNameOf } from './layout.ts'
import type { ParsedRecord, RecordHead } from './record-layout.ts'
import { readHead, recordNames, withRecord } from './records.ts'
import { type OpenChunks, StoredInChunks, type StoredInLmdb, StoredInRecord } from './stored.ts'

/** Records of a key that are looked at for whether others are stored. */
const MAX_LOOKED_AT = 32

export interface LookupOptions {
  readonly maxMemorySizeBytes: number
  /** How often the use of a response is noted, at most. Milliseconds. */
  readonly recencyMs: number
}

type VariantOf = (fieldNames: readonly string[]) => VariantKey

/** Looks responses up, at once. What was decoded is kept, and holds for as long as the number of the last change says so:
 * one small read a hit. */
export class LmdbLookup {
  readonly #handle: DatabaseHandle
  readonly #serializer: BytesSerializer
  readonly #namespace: Uint8Array
  readonly #time: StoreTime
  readonly #recencyMs: number
  readonly #decoded: DecodedKeys
  /** The last variant that was asked for, which most often is the next as well. */
  #variant: { readonly key: VariantKey; readonly digest: Buffer } | undefined

  constructor(handle: DatabaseHandle, serializer: BytesSerializer, time: StoreTime, options: LookupOptions) {
    this.#handle = handle
    this.#serializer = serializer
    this.#time = time
    this.#namespace = namespaceOf(serializer.name, RECORD_VERSION)
    this.#recencyMs = options.recencyMs
    this.#decoded = new DecodedKeys(options.maxMemorySizeBytes)
  }

  find(key: CacheKey, variantOf: VariantOf): Lookup {
    const database = this.#database()
    const known = this.#decoded.get(key)
    const decoded =
      known !== undefined && known.verifiedChanges === database.changes() ? known : this.#verify(database, known, key)
    return new LookupInLmdb(decoded === undefined ? [] : this.#select(decoded, variantOf), this, decoded)
  }

  /** Where the order of deletions stands. */
  position(): number {
    return this.#database().counters()?.position ?? 0
  }

  isOvertaken(entry: Entry, asOf: number): boolean {
    const database = this.#database()
    const counters = database.counters()
    return counters !== undefined && isOvertaken(database.tables, counters, entry, asOf)
  }

  /** Whether the key holds responses beside those found, as far as a short look tells. */
  hasOthers({ keyName }: DecodedKey, found: readonly StoredInLmdb[]): boolean {
    const database = this.#database()
    const counters = database.counters()
    if (counters === undefined) return false
    const names = recordNames(database.tables, keyName, MAX_LOOKED_AT)
    if (names.length === MAX_LOOKED_AT) return true
    return names.some(name => {
      if (found.some(stored => Buffer.compare(stored.name, name) === 0)) return false
      return isLive(database, counters, name, readHead(database.tables, name))
    })
  }

  #database(): LmdbDatabase {
    const { database } = this.#handle.open()
    database.refresh()
    return database
  }

  /** Something was changed since: what is known of the key still holds, or is read anew. undefined: nothing is stored. */
  #verify(database: LmdbDatabase, known: DecodedKey | undefined, key: CacheKey): DecodedKey | undefined {
    const counters = database.counters()
    const keyName = known?.keyName ?? keyNameOf(this.#namespace, keyDigestOf(key))
    const row = counters === undefined ? undefined : readKeyRow(database.tables.keys, keyName)
    if (counters === undefined || row === undefined) {
      this.#decoded.delete(key)
      return undefined
    }
    if (known?.lastChange !== row.lastChange) return this.#decoded.add(key, keyName, row, counters)
    if (known.verifiedPosition !== counters.position) dropDeleted(database, counters, known)
    known.verifiedChanges = counters.changes
    known.verifiedPosition = counters.position
    return known
  }

  /** The responses of a key that a request selects. */
  #select(decoded: DecodedKey, variantOf: VariantOf): StoredInLmdb[] {
    const nowMs = Date.now()
    this.#decoded.noteUse(decoded, nowMs)
    const found: StoredInLmdb[] = []
    for (const list of decoded.lists) {
      const variantKey = variantOf(list)
      const stored = decoded.variants.get(variantKey) ?? this.#read(decoded, variantKey)
      if (stored === undefined || this.#time.hasExpired(stored.entry) || found.includes(stored)) continue
      found.push(stored)
      if (nowMs - stored.usedAtMs < this.#recencyMs) continue
      stored.usedAtMs = nowMs
      this.#handle.open().sweeper.noteUse(stored.name, nowMs)
    }
    return found
  }

  #read(decoded: DecodedKey, variantKey: VariantKey): StoredInLmdb | undefined {
    const database = this.#database()
    const digest = this.#digestOfVariant(variantKey)
    const name = recordNameOf(decoded.keyName, digest)
    let recordBytes = 0
    const stored = withRecord(
      database.tables,
      name,
      record => {
        recordBytes = record.byteLength
        const isMeant = record.head.variantDigest.equals(digest)
        return isMeant ? this.#decode(decoded.key, variantKey, name, record) : undefined
      },
      () => this.#removeDamaged(name)
    )
    if (stored === undefined || isDeletedSince(database, decoded, stored.head)) return undefined
    this.#decoded.addVariant(decoded, variantKey, stored, recordBytes)
    return stored
  }

  #digestOfVariant(key: VariantKey): Buffer {
    if (this.#variant?.key !== key) this.#variant = { key, digest: digestBytesOf(key) }
    return this.#variant.digest
  }

  #decode(key: CacheKey, variantKey: VariantKey, name: Buffer, record: ParsedRecord): StoredInLmdb | undefined {
    const { head, payload } = record
    try {
      const { entry, body } = this.#serializer.decode(payload)
      if (entry.key !== key || entry.variantKey !== head.variantDigest.toString('hex')) return undefined
      const asAsked = { ...entry, variantKey }
      if (head.body !== undefined) return new StoredInChunks(asAsked, head, name, head.body, this.#openChunks)
      if (body?.byteLength !== storedBytes(entry)) return this.#removeDamaged(name)
      return new StoredInRecord(asAsked, head, name, body)
    } catch (error) {
      this.#removeDamaged(name)
      if (Object(error).code === 'ERR_CACHE_RECORD') return undefined
      throw error
    }
  }

  readonly #openChunks: OpenChunks = ({ chunks, name, entry }, range) =>
    readChunks(this.#database(), chunks, range, () => this.#removeDamaged(name, entry.id))

  /** Removes a damaged record, or, with an id, the record of a damaged body, unless another has taken its place. */
  #removeDamaged(name: Uint8Array, entryId?: string): undefined {
    const { database } = this.#handle.open()
    database
      .write(batch => {
        const held = readHead(batch.tables, name)?.entryId
        if (held === entryId || held === undefined || entryId === undefined) removeRecord(batch, name)
      })
      .catch(() => {})
  }
}

/** Whether a record is there that has neither expired nor been deleted. */
export function isLive(
  { tables }: LmdbDatabase,
  counters: Counters,
  name: Uint8Array,
  head: RecordHead | undefined
): head is RecordHead {
  if (head === undefined || head.keptUntilMs < Date.now()) return false
  return !isDeleted(tables, counters, keyDigestIn(name), head)
}

/** Position and counters are of the same moment: a lookup is one look at the map. */
function isDeletedSince(database: LmdbDatabase, decoded: DecodedKey, head: RecordHead): boolean {
  if (head.asOf >= decoded.verifiedPosition) return false
  const counters = database.counters()
  return counters === undefined || isDeleted(database.tables, counters, keyDigestIn(decoded.keyName), head)
}

function dropDeleted({ tables }: LmdbDatabase, counters: Counters, decoded: DecodedKey): void {
  for (const [variantKey, { head }] of decoded.variants) {
    if (isDeleted(tables, counters, keyDigestIn(decoded.keyName), head)) decoded.variants.delete(variantKey)
  }
}

class LookupInLmdb implements Lookup {
  readonly stored: readonly StoredInLmdb[]
  readonly #lookup: LmdbLookup
  readonly #decoded: DecodedKey | undefined

  constructor(stored: readonly StoredInLmdb[], lookup: LmdbLookup, decoded: DecodedKey | undefined) {
    this.stored = stored
    this.#lookup = lookup
    this.#decoded = decoded
  }

  get otherVariants(): boolean {
    return this.#decoded !== undefined && this.#lookup.hasOthers(this.#decoded, this.stored)
  }

  asOf(): number {
    return this.#lookup.position()
  }
}
