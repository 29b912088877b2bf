import { monotonicMs } from '../../lib/event-loop.ts'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { attempt } from '../shared/attempt.ts'
import { givesLeases } from '../shared/leases.ts'
import { mapMaybe } from '../shared/maybe-promise.ts'
import { removeEntry } from '../shared/remove-entry.ts'
import type {
  BodyWriter,
  CacheStore,
  Capabilities,
  LeaseAnswer,
  Lookup,
  MaybePromise,
  Position,
  PutOptions,
  Stored,
  UpdateOptions
} from '../store.ts'
import { WriteThroughWriter } from './body-writer.ts'
import type { Copies } from './copies.ts'
import { Promoted } from './promotion.ts'
import type { RemovedEntries } from './removed-entries.ts'
import type { Trust } from './trust.ts'

type VariantOf = (fieldNames: readonly string[]) => VariantKey

/** What the pairs of one TieredStore share. */
export interface TierState {
  readonly trust: Trust
  /** What is being copied up. */
  readonly copies: Copies
  readonly removed: RemovedEntries
  /** Called before an upper tier is given anything of that key. */
  learn(key: CacheKey): void
}

/** Two tiers: a quick one above the one that decides, which may be a pair itself. */
export class TierPair implements CacheStore {
  readonly capabilities: Capabilities
  /** The leases of the lowest tier that gives them, as a rule the one that others share; undefined: none does. */
  readonly lease?: (name: string, ttlMs: number) => MaybePromise<LeaseAnswer>
  readonly upper: CacheStore
  readonly lower: CacheStore
  readonly state: TierState

  constructor(upper: CacheStore, lower: CacheStore, state: TierState) {
    this.upper = upper
    this.lower = lower
    this.state = state
    const [above, below] = [upper.capabilities, lower.capabilities]
    this.capabilities = {
      tags: above.tags && below.tags,
      ranges: above.ranges && below.ranges,
      shared: below.shared,
      clear: above.clear !== false && below.clear !== false,
      leases: givesLeases(upper) || givesLeases(lower)
    }
    const lessor = givesLeases(lower) ? lower : upper
    if (lessor.lease !== undefined && givesLeases(lessor)) this.lease = lessor.lease.bind(lessor)
  }

  /** What is too large for the upper tier is kept in the lower one. */
  get maxEntrySizeBytes(): number | undefined {
    return this.lower.maxEntrySizeBytes
  }

  get(key: CacheKey, variantOf: VariantOf): MaybePromise<Lookup> {
    const found = this.upper.get(key, variantOf)
    return mapMaybe(found, lookup => new UpperLookup(this, lookup, key, variantOf))
  }

  /** Looks into the lower tier, by `asking`; `found` is what the upper one holds. */
  async ask(found: Lookup, key: CacheKey, asking: () => MaybePromise<Lookup>): Promise<Lookup> {
    const askedMs = monotonicMs()
    this.state.learn(key)
    const asOf = await found.asOf()
    const below = await asking()
    const stored = below.stored.map((each): Stored => {
      this.#confirm(each.entry, askedMs)
      const known = found.stored.find(({ entry }) => entry.id === each.entry.id)
      const isSame = known?.entry.responseTimeMs === each.entry.responseTimeMs
      return known !== undefined && isSame
        ? known
        : new Promoted(each, this.upper, asOf, () => this.state.removed.has(each.entry.id, askedMs), this.state.copies)
    })
    const { deeper } = below
    return {
      stored,
      otherVariants: below.otherVariants,
      asOf: async () => new PairPosition(asOf, await below.asOf()),
      ...(deeper !== undefined && { deeper: () => this.ask(found, key, () => deeper.call(below)) })
    }
  }

  async put(entry: Entry, { asOf }: PutOptions = {}): Promise<BodyWriter | undefined> {
    const positions = positionsOf(asOf)
    if (positions === undefined) return undefined
    const askedMs = monotonicMs()
    this.state.learn(entry.key)
    const [above, below] = await Promise.all([
      attempt(() => this.upper.put(entry, positions.upper)),
      this.lower.put(entry, positions.lower)
    ])
    if (below !== undefined) {
      return new WriteThroughWriter(above, below, {
        stored: stored => this.#confirm(stored, askedMs),
        missingAbove: () => attempt(() => this.upper.delete(entry.key))
      })
    }
    await attempt(() => above?.abort())
    return undefined
  }

  async update(entry: Entry, { asOf, from }: UpdateOptions = {}): Promise<boolean> {
    const positions = positionsOf(asOf)
    if (positions === undefined) return false
    const askedMs = monotonicMs()
    if (from !== undefined) this.state.removed.add(entry.id)
    const isUpdated = await this.lower.update(entry, { ...positions.lower, from })
    if (isUpdated) {
      this.#confirm(entry, askedMs)
      const isAbove = await attempt(() => this.upper.update(entry, { ...positions.upper, from }))
      // The upper tier may still hold the response under its old variant key.
      if (!isAbove && from !== undefined) await attempt(() => this.upper.delete(entry.key))
    } else {
      await attempt(() => this.upper.delete(entry.key))
    }
    return isUpdated
  }

  remove(entry: Entry): Promise<void> {
    this.state.removed.add(entry.id)
    return this.#remove(store => removeEntry(store, entry))
  }

  delete(key: CacheKey): Promise<void> {
    return this.#remove(store => store.delete(key))
  }

  deleteByTag(tag: string): Promise<void> {
    return this.#remove(store => store.deleteByTag(tag))
  }

  clear(): Promise<void> {
    return this.#remove(store => store.clear())
  }

  close(): Promise<void> {
    return this.#both(store => store.close())
  }

  /** Removes from both tiers, and from the upper one again at the end: what was still found below may have been copied up
   * meanwhile. */
  async #remove(call: (store: CacheStore) => MaybePromise<void>): Promise<void> {
    try {
      await this.#both(call)
    } finally {
      await call(this.upper)
    }
  }

  /** Calls both tiers, the upper one first; rejects where either fails. */
  async #both(call: (store: CacheStore) => MaybePromise<void>): Promise<void> {
    const outcomes = await Promise.allSettled([this.upper, this.lower].map(async store => call(store)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  /** Notes that the last tier holds a response; nothing where the lower tier is not the last. */
  #confirm({ id }: Entry, askedMs: number): void {
    if (!(this.lower instanceof TierPair)) this.state.trust.confirm(id, askedMs)
  }
}

/** What the upper tier holds, as far as it may be trusted. */
class UpperLookup implements Lookup {
  readonly stored: readonly Stored[]
  readonly otherVariants: boolean
  readonly #pair: TierPair
  readonly #found: Lookup
  readonly #key: CacheKey
  readonly #variantOf: VariantOf

  constructor(pair: TierPair, found: Lookup, key: CacheKey, variantOf: VariantOf) {
    this.#pair = pair
    this.#found = found
    this.#key = key
    this.#variantOf = variantOf
    const isBelieved = (stored: Stored) => pair.state.trust.holds(stored.entry.id)
    this.stored = found.stored.every(isBelieved) ? found.stored : found.stored.filter(isBelieved)
    this.otherVariants = found.otherVariants
  }

  async asOf(): Promise<Position> {
    const upper = await this.#found.asOf()
    const below = await this.#pair.lower.get(this.#key, this.#variantOf)
    return new PairPosition(upper, await below.asOf())
  }

  deeper(): Promise<Lookup> {
    return this.#pair.ask(this.#found, this.#key, () => this.#pair.lower.get(this.#key, this.#variantOf))
  }
}

/** Where both tiers stood. */
class PairPosition {
  readonly upper: Position
  readonly lower: Position

  constructor(upper: Position, lower: Position) {
    this.upper = upper
    this.lower = lower
  }
}

/** For each tier; undefined for a position of another store's. */
function positionsOf(asOf: Position): { readonly upper: PutOptions; readonly lower: PutOptions } | undefined {
  if (asOf === undefined) return { upper: {}, lower: {} }
  return asOf instanceof PairPosition ? { upper: { asOf: asOf.upper }, lower: { asOf: asOf.lower } } : undefined
}
