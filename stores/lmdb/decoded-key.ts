import { LRUCache } from 'lru-cache'
import type { CacheKey, VariantKey } from '../../lib/rfc9111/types.ts'
import type { Counters } from './counters.ts'
import type { KeyRow } from './layout.ts'
import type { StoredInLmdb } from './stored.ts'

/** Objects around a decoded record. Bytes. */
const OVERHEAD_BYTES = 1000
/** How exactly the last use is known by which decoded keys are dropped. */
const RECENCY_MS = 1000

/** What has been read of a cache key. It holds as long as no record of the key is changed. */
export interface DecodedKey extends KeyRow {
  readonly key: CacheKey
  readonly keyName: Uint8Array
  /** The change after which it was last found to hold. */
  verifiedChanges: number
  /** The position of the deletions that it was last checked against. */
  verifiedPosition: number
  readonly variants: Map<VariantKey, StoredInLmdb>
  byteLength: number
  /** When it was last moved to the front of what is kept. */
  usedAtMs: number
}

/** Keeps what was decoded of the keys that were used last. */
export class DecodedKeys {
  readonly #keys: LRUCache<CacheKey, DecodedKey> | undefined

  /** 0: nothing is kept. */
  constructor(maxSizeBytes: number) {
    if (maxSizeBytes === 0) return
    this.#keys = new LRUCache<CacheKey, DecodedKey>({
      maxSize: maxSizeBytes,
      sizeCalculation: ({ byteLength }) => byteLength
    })
  }

  get(key: CacheKey): DecodedKey | undefined {
    return this.#keys?.peek(key)
  }

  add(key: CacheKey, keyName: Uint8Array, { lastChange, lists }: KeyRow, counters: Counters): DecodedKey {
    const decoded: DecodedKey = {
      key,
      keyName,
      lists,
      lastChange,
      verifiedChanges: counters.changes,
      verifiedPosition: counters.position,
      variants: new Map(),
      byteLength: OVERHEAD_BYTES + key.length,
      usedAtMs: 0
    }
    this.#keys?.set(key, decoded)
    return decoded
  }

  delete(key: CacheKey): void {
    this.#keys?.delete(key)
  }

  noteUse(decoded: DecodedKey, nowMs: number): void {
    if (nowMs - decoded.usedAtMs < RECENCY_MS) return
    decoded.usedAtMs = nowMs
    this.#keys?.get(decoded.key)
  }

  /** Adds a response that was read from a record of so many bytes. */
  addVariant(decoded: DecodedKey, variantKey: VariantKey, stored: StoredInLmdb, recordBytes: number): void {
    decoded.variants.set(variantKey, stored)
    // The strings and objects of an entry take more than its bytes, a body what it is.
    decoded.byteLength += stored.bodyBytes + 3 * Math.max(0, recordBytes - stored.bodyBytes) + OVERHEAD_BYTES
    if (this.#keys?.peek(decoded.key) !== decoded) return
    // Deleted first: the size of what is there already is not looked at again.
    this.#keys.delete(decoded.key)
    this.#keys.set(decoded.key, decoded)
  }
}
