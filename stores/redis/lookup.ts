import { Buffer } from 'node:buffer'
import { LRUCache } from 'lru-cache'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import type { ChunkedBody } from '../shared/chunked-body.ts'
import type { StoreTime } from '../shared/store-time.ts'
import { isSameVaryList, type VaryLists } from '../shared/vary-lists.ts'
import type { Lookup } from '../store.ts'
import type { BodySource } from './body-reader.ts'
import { type Connection, runScript, unlessWrongType } from './connection.ts'
import { ASSUMED, type KeySummary, parseKeySummary } from './key-summary.ts'
import { fieldOf, type Names, shortDigestOf, variantDigestOf } from './layout.ts'
import type { RecordCodec } from './record-codec.ts'
import { IDENTITY_BYTES } from './record-layout.ts'
import { REMOVE_DAMAGED } from './scripts.ts'
import { StoredInRedis } from './stored.ts'

/** A cache key, and what its hash said of it last. */
interface KnownKey {
  readonly keyDigest: string
  readonly hash: string
  summary: KeySummary
}

/** A variant that a request may select. */
interface Variant {
  readonly variantKey: VariantKey
  readonly digest: string
  readonly field: string
  readonly decoded?: Decoded
}

/** A record, and what was decoded from it. */
interface Decoded {
  readonly bytes: Buffer
  readonly stored: StoredInRedis
  readonly untilMs: number
}

type VariantOf = (fieldNames: readonly string[]) => VariantKey

/** Bounds of what is remembered of keys, and of their variants. */
const MAX_KNOWN_BYTES = 4 * 1_048_576
const MAX_VARIANTS_BYTES = 16 * 1_048_576
/** Larger records are decoded each time. */
const MAX_DECODED_BYTES = 16_384
/** Vary lists that are remembered of what this process has stored itself, beside the newest. */
const MAX_OTHER_LISTS = 3
/** Objects around what is remembered of a key, or of a variant. */
const OVERHEAD_BYTES = 500

/** Looks responses up: in one round trip where the key's Vary lists are as remembered, or as assumed; else in two. What was
 * decoded from small records is remembered beside their bytes, and used where Redis answers with the same bytes. */
export class RedisLookup {
  readonly #connection: Connection
  readonly #names: Names
  readonly #codec: RecordCodec
  readonly #position: () => Promise<number>
  readonly #time: StoreTime
  readonly #known = new LRUCache<CacheKey, KnownKey>({
    maxSize: MAX_KNOWN_BYTES,
    sizeCalculation: (_, key) => OVERHEAD_BYTES + 2 * key.length
  })
  /** Variants with a decoded record, by key and variant key. */
  readonly #variants = new LRUCache<string, Variant>({
    maxSize: MAX_VARIANTS_BYTES,
    sizeCalculation: ({ decoded }, name) => OVERHEAD_BYTES + 2 * name.length + 3 * (decoded?.bytes.length ?? 0)
  })

  constructor(
    connection: Connection,
    names: Names,
    codec: RecordCodec,
    position: () => Promise<number>,
    time: StoreTime
  ) {
    this.#connection = connection
    this.#names = names
    this.#codec = codec
    this.#position = position
    this.#time = time
  }

  async find(key: CacheKey, variantOf: VariantOf): Promise<Lookup> {
    const known = this.#known.get(key) ?? this.#unknown(key)
    const { hash, summary: assumed } = known
    const variants = this.#select(key, assumed.lists, variantOf)
    const fields = ['lists', ...variants.map(({ field }) => field)]
    const reply = await this.#valuesOf(hash, fields)
    const summary = this.#summaryOf(known, reply[0] ?? null)
    if (summary === undefined) return { stored: [], otherVariants: false, asOf: this.#position }
    if (summary !== assumed) {
      const isNew = ({ field }: Variant) => !fields.includes(field)
      const missed = this.#select(key, summary.lists, variantOf).filter(isNew)
      if (missed.length > 0) {
        const more = missed.map(({ field }) => field)
        reply.push(...(await this.#valuesOf(hash, more)))
        variants.push(...missed)
      }
      this.#known.set(key, known)
    }
    const stored: StoredInRedis[] = []
    for (let i = 0; i < variants.length; i++) {
      const bytes = reply[i + 1]
      const variant = variants[i]
      if (bytes == null || variant === undefined) continue
      const decoded = this.#decode(key, known, variant, bytes)
      if (decoded === undefined || decoded.untilMs < Date.now()) continue
      if (!this.#time.hasExpired(decoded.stored.entry)) stored.push(decoded.stored)
    }
    if (stored.length > 1) stored.sort((a, b) => b.entry.responseTimeMs - a.entry.responseTimeMs)
    return { stored, otherVariants: summary.count > stored.length, asOf: this.#position }
  }

  #valuesOf(hash: string, fields: readonly string[]): Promise<(Buffer | null)[]> {
    return unlessWrongType(
      this.#connection.use(client => client.hmgetBuffer(hash, ...fields)),
      []
    )
  }

  /** Remembers the Vary list of a response that this process has stored: the next lookup takes one round trip. */
  noteStored({ key, vary }: Entry): void {
    const known = this.#known.get(key) ?? this.#unknown(key)
    const { lists } = known.summary
    const isAssumed = known.summary === ASSUMED
    const others = isAssumed ? [] : lists.slice(-MAX_OTHER_LISTS)
    if (isAssumed || !lists.some(list => isSameVaryList(list, vary))) {
      known.summary = { ...ASSUMED, lists: [...others, vary] }
    }
    this.#known.set(key, known)
  }

  /** The variants that a request can select; several lists may lead to the same one. */
  #select(key: CacheKey, lists: VaryLists, variantOf: VariantOf): Variant[] {
    const variants: Variant[] = []
    for (const list of lists) {
      const variantKey = variantOf(list)
      if (variants.some(variant => variant.variantKey === variantKey)) continue
      variants.push(this.#variants.get(nameOf(key, variantKey)) ?? variantNamed(variantKey))
    }
    return variants
  }

  #unknown(key: CacheKey): KnownKey {
    const keyDigest = shortDigestOf(key)
    return { keyDigest, hash: this.#names.hash(keyDigest), summary: ASSUMED }
  }

  /** What the hash says now, which is remembered; undefined: nothing is stored. */
  #summaryOf(known: KnownKey, bytes: Buffer | null): KeySummary | undefined {
    if (bytes === null) return undefined
    if (known.summary.bytes.equals(bytes)) return known.summary
    const parsed = parseKeySummary(bytes)
    if (parsed !== undefined) known.summary = parsed
    return parsed
  }

  #decode(key: CacheKey, known: KnownKey, variant: Variant, bytes: Buffer): Decoded | undefined {
    const { decoded } = variant
    if (decoded?.bytes.equals(bytes)) return decoded
    const { variantKey, digest, field } = variant
    const removeDamaged = () => {
      const identity = Buffer.from(bytes.subarray(0, IDENTITY_BYTES))
      runScript(this.#connection, REMOVE_DAMAGED, [known.hash], [field, identity]).catch(() => {})
    }
    const record = this.#codec.decode(bytes, key, digest)
    if (record === undefined) {
      removeDamaged()
      return undefined
    }
    const { head, entry, body } = record
    const chunks = head.body === undefined ? undefined : this.#sourceOf(known, head.body, removeDamaged)
    const stored = new StoredInRedis({ ...entry, variantKey }, body, chunks)
    const untilMs = head.keptUntilMs
    if (bytes.length > MAX_DECODED_BYTES) return { bytes, stored, untilMs }
    // Not the view that the client gives, which keeps alive all that came with it.
    const fresh: Decoded = { bytes: Buffer.from(bytes), stored, untilMs }
    this.#variants.set(nameOf(key, variantKey), { variantKey, digest, field, decoded: fresh })
    return fresh
  }

  #sourceOf(known: KnownKey, body: ChunkedBody<string>, onDamage: () => void): BodySource {
    const key = this.#names.body(known.keyDigest, body.name)
    return { ...body, connection: this.#connection, key, onDamage }
  }
}

function variantNamed(variantKey: VariantKey): Variant {
  const digest = variantDigestOf(variantKey)
  return { variantKey, digest, field: fieldOf(digest) }
}

/** The name of a variant in this process; no two variants of any keys have the same. */
function nameOf(key: CacheKey, variantKey: VariantKey): string {
  return `${key.length} ${key}${variantKey}`
}
