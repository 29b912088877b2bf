// What the origin serves: nothing is stored, every byte follows from whose representation it is and where it lies in it.
import { hashOf, Random } from './random.ts'

/** The Cache-Control that a response comes with, and what it permits, in seconds; `shared` where a shared cache sees it
 * otherwise. */
export interface Freshness {
  readonly directives: string
  readonly lifetime: number
  readonly whileRevalidating?: number
  readonly ifError?: number
  /** Nothing may be used without a validation once stale, whatever a request or an option says. */
  readonly forbidsStale?: boolean
  /** Each use needs a validation. */
  readonly noCache?: boolean
  /** Is for one exchange alone. */
  readonly noStore?: boolean
  /** A shared cache may give it to others than those whose credentials it was asked for with. */
  readonly isPublic?: boolean
  readonly immutable?: boolean
  readonly shared?: Partial<Freshness>
}

/** A day, the upper bound of a heuristic lifetime: Last-Modified lies years back. */
const HEURISTIC = 86_400

export const FRESHNESS = {
  long: { directives: 'max-age=600', lifetime: 600 },
  short: { directives: 'max-age=1', lifetime: 1 },
  zero: { directives: 'max-age=0', lifetime: 0 },
  revalidating: { directives: 'max-age=1, stale-while-revalidate=4', lifetime: 1, whileRevalidating: 4 },
  error: { directives: 'max-age=1, stale-if-error=30', lifetime: 1, ifError: 30 },
  both: {
    directives: 'max-age=0, stale-while-revalidate=2, stale-if-error=30',
    lifetime: 0,
    whileRevalidating: 2,
    ifError: 30
  },
  noCache: { directives: 'no-cache, max-age=600', lifetime: 600, noCache: true, forbidsStale: true },
  noStore: { directives: 'no-store', lifetime: 0, noStore: true },
  private: { directives: 'private, max-age=600', lifetime: 600, shared: { noStore: true } },
  mustRevalidate: { directives: 'max-age=1, must-revalidate', lifetime: 1, forbidsStale: true, isPublic: true },
  sharedMaxAge: {
    directives: 's-maxage=1, max-age=600',
    lifetime: 600,
    shared: { lifetime: 1, forbidsStale: true, isPublic: true }
  },
  public: { directives: 'public, max-age=600', lifetime: 600, isPublic: true },
  immutable: { directives: 'max-age=600, immutable', lifetime: 600, immutable: true },
  heuristic: { directives: '', lifetime: HEURISTIC }
} as const satisfies Record<string, Freshness>

export type FreshnessName = keyof typeof FRESHNESS

export type CacheType = 'shared' | 'private'

export function freshnessOf(name: FreshnessName, type: CacheType): Freshness {
  const freshness: Freshness = FRESHNESS[name]
  return type === 'shared' ? { ...freshness, ...freshness.shared } : freshness
}

export interface Resource {
  readonly path: string
  readonly etag: 'strong' | 'weak' | 'none'
  readonly hasLastModified: boolean
  readonly freshness: FreshnessName
  /** Lower-case names of the fields that select a variant. */
  readonly vary: readonly string[]
  /** Whether each credential has content of its own. */
  readonly isPersonal: boolean
  /** Whether parts are served; 'refused' says so in Accept-Ranges. */
  readonly ranges: 'served' | 'ignored' | 'refused'
  readonly isChunked: boolean
  readonly hasTrailers: boolean
  /** Of the smallest version; of all, where they are of one size. */
  readonly sizeBytes: number
  readonly isOfOneSize: boolean
}

/** What a response is a representation of. */
export interface Identity {
  readonly resource: Resource
  readonly version: number
  /** The values of the selecting fields, or 'any'. */
  readonly variant: string
  readonly credential: string
}

export const LANGUAGES = ['en', 'de;q=0.5, en'] as const
export const VARIANTS = ['a', 'b', 'c'] as const
export const CREDENTIALS = ['alice', 'bob'] as const

export function resourcesOf(seed: string, count: number): readonly Resource[] {
  return Array.from({ length: count }, (_, i) => resourceOf(new Random(seed, 'resource', i), i))
}

function resourceOf(random: Random, index: number): Resource {
  const etag = random.weighted({ strong: 6, weak: 2, none: 2 })
  const freshness = random.weighted<FreshnessName>({
    long: 12,
    short: 3,
    zero: 1,
    revalidating: 3,
    error: 2,
    both: 1,
    noCache: 1,
    noStore: 0.7,
    private: 1,
    mustRevalidate: 1,
    sharedMaxAge: 1,
    public: 3,
    immutable: 1,
    heuristic: 1
  })
  const isPersonal = random.chance(0.12)
  const vary = random.pick<readonly string[]>([[], [], ['x-variant'], ['accept-language', 'x-variant']])
  // What says that it is everybody's must not be one credential's.
  const { isPublic, shared }: Freshness = FRESHNESS[freshness]
  const mustVary = isPersonal && (isPublic || shared?.isPublic)
  return {
    path: `/r/${index}`,
    etag,
    hasLastModified: freshness === 'heuristic' || (etag === 'none' ? random.chance(0.7) : random.chance(0.4)),
    freshness,
    vary: mustVary ? ['authorization', ...vary] : vary,
    isPersonal,
    ranges: random.weighted({ served: 7, ignored: 2, refused: 1 }),
    isChunked: random.chance(0.25),
    hasTrailers: random.chance(0.15),
    sizeBytes: sizeFrom(random),
    isOfOneSize: random.chance(0.4)
  }
}

function sizeFrom(random: Random): number {
  const size = random.weighted({ empty: 0.3, small: 5, medium: 3, large: 3, huge: 0.7 })
  if (size === 'empty') return 0
  if (size === 'small') return random.between(1, 2_000)
  if (size === 'medium') return random.between(2_000, 65_536)
  return size === 'large' ? random.between(65_536, 400_000) : random.between(1_000_000, 3_000_000)
}

/** Every variant that requests select. */
export function variantsOf({ vary }: Resource): string[] {
  const values: Record<string, readonly string[]> = {
    'accept-language': ['none', '*', ...LANGUAGES],
    'x-variant': ['none', ...VARIANTS]
  }
  return vary.reduce<string[]>(
    (all, name) => {
      const own = values[name]
      if (own === undefined) return all
      return all.flatMap(variant => own.map(value => (variant === 'any' ? value : `${variant}|${value}`)))
    },
    ['any']
  )
}

/** One word that names it. */
export function nameOf({ resource, version, variant, credential }: Identity): string {
  return [resource.path, version, variant, resource.isPersonal ? credential : 'any'].join(' ')
}

/** Where lengths do not tell versions and variants apart, their validators have to. */
export function sizeOf(identity: Identity): number {
  const { sizeBytes, isOfOneSize } = identity.resource
  return isOfOneSize || sizeBytes === 0
    ? sizeBytes
    : sizeBytes + (hashOf(nameOf(identity)) % (1 + Math.ceil(sizeBytes / 8)))
}

/** Bytes `start` up to, but not including, `end`. */
export function bytesOf(identity: Identity, start: number, end: number): Buffer {
  const salt = hashOf(nameOf(identity), 7)
  const first = Math.floor(start / 4)
  const words = new Uint32Array(Math.ceil(end / 4) - first)
  for (let i = 0; i < words.length; i++) {
    let word = Math.imul(first + i + 1, 0x9e3779b1) ^ salt
    word = Math.imul(word ^ (word >>> 15), 0x85ebca6b)
    words[i] = word ^ (word >>> 13)
  }
  return Buffer.from(words.buffer, start - first * 4, end - start)
}

export function etagOf(identity: Identity): string | undefined {
  const { etag } = identity.resource
  if (etag === 'none') return undefined
  return `${etag === 'weak' ? 'W/' : ''}"${nameOf(identity).replaceAll(/["\s]/g, '.')}"`
}

/** A second of its own for each version, variant and credential: as good as an entity tag. */
export function lastModifiedOf(identity: Identity): string | undefined {
  if (!identity.resource.hasLastModified) return undefined
  const place = hashOf(nameOf({ ...identity, version: 0 })) % 100_000
  return new Date(Date.UTC(1990, 0, 1) + (identity.version * 100_000 + place) * 1000).toUTCString()
}
