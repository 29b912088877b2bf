import { LRUCache } from 'lru-cache'
import { byteLimit, positiveInteger } from '../lib/option-checks.ts'
import type { CacheKey, Entry, VariantKey } from '../lib/rfc9111/types.ts'
import { ObjectSerializer } from '../serializers/object.ts'
import { RECORD_VERSION, type Serializer, type StoredRecord } from '../serializers/serializer.ts'
import { acceptSerializer } from '../serializers/serializer-option.ts'
import { sizeInMemory } from './memory/size.ts'
import { type Slot, SlotIndex } from './memory/slot-index.ts'
import { LookupInMemory, StoredInMemory } from './memory/stored.ts'
import { Blocks } from './shared/blocks.ts'
import { closedError } from './shared/closed-error.ts'
import { DeletionLog } from './shared/deletion-log.ts'
import { givesWayToHeld } from './shared/precedence.ts'
import { StoreTime } from './shared/store-time.ts'
import { checkedTag } from './shared/tags.ts'
import type { BodyWriter, CacheStore, Lookup, PutOptions, Stored, UpdateOptions } from './store.ts'

export interface MemoryStoreOptions {
  /** Upper bound of what is stored, counted honestly: fields, keys, bookkeeping and bodies. Bytes.
   * @default `67108864` (64 MiB) */
  readonly maxSizeBytes?: number
  /** Responses with larger bodies are not stored; `Infinity` leaves only the bound above. Bytes.
   * @default `4194304` (4 MiB) */
  readonly maxEntrySizeBytes?: number
  /** What form responses are kept in.
   * @default plain objects */
  readonly serializer?: Serializer
}

const MEBIBYTE = 1_048_576
const NOTHING: readonly Stored[] = []

/** Keeps responses in this process, bounded in bytes, the least recently used first to go. Synchronous throughout.
 * Throws a TypeError with ERR_CACHE_OPTION for a bad option. */
export class MemoryStore implements CacheStore {
  readonly capabilities = {
    tags: true,
    ranges: true,
    shared: false
  } as const
  readonly maxEntrySizeBytes: number
  readonly suggestedTimeoutMs = 250
  readonly #serializer: Serializer
  readonly #keepsRecords: boolean
  readonly #index = new SlotIndex()
  readonly #recency: LRUCache<Slot, Slot>
  readonly #deletions = new DeletionLog()
  readonly #time = new StoreTime()
  #arrivals = 0
  #closed = false

  constructor(options: MemoryStoreOptions = {}) {
    const { maxSizeBytes = 64 * MEBIBYTE, maxEntrySizeBytes = 4 * MEBIBYTE, serializer } = options
    positiveInteger('maxSizeBytes', maxSizeBytes, 'bytes')
    byteLimit('maxEntrySizeBytes', maxEntrySizeBytes)
    this.maxEntrySizeBytes = Math.min(maxEntrySizeBytes, maxSizeBytes)
    this.#serializer = serializer === undefined ? new ObjectSerializer() : acceptSerializer(serializer)
    this.#keepsRecords = this.#serializer instanceof ObjectSerializer
    this.#recency = new LRUCache<Slot, Slot>({
      maxSize: maxSizeBytes,
      sizeCalculation: slot => slot.sizeBytes,
      dispose: slot => this.#index.remove(slot)
    })
  }

  /** What the stored responses occupy, in bytes. */
  get sizeBytes(): number {
    return this.#recency.calculatedSize
  }

  /** How many responses are stored. */
  get entryCount(): number {
    return this.#recency.size
  }

  get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): Lookup {
    const { position } = this.#deletions
    const slots = this.#index.ofKey(key)
    if (slots === undefined) return new LookupInMemory(NOTHING, false, position)
    const stored: Stored[] = []
    for (const list of slots.lists) {
      const slot = slots.variants.get(variantOf(list.names))
      const found = slot === undefined ? undefined : this.#read(slot)
      if (found === undefined) continue
      if (stored.length === 0 || !stored.some(({ entry }) => entry.id === found.entry.id)) stored.push(found)
    }
    return new LookupInMemory(stored, slots.variants.size > stored.length, position)
  }

  put(entry: Entry, options: PutOptions = {}): BodyWriter | undefined {
    this.#assertOpen()
    const asOf = typeof options.asOf === 'number' ? options.asOf : this.#deletions.position
    if (this.#deletions.covers(entry, asOf)) return undefined
    const arrival = ++this.#arrivals
    // Given up as soon as it is of no use: a response can go on for long after that.
    let blocks: Blocks | undefined = new Blocks()
    return {
      write: chunk => {
        blocks?.push(chunk)
        if (blocks !== undefined && blocks.byteLength > this.maxEntrySizeBytes) blocks = undefined
      },
      commit: finished => {
        const collected = blocks
        blocks = undefined
        if (collected === undefined || this.#closed || this.#deletions.covers(finished, asOf)) return false
        return this.#store(finished, arrival, collected.finish())
      },
      abort: () => {
        blocks = undefined
      }
    }
  }

  update(entry: Entry, { asOf, from = entry.variantKey }: UpdateOptions = {}): boolean {
    this.#assertOpen()
    const slot = this.#index.of(entry.key, from)
    if (slot === undefined || slot.entryId !== entry.id) return false
    if (typeof asOf === 'number' && this.#deletions.covers(entry, asOf)) return false
    const record = this.#decode(slot)
    if (record === undefined) return false
    if (from !== entry.variantKey) this.#recency.delete(slot)
    return this.#insert({ ...record, entry }, ++this.#arrivals, slot.blocks)
  }

  remove({ key, variantKey, id }: Entry): void {
    const slot = this.#index.of(key, variantKey)
    if (slot?.entryId === id) this.#recency.delete(slot)
  }

  delete(key: CacheKey): void {
    this.#deletions.add('key', key)
    const slots = this.#index.ofKey(key)
    if (slots === undefined) return
    for (const slot of [...slots.variants.values()]) this.#recency.delete(slot)
  }

  deleteByTag(tag: string): void {
    const carried = checkedTag(tag)
    this.#deletions.add('tag', carried)
    for (const slot of this.#index.withTag(carried)) this.#recency.delete(slot)
  }

  clear(): void {
    this.#deletions.addClear()
    this.#recency.clear()
  }

  async *entries(): AsyncGenerator<Entry> {
    for (const slot of [...this.#recency.keys()]) {
      const record = this.#decode(slot)
      if (record !== undefined) yield record.entry
    }
  }

  /** Drops everything; what comes later is declined. */
  close(): void {
    this.clear()
    this.#closed = true
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError('MemoryStore')
  }

  #store(entry: Entry, arrival: number, blocks: readonly Uint8Array[]): boolean {
    const held = this.#index.of(entry.key, entry.variantKey)
    if (held !== undefined && this.#givesWay(entry, arrival, held)) return false
    const recordWith = (body: Uint8Array): StoredRecord => ({ version: RECORD_VERSION, entry, body })
    if (blocks.length <= 1) return this.#insert(recordWith(blocks[0] ?? new Uint8Array()), arrival, undefined)
    if (this.#keepsRecords) return this.#insert({ version: RECORD_VERSION, entry }, arrival, blocks)
    return this.#insert(recordWith(new Uint8Array(Buffer.concat(blocks))), arrival, undefined)
  }

  #givesWay(entry: Entry, arrival: number, held: Slot): boolean {
    return givesWayToHeld(entry, held.arrival > arrival, () => this.#read(held)?.entry)
  }

  #insert(record: StoredRecord, arrival: number, blocks: readonly Uint8Array[] | undefined): boolean {
    const { key, variantKey, id: entryId, expiresAtMs, tags, vary: names } = record.entry
    const encoded = this.#serializer.encode(record)
    const sizeBytes = sizeInMemory(record, encoded, blocks)
    const stored = this.#keepsRecords ? new StoredInMemory(record.entry, blocks ?? record.body) : undefined
    this.#time.note(record.entry)
    const replaced = this.#index.of(key, variantKey)
    if (replaced !== undefined) this.#recency.delete(replaced)
    const list = this.#index.listOf(key, names)
    const slot = {
      key,
      variantKey,
      entryId,
      arrival,
      expiresAtMs,
      tags,
      encoded,
      sizeBytes,
      names,
      list,
      blocks,
      stored
    }
    this.#recency.set(slot, slot)
    // lru-cache takes nothing that is larger than the whole.
    if (!this.#recency.has(slot)) return false
    for (const surplus of this.#index.add(slot)) this.#recency.delete(surplus)
    return true
  }

  #read(slot: Slot): Stored | undefined {
    if (this.#time.hasExpired(slot)) {
      this.#recency.delete(slot)
      return undefined
    }
    const stored = slot.stored ?? this.#decoded(slot)
    if (stored !== undefined) this.#recency.get(slot)
    return stored
  }

  #decoded(slot: Slot): StoredInMemory | undefined {
    const record = this.#decode(slot)
    return record && new StoredInMemory(record.entry, slot.blocks ?? record.body)
  }

  #decode(slot: Slot): StoredRecord | undefined {
    try {
      return this.#serializer.decode(slot.encoded)
    } catch {
      this.#recency.delete(slot)
      return undefined
    }
  }
}
