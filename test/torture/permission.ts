// Whether what the origin said to one exchange may answer another: the rules of RFC 9111, §3 to §5.2, for the few kinds
// of responses there are here, written down a second time.
import type { Emission } from './origin.ts'
import type { Plan } from './plan.ts'
import { type CacheType, freshnessOf } from './resource.ts'

export interface Asking {
  readonly plan: Plan
  /** The variant that the request selects. */
  readonly variant: string
  readonly beganAtMs: number
  /** Whether its own request to the origin has failed: by a status, or a lost connection. */
  readonly hasFailed: boolean
  /** The connection was lost, and the cache may serve what is stale then. */
  readonly isDisconnected: boolean
}

/** Why not; undefined where it may. The age is that at which the exchange began: it is no less when the cache decides. */
export function refusalToReuse(emission: Emission, asking: Asking, type: CacheType): string | undefined {
  const { plan, variant, beganAtMs } = asking
  const { identity } = emission
  const freshness = freshnessOf(emission.freshness, type)
  const credential = plan.credential ?? 'nobody'
  if (freshness.noStore) return 'it was for one exchange alone'
  if (freshness.noCache) return 'it may not be used without a validation'
  if (emission.status >= 500) return 'it is an error of another exchange'
  if (identity.variant !== variant) return `it is of the variant ${identity.variant}, not ${variant}`
  if (identity.resource.vary.includes('authorization') && identity.credential !== credential) {
    return `it varies by credential, and was for ${identity.credential}`
  }
  if (type === 'private' && identity.credential !== credential)
    return `it is in the partition of ${identity.credential}`
  if (type === 'shared' && identity.credential !== 'nobody' && !freshness.isPublic) {
    return `it answered the credentials of ${identity.credential}, and a shared cache may not store it`
  }
  const wish = wishOf(plan.cacheControl)
  if (wish.noCache || wish.noStore) return 'the request wants an answer of its own'
  const ageMs = Math.max(0, beganAtMs - emission.atMs)
  const lifetimeMs = freshness.lifetime * 1000
  const isReload = freshness.immutable && wish.maxAge === 0 && ageMs < lifetimeMs
  const isTooOld = wish.maxAge !== undefined && ageMs > wish.maxAge * 1000 && !isReload
  const failsForStale = freshness.forbidsStale ? undefined : staleAfterFailure(asking, freshness.ifError, wish)
  if (failsForStale !== undefined && ageMs <= lifetimeMs + failsForStale * 1000) return undefined
  if (isTooOld) return `it is ${ageMs} ms old, and max-age=${wish.maxAge} was asked for`
  if (wish.minFresh !== undefined && lifetimeMs - ageMs < wish.minFresh * 1000) return 'it is not fresh for long enough'
  if (ageMs < lifetimeMs) return undefined
  if (freshness.forbidsStale) return `it is stale (${ageMs} ms old), and forbids that`
  const { maxStale } = wish
  if (maxStale !== undefined) {
    return ageMs <= lifetimeMs + maxStale * 1000 ? undefined : `it is ${ageMs} ms old, more than max-stale permits`
  }
  if (wish.maxAge !== undefined) return 'it is stale, and max-age was asked for'
  const windowMs = (freshness.whileRevalidating ?? 0) * 1000
  return ageMs < lifetimeMs + windowMs ? undefined : `it is stale (${ageMs} ms old), beyond what it permits`
}

interface Wish {
  readonly noCache: boolean
  readonly noStore: boolean
  readonly maxAge: number | undefined
  readonly minFresh: number | undefined
  readonly maxStale: number | undefined
  readonly ifError: number | undefined
}

function wishOf(cacheControl = ''): Wish {
  const has = (name: string) => cacheControl.split(', ').includes(name)
  const amount = (name: string) => {
    const [, digits] = new RegExp(`(?:^|, )${name}=(\\d+)`).exec(cacheControl) ?? []
    return digits === undefined ? undefined : Number(digits)
  }
  return {
    noCache: has('no-cache'),
    noStore: has('no-store'),
    maxAge: amount('max-age'),
    minFresh: amount('min-fresh'),
    maxStale: has('max-stale') ? Infinity : amount('max-stale'),
    ifError: amount('stale-if-error')
  }
}

/** RFC 5861 §4, and §4.2.4 where the origin cannot be reached: how many seconds after its lifetime. */
function staleAfterFailure({ hasFailed, isDisconnected }: Asking, ifError = 0, wish: Wish): number | undefined {
  if (!hasFailed || wish.noCache || (wish.maxAge !== undefined && wish.ifError === undefined)) return undefined
  return isDisconnected ? Infinity : Math.max(ifError, wish.ifError ?? 0)
}
