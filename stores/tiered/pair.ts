import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import type {
  BodyWriter,
  CacheStore,
  Invalidations,
  Lookup,
  MaybePromise,
  Position,
  PutOptions,
  Stored
} from '../store.ts'
import { attempt, succeeds } from './attempt.ts'
import { KnownNames } from './known-names.ts'
import { Promoted } from './promotion.ts'
import { Trust } from './trust.ts'
import { WriterThrough } from './writer.ts'

type VariantOf = (fieldNames: readonly string[]) => VariantKey

/** Two tiers: what is quick, over what knows. */
export class Pair {
  readonly upper: CacheStore
  readonly lower: CacheStore
  readonly trust: Trust
  readonly #names: KnownNames | undefined
  readonly #stopListening: (() => void) | undefined
  #isListening = false

  constructor(upper: CacheStore, lower: CacheStore, maxTrustMs: number) {
    this.upper = upper
    this.lower = lower
    this.trust = new Trust(lower.capabilities.shared ? maxTrustMs : Infinity)
    const { invalidations } = lower
    if (invalidations === undefined) return
    this.#names = new KnownNames(
      key => invalidations.nameOf(key),
      key => void this.#drop(key)
    )
    this.#stopListening = this.#listen(invalidations)
  }

  get(key: CacheKey, variantOf: VariantOf): MaybePromise<Lookup> {
    const found = this.upper.get(key, variantOf)
    return found instanceof Promise
      ? found.then(lookup => new UpperLookup(this, lookup, key, variantOf))
      : new UpperLookup(this, found, key, variantOf)
  }

  /** What the lower tier, or one below it, holds; `found`: what the upper one does. */
  async ask(found: Lookup, key: CacheKey, asking: () => MaybePromise<Lookup>): Promise<Lookup> {
    const askedMs = performance.now()
    this.#names?.learn(key)
    const asOf = await found.asOf()
    const below = await asking()
    const stored = below.stored.map((each): Stored => {
      this.trust.confirm(each.entry.id, askedMs)
      const known = found.stored.find(({ entry }) => entry.id === each.entry.id)
      const isSame = known?.entry.responseTimeMs === each.entry.responseTimeMs
      return known !== undefined && isSame ? known : new Promoted(each, this.upper, asOf)
    })
    const { deeper } = below
    return {
      stored,
      otherVariants: below.otherVariants,
      asOf: async () => new PairPosition(asOf, await below.asOf()),
      ...(deeper !== undefined && { deeper: () => this.ask(found, key, () => deeper.call(below)) })
    }
  }

  async put(entry: Entry, { asOf }: PutOptions): Promise<BodyWriter | undefined> {
    const positions = positionsOf(asOf)
    if (positions === undefined) return undefined
    const askedMs = performance.now()
    this.#names?.learn(entry.key)
    const [above, below] = await Promise.all([
      attempt(() => this.upper.put(entry, positions.upper)),
      this.lower.put(entry, positions.lower)
    ])
    if (below !== undefined) return new WriterThrough(above, below, ({ id }) => this.trust.confirm(id, askedMs))
    await attempt(() => above?.abort())
    return undefined
  }

  async update(entry: Entry, { asOf }: Pick<PutOptions, 'asOf'>): Promise<boolean> {
    const positions = positionsOf(asOf)
    if (positions === undefined) return false
    const askedMs = performance.now()
    const isUpdated = await this.lower.update(entry, positions.lower)
    if (isUpdated) {
      this.trust.confirm(entry.id, askedMs)
      await attempt(() => this.upper.update(entry, positions.upper))
    } else {
      await this.#drop(entry.key)
    }
    return isUpdated
  }

  /** The upper tier first: it is what answers next. Both are tried; rejects where either fails. */
  async both(call: (store: CacheStore) => MaybePromise<void>): Promise<void> {
    const outcomes = await Promise.allSettled([this.upper, this.lower].map(async store => call(store)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  async close(): Promise<void> {
    this.#stopListening?.()
    await this.both(store => store.close())
  }

  #listen(invalidations: Invalidations): () => void {
    return invalidations.listen({
      changed: name => {
        const key = this.#names?.keyOf(name)
        if (key !== undefined) void this.#drop(key)
      },
      everythingChanged: () => void this.#empty(),
      isListening: isListening => {
        this.#isListening = isListening
        void this.#empty()
      }
    })
  }

  async #drop(key: CacheKey): Promise<void> {
    if (!(await succeeds(() => this.upper.delete(key)))) await this.#empty()
  }

  /** Whatever was stored until now may have changed unheard. */
  async #empty(): Promise<void> {
    this.trust.isLive = false
    const isEmpty = await succeeds(() => this.upper.clear())
    this.trust.isLive = isEmpty && this.#isListening
  }
}

/** What the upper tier holds, as far as it may be believed. */
class UpperLookup implements Lookup {
  readonly stored: readonly Stored[]
  readonly otherVariants: boolean
  readonly #pair: Pair
  readonly #found: Lookup
  readonly #key: CacheKey
  readonly #variantOf: VariantOf

  constructor(pair: Pair, found: Lookup, key: CacheKey, variantOf: VariantOf) {
    this.#pair = pair
    this.#found = found
    this.#key = key
    this.#variantOf = variantOf
    const isBelieved = (stored: Stored) => pair.trust.holds(stored.entry.id)
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
