import { Buffer } from 'node:buffer'
import { LRUCache } from 'lru-cache'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import type { Lookup } from '../store.ts'
import type { StoreTime } from '../store-time.ts'
import { type Connection, runScript, unlessWrongType } from './connection.ts'
import { ASSUMED, encodeVary, parseVaryLists, type VaryLists } from './key-summary.ts'
import { fieldOf, type Names, shortDigestOf, variantDigestOf } from './layout.ts'
import type { RecordCodec } from './record-codec.ts'
import { IDENTITY_BYTES } from './record-layout.ts'
import { FORGET } from './scripts.ts'
import { StoredInRedis } from './stored.ts'

interface KnownKey {
  readonly keyDigest: string
  readonly hash: string
  lists: VaryLists
}

/** A variant that a request may select. */
interface Variant {
  readonly variantKey: VariantKey
  readonly digest: string
  readonly field: string
  readonly decoded?: Decoded
}

/** What the bytes of a record were found to say. */
interface Decoded {
  readonly bytes: Buffer
  readonly stored: StoredInRedis
  readonly untilMs: number
}

type VariantOf = (fieldNames: readonly string[]) => VariantKey

/** What is remembered of keys, and of their variants. */
const MAX_KNOWN_BYTES = 4 * 1_048_576
const MAX_VARIANTS_BYTES = 16 * 1_048_576
/** Larger records are decoded each time. */
const MAX_DECODED_BYTES = 16_384
/** Lists that are remembered of what this process has stored itself. */
const MAX_LEARNED = 3
/** Objects around what is remembered of a key, or of a variant. */
const OVERHEAD_BYTES = 500

/** Looks responses up: one round trip where the lists of selecting fields are as remembered, or as assumed, and another for
 * what was not guessed. What small records say is remembered beside their bytes, and believed when Redis answers with the
 * very same. */
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
  /** Those with a decoded record, by key and variant key. */
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
    const { hash, lists: assumed } = known
    const variants = this.#select(key, assumed.lists, variantOf)
    const fields = ['lists', ...variants.map(({ field }) => field)]
    const reply = await this.#valuesOf(hash, fields)
    const lists = this.#listsOf(known, reply[0] ?? null)
    if (lists === undefined) return { stored: [], otherVariants: false, asOf: this.#position }
    if (lists !== assumed) {
      const isNew = ({ field }: Variant) => !fields.includes(field)
      const missed = this.#select(key, lists.lists, variantOf).filter(isNew)
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
    return { stored, otherVariants: lists.count > stored.length, asOf: this.#position }
  }

  #valuesOf(hash: string, fields: readonly string[]): Promise<(Buffer | null)[]> {
    return unlessWrongType(
      this.#connection.use(client => client.hmgetBuffer(hash, ...fields)),
      []
    )
  }

  /** What this process has stored is found in one round trip from the start. */
  learn({ key, vary }: Entry): void {
    const known = this.#known.get(key) ?? this.#unknown(key)
    const isKnown = known.lists.lists.some(list => encodeVary(list) === encodeVary(vary))
    const others = known.lists === ASSUMED ? [] : known.lists.lists.slice(-MAX_LEARNED)
    if (!isKnown || known.lists === ASSUMED) known.lists = { ...ASSUMED, lists: [...others, vary] }
    this.#known.set(key, known)
  }

  /** One for each variant, though several lists may lead to the same. */
  #select(key: CacheKey, lists: readonly (readonly string[])[], variantOf: VariantOf): Variant[] {
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
    return { keyDigest, hash: this.#names.hash(keyDigest), lists: ASSUMED }
  }

  /** What is said now, which is remembered; undefined: nothing is stored. */
  #listsOf(known: KnownKey, bytes: Buffer | null): VaryLists | undefined {
    if (bytes === null) return undefined
    const { lists } = known
    if (lists.bytes.equals(bytes)) return lists
    const parsed = parseVaryLists(bytes)
    if (parsed !== undefined) known.lists = parsed
    return parsed
  }

  #decode(key: CacheKey, known: KnownKey, variant: Variant, bytes: Buffer): Decoded | undefined {
    const { decoded } = variant
    if (decoded?.bytes.equals(bytes)) return decoded
    const { variantKey, digest, field } = variant
    const forget = () => {
      const identity = Buffer.from(bytes.subarray(0, IDENTITY_BYTES))
      runScript(this.#connection, FORGET, [known.hash], [field, identity]).catch(() => {})
    }
    const record = this.#codec.decode(bytes, key, digest)
    if (record === undefined) {
      forget()
      return undefined
    }
    const { head, entry, body } = record
    const chunks = head.body === undefined ? undefined : this.#placeOf(known, head.body, forget)
    const stored = new StoredInRedis({ ...entry, variantKey }, body, chunks)
    const untilMs = head.keptUntilMs
    if (bytes.length > MAX_DECODED_BYTES) return { bytes, stored, untilMs }
    // Not the view that the client gives, which keeps alive all that came with it.
    const fresh: Decoded = { bytes: Buffer.from(bytes), stored, untilMs }
    this.#variants.set(nameOf(key, variantKey), { variantKey, digest, field, decoded: fresh })
    return fresh
  }

  #placeOf(known: KnownKey, body: { readonly name: string; readonly byteLength: number }, onDamage: () => void) {
    const key = this.#names.body(known.keyDigest, body.name)
    return { ...body, connection: this.#connection, key, onDamage }
  }
}

function variantNamed(variantKey: VariantKey): Variant {
  const digest = variantDigestOf(variantKey)
  return { variantKey, digest, field: fieldOf(digest) }
}

/** Of no two variants the same, whatever their keys. */
function nameOf(key: CacheKey, variantKey: VariantKey): string {
  return `${key.length} ${key}${variantKey}`
}
