// What an exchange is to be like, on either side: a function of the seed and the exchange's number.
import { Random } from './random.ts'
import { CREDENTIALS, LANGUAGES, type Resource, VARIANTS } from './resource.ts'

/** How the origin answers one request of an exchange. */
export interface Behaviour {
  readonly delayMs: number
  /** In place of what there is. */
  readonly status: 404 | 500 | 503 | undefined
  /** The connection is lost: before the header section, or after so much of the content, from 0 to 1. */
  readonly cut: 'before' | number | undefined
  readonly chunkBytes: number
  /** Between some chunks. */
  readonly pauseMs: number
  /** The resource has changed, and nobody was told. */
  readonly changes: boolean
}

/** A range of bytes as a field has it, or what a field says that is none. */
export type RangeValue = string

/** What the client says it has: a version so many changes back. */
export interface Condition {
  readonly name: 'if-none-match' | 'if-modified-since'
  readonly versionsBack: number
}

export interface Reading {
  /** After so many bytes it takes a rest; undefined: it reads on. */
  readonly pauseEveryBytes: number | undefined
  readonly pauseMs: number
}

/** When the client goes away. */
export type Leaving =
  | { readonly when: 'before' }
  | { readonly when: 'after-ms'; readonly ms: number }
  | { readonly when: 'after-bytes'; readonly bytes: number }
  /** It reads nothing of the body, and goes away at the end of the run. */
  | { readonly when: 'unread' }

export type Kind = 'get' | 'head' | 'post' | 'purge' | 'purge-all'

/** The ways to ask. */
export const WAYS = ['request', 'fetch', 'modern', 'legacy'] as const
export type Way = (typeof WAYS)[number]

export interface Plan {
  readonly number: number
  /** Which of the caches over the store. */
  readonly cache: number
  readonly resource: Resource
  readonly kind: Kind
  readonly way: Way
  readonly variant: string | undefined
  readonly language: string | undefined
  readonly credential: string | undefined
  readonly cacheControl: string | undefined
  readonly range: RangeValue | undefined
  /** If-Range with the validator of a version so many changes back. */
  readonly ifRangeVersionsBack: number | undefined
  readonly condition: Condition | undefined
  readonly reading: Reading
  readonly leaving: Leaving | undefined
  /** Where this is a POST: whether its answer is what a GET would bring. */
  readonly answersForGet: boolean
  /** In the order in which its requests reach the origin; the last repeats. */
  readonly behaviours: readonly [Behaviour, ...Behaviour[]]
  readonly thinkMs: number
}

export interface PlanOptions {
  readonly seed: string
  readonly resources: readonly Resource[]
  readonly caches: number
}

const REQUEST_DIRECTIVES = [
  'max-age=0',
  'max-age=1',
  'min-fresh=1',
  'max-stale',
  'max-stale=2',
  'no-cache',
  'no-store',
  'only-if-cached',
  'only-if-cached, max-stale',
  'stale-if-error=30'
] as const

/** Exchanges that follow each other, so many, may have something to do with each other. */
const GROUP = 8

/** 'crowd': all ask for the same; 'queue': one client asks for the same at once, and reads one answer after the other;
 * 'player': one part after the other is asked for, and then the whole. */
type Group = 'none' | 'crowd' | 'queue' | 'player'

/** Those that one client asks for, of which `number` is the first: one after the other, or at once, to read them in turn. */
export function groupAt(number: number, seed: string): { readonly last: number; readonly isQueue: boolean } {
  const group = number % GROUP === 0 ? groupFrom(sharedBy(number, seed)) : 'none'
  const isOneClient = group === 'player' || group === 'queue'
  return { last: isOneClient ? number + GROUP - 1 : number, isQueue: group === 'queue' }
}

function sharedBy(number: number, seed: string): Random {
  return new Random(seed, 'group', Math.floor(number / GROUP))
}

function groupFrom(shared: Random): Group {
  return shared.weighted<Group>({ none: 75, crowd: 12, queue: 5, player: 8 })
}

export function planOf(number: number, { seed, resources, caches }: PlanOptions): Plan {
  const random = new Random(seed, 'exchange', number)
  const shared = sharedBy(number, seed)
  const place = number % GROUP
  const group = groupFrom(shared)
  const isAlone = group === 'none'
  const target = targetFrom(isAlone ? random : shared, group === 'player' ? inParts(resources) : resources, caches)
  const { resource } = target
  const change = shared.chance(0.4) ? shared.between(2, GROUP - 2) : undefined
  const drawn = kindFrom(random, isAlone, place === change)
  const kind = drawn === 'head' && !hasValidator(resource) ? 'get' : drawn
  const isGet = kind === 'get'
  const range = isGet ? rangeFor(random, group, place, resource) : undefined
  const mayLeave = (isGet || kind === 'post') && random.chance(0.12)
  return {
    number,
    ...target,
    kind,
    way: random.pick(WAYS),
    cacheControl: isAlone && random.chance(0.15) ? random.pick(REQUEST_DIRECTIVES) : undefined,
    range,
    ifRangeVersionsBack: range === undefined || random.chance(0.6) ? undefined : random.between(0, 1),
    condition: conditionFrom(random, isGet && isAlone),
    reading: readingFrom(random),
    leaving: mayLeave ? leavingFrom(random, resource, isGet) : undefined,
    answersForGet: random.chance(0.3),
    behaviours: [behaviourFrom(random), behaviourFrom(random), behaviourFrom(random), behaviourFrom(random)],
    thinkMs: random.chance(0.3) ? random.between(1, 8) : 0
  }
}

/** Without one, a HEAD says nothing that a stored response could be told from another version by, and is believed.
 * RFC 9111 §4.3.5 */
function hasValidator({ etag, hasLastModified }: Resource): boolean {
  return etag !== 'none' || hasLastModified
}

/** In the midst of a group, what is asked for may be changed. */
function kindFrom(random: Random, isAlone: boolean, isChange: boolean): Kind {
  if (!isAlone) return isChange ? random.pick(['post', 'purge'] as const) : 'get'
  return random.weighted<Kind>({ get: 85, head: 5, post: 4, purge: 1.5, 'purge-all': 0.2 })
}

/** Those of which parts can be put together; all where there are none. */
function inParts(resources: readonly Resource[]): readonly Resource[] {
  const suitable = resources.filter(({ etag, ranges, sizeBytes, freshness }) => {
    return etag === 'strong' && ranges === 'served' && sizeBytes > GROUP && freshness !== 'noStore'
  })
  return suitable.length > 0 ? suitable : resources
}

function rangeFor(random: Random, group: Group, place: number, resource: Resource): RangeValue | undefined {
  if (group === 'crowd' || group === 'queue') return undefined
  if (group === 'none') return random.chance(0.3) ? rangeFrom(random, resource) : undefined
  const step = Math.floor(resource.sizeBytes / GROUP)
  return place === GROUP - 1 ? undefined : `bytes=${place * step}-${(place + 1) * step + random.between(-1, 1)}`
}

type Target = Pick<Plan, 'cache' | 'resource' | 'variant' | 'language' | 'credential'>

function targetFrom(random: Random, resources: readonly Resource[], caches: number): Target {
  // The first are asked for most.
  const resource = resources[Math.floor(random.next() ** 2 * resources.length)] as Resource
  return {
    cache: random.between(0, caches - 1),
    resource,
    variant: random.chance(0.85) ? random.pick(VARIANTS) : undefined,
    language: random.chance(0.5) ? random.pick(LANGUAGES) : undefined,
    credential: random.chance(resource.isPersonal ? 0.7 : 0.1) ? random.pick(CREDENTIALS) : undefined
  }
}

function rangeFrom(random: Random, { sizeBytes }: Resource): RangeValue {
  const form = random.weighted({ closed: 5, open: 3, suffix: 2, beyond: 0.5, several: 0.5, malformed: 0.3 })
  const start = random.chance(0.4) ? 0 : random.between(0, sizeBytes)
  const end = start + random.between(0, Math.max(1, sizeBytes - start))
  if (form === 'closed') return `bytes=${start}-${end}`
  if (form === 'open') return `bytes=${start}-`
  if (form === 'suffix') return `bytes=-${random.between(0, sizeBytes)}`
  if (form === 'beyond') return `bytes=${sizeBytes * 2 + 10}-`
  return form === 'several' ? 'bytes=0-1,3-4' : random.pick(['bytes=', 'bytes=5-2', 'lines=1-2', 'bytes=a-b'])
}

function conditionFrom(random: Random, isGet: boolean): Condition | undefined {
  if (!isGet || random.chance(0.85)) return undefined
  return { name: random.pick(['if-none-match', 'if-modified-since'] as const), versionsBack: random.between(0, 2) }
}

function readingFrom(random: Random): Reading {
  const isSlow = random.chance(0.2)
  return {
    pauseEveryBytes: isSlow ? random.pick([1, 30_000, 150_000]) : undefined,
    pauseMs: random.between(1, 15)
  }
}

function leavingFrom(random: Random, { sizeBytes }: Resource, isGet: boolean): Leaving {
  const when = random.weighted({ before: 1, 'after-ms': 4, 'after-bytes': 4, unread: isGet ? 2 : 0 })
  if (when === 'before' || when === 'unread') return { when }
  return when === 'after-ms'
    ? { when, ms: random.between(0, 25) }
    : { when, bytes: random.between(0, random.chance(0.5) ? 1_000 : sizeBytes) }
}

function behaviourFrom(random: Random): Behaviour {
  return {
    delayMs: random.chance(0.4) ? random.between(1, 20) : 0,
    status: random.chance(0.06) ? random.pick([404, 500, 503] as const) : undefined,
    cut: random.chance(0.06) ? (random.chance(0.4) ? 'before' : random.next()) : undefined,
    chunkBytes: random.pick([500, 16_384, 65_536, 262_144]),
    pauseMs: random.chance(0.25) ? random.between(1, 10) : 0,
    changes: random.chance(0.02)
  }
}
