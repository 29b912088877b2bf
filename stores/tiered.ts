import { optionError } from '../lib/errors.ts'
import type { CacheKey, Entry, VariantKey } from '../lib/rfc9111/types.ts'
import { OpenWriters } from './shared/open-writers.ts'
import { longestTimeoutMs } from './shared/suggested-timeout.ts'
import { checkedTag } from './shared/tags.ts'
import type {
  BodyWriter,
  CacheStore,
  Capabilities,
  Invalidations,
  LeaseAnswer,
  Lookup,
  MaybePromise,
  PutOptions,
  UpdateOptions
} from './store.ts'
import { Copies } from './tiered/copies.ts'
import { InvalidationHandler } from './tiered/invalidation-handler.ts'
import { RemovedEntries } from './tiered/removed-entries.ts'
import { TierPair } from './tiered/tier-pair.ts'
import { Trust } from './tiered/trust.ts'

export interface TieredStoreOptions {
  /** How long the tiers above are believed after the last one was asked, where others share that one and it does not
   * tell of changes. Milliseconds.
   * @default `1000` */
  readonly maxTrustMs?: number
}

/** Several stores as tiers: quick and small ones first, the one that decides last.
 *
 * A lookup asks the first tier, and the next one only where nothing there can be used. What is found further down is copied
 * up as it is read. Responses are stored in all tiers, as far as each takes them, and deletions are done in all. What the
 * last tier does not store, no other keeps.
 *
 * Where several processes share the last tier, and one of them deletes, the upper tiers of the others are told if the store
 * can do so (RedisStore); else, and while the connection for it is lost, they are trusted for `maxTrustMs`.
 *
 * Methods reject with what a tier rejects with; faults of upper tiers are ignored where the lower one suffices.
 * Throws a TypeError with ERR_CACHE_OPTION for anything but two stores or more. */
export class TieredStore implements CacheStore {
  readonly capabilities: Capabilities
  readonly maxEntrySizeBytes: number | undefined
  /** The largest of those of the tiers; undefined where none suggests one. */
  readonly suggestedTimeoutMs: number | undefined
  /** What the last tier tells of changes by others; undefined: it tells of none. */
  readonly invalidations: Invalidations | undefined
  /** Leases of the lowest tier that gives them; undefined where none does. */
  readonly lease?: (name: string, ttlMs: number) => MaybePromise<LeaseAnswer>
  /** All that is stored, by the last tier's own list; undefined where it has none. */
  readonly entries?: () => AsyncIterable<Entry>
  readonly #tiers: TierPair
  readonly #invalidationHandler: InvalidationHandler | undefined
  readonly #copies = new Copies()
  readonly #open = new OpenWriters('TieredStore')

  constructor(tiers: readonly CacheStore[], options: TieredStoreOptions = {}) {
    const { maxTrustMs = 1000 } = options
    if (typeof maxTrustMs !== 'number' || !(maxTrustMs >= 0)) {
      throw optionError('maxTrustMs', 'a number of milliseconds, not negative', maxTrustMs)
    }
    const { uppers, last } = acceptTiers(tiers)
    const trust = new Trust(last.capabilities.shared ? maxTrustMs : Infinity)
    const { invalidations } = last
    this.#invalidationHandler = invalidations && new InvalidationHandler(uppers, invalidations, trust)
    const state = {
      trust,
      removed: new RemovedEntries(),
      copies: this.#copies,
      learn: (key: CacheKey) => this.#invalidationHandler?.learn(key)
    }
    this.#tiers = uppers.reduceRight((lower: CacheStore, upper) => new TierPair(upper, lower, state), last) as TierPair
    this.capabilities = this.#tiers.capabilities
    this.maxEntrySizeBytes = last.maxEntrySizeBytes
    this.suggestedTimeoutMs = longestTimeoutMs(tiers)
    this.invalidations = invalidations
    if (this.#tiers.lease !== undefined) this.lease = this.#tiers.lease
    if (last.entries !== undefined) this.entries = last.entries.bind(last)
  }

  get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): MaybePromise<Lookup> {
    return this.#tiers.get(key, variantOf)
  }

  async put(entry: Entry, options?: PutOptions): Promise<BodyWriter | undefined> {
    return this.#open.begin(() => this.#tiers.put(entry, options))
  }

  update(entry: Entry, options?: UpdateOptions): Promise<boolean> {
    return this.#tiers.update(entry, options)
  }

  remove(entry: Entry): Promise<void> {
    return this.#tiers.remove(entry)
  }

  delete(key: CacheKey): Promise<void> {
    return this.#tiers.delete(key)
  }

  async deleteByTag(tag: string): Promise<void> {
    await this.#tiers.deleteByTag(checkedTag(tag))
  }

  clear(): Promise<void> {
    return this.#tiers.clear()
  }

  /** Waits for what is being stored, at most five seconds for what is not complete yet, which is then forgotten, and for
   * what is just being kept further up; then closes all tiers. */
  async close(): Promise<void> {
    await this.#open.close()
    await this.#copies.close()
    this.#invalidationHandler?.stop()
    await this.#tiers.close()
  }
}

function acceptTiers(value: unknown): { readonly uppers: readonly CacheStore[]; readonly last: CacheStore } {
  const isTiers =
    Array.isArray(value) && value.length >= 2 && value.every(isStore) && new Set(value).size === value.length
  if (!isTiers) throw optionError('tiers', 'two different stores or more, the quickest first', value)
  return { uppers: value.slice(0, -1), last: value.at(-1) }
}

function isStore(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { capabilities, get, put } = value as Partial<CacheStore>
  return typeof capabilities === 'object' && typeof get === 'function' && typeof put === 'function'
}
