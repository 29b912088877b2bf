// Knows which answers an exchange may get. Every answer goes back to one that the origin gave (its serial number), so the
// model needs no cache of its own: it asks whether that one may be used here, and now.
import { faultOf, serialOf } from './answer.ts'
import type { Seen } from './client.ts'
import { type Emission, identityFor, selectedBy, type TortureOrigin } from './origin.ts'
import { refusalToReuse } from './permission.ts'
import type { Plan } from './plan.ts'
import { type CacheType, etagOf, type Identity, lastModifiedOf, type Resource, sizeOf } from './resource.ts'
import type { Wire } from './wire.ts'

/** What an acknowledged change has made obsolete. */
interface Acknowledged {
  readonly cache: number
  readonly atMs: number
  /** Of an unsafe request: older versions are not to be seen any more. */
  readonly version: number
  /** Of a purge: nor is what was asked for before. */
  readonly askedAfterMs: number
  /** Whether the store was known to have done it before the acknowledgement: then other caches over it must know too. */
  readonly isStored: boolean
}

export interface ModelOptions {
  readonly type: CacheType
  readonly whenDisconnected: 'error' | 'stale'
  readonly origin: TortureOrigin
  /** Below each cache. */
  readonly wires: readonly Wire[]
  readonly now: () => number
  /** Whether a deletion by one cache is seen by the others at once. */
  readonly deletesForAll: boolean
  /** How often a stored body could not be read to its end. */
  readonly readFaults: () => number
}

/** An exchange that has begun, and what was known then. */
export interface Begun {
  readonly plan: Plan
  readonly fields: Readonly<Record<string, string>>
  readonly beganAtMs: number
  /** What it has to know of. */
  readonly changes: readonly Acknowledged[]
  readonly readFaults: number
}

export class Model {
  readonly #options: ModelOptions
  readonly #acknowledged = new Map<string, Acknowledged[]>()
  /** How answers came about, and how often. */
  readonly tally = new Map<string, number>()

  constructor(options: ModelOptions) {
    this.#options = options
  }

  begin(plan: Plan, fields: Readonly<Record<string, string>>): Begun {
    const { now, wires, readFaults, deletesForAll } = this.#options
    const beganAtMs = now()
    // What another cache has on its way since before a change it may give to whoever asks meanwhile.
    const { path } = plan.resource
    const sinceMs = Math.min(beganAtMs, wires[plan.cache]?.earliestStartMs(path) ?? beganAtMs)
    const changes = (this.#acknowledged.get(path) ?? []).filter(
      ({ cache, isStored, atMs }) => cache === plan.cache || (deletesForAll && isStored && atMs <= sinceMs)
    )
    return { plan, fields, beganAtMs, changes, readFaults: readFaults() }
  }

  /** The client has the answer to an unsafe request, or its failure. */
  unsafeEnded({ plan }: Begun, hasAnswer: boolean): void {
    const version = this.#options.origin.changedBy.get(plan.number)
    if (version !== undefined) this.#acknowledge(plan, plan.resource, { version, isStored: hasAnswer })
  }

  purged(plan: Plan, resources: readonly Resource[], askedAfterMs: number): void {
    for (const resource of resources) this.#acknowledge(plan, resource, { askedAfterMs, isStored: true })
  }

  /** What is wrong with what the client has seen; undefined: nothing. */
  violationOf(begun: Begun, seen: Seen): string | undefined {
    if (seen.status === undefined) {
      this.#count(seen.end === 'left' ? 'left before an answer' : 'failed before an answer')
      return seen.end === 'left' ? undefined : this.#failureFault(begun, seen)
    }
    const fault = this.#answerFault(begun, seen)
    if (fault !== undefined) return fault
    if (seen.end !== 'complete') this.#count(seen.end === 'left' ? 'left in the midst' : 'failed in the midst')
    return seen.end === 'error' ? this.#failureFault(begun, seen) : undefined
  }

  #answerFault(begun: Begun, seen: Seen): string | undefined {
    const { plan, fields } = begun
    const serial = serialOf(seen)
    if (serial === undefined) return this.#ownAnswerFault(begun, seen)
    const emission = this.#options.origin.emissions[serial]
    if (emission === undefined) return `the origin never gave the answer ${serial}`
    if (emission.identity.resource !== plan.resource) return `it is of ${emission.identity.resource.path}`
    const fault = this.#reuseFault(begun, emission, seen) ?? faultOf(seen, emission, plan, fields)
    if (fault !== undefined) return `${fault}; it goes back to ${describe(emission)}`
    this.#countAnswer(emission, seen, plan)
    return undefined
  }

  #reuseFault(begun: Begun, emission: Emission, seen: Seen): string | undefined {
    const { plan, beganAtMs, changes } = begun
    const { version, askedAfterMs } = leastOf(knownTo(emission.changedThrough, changes))
    const own = this.#identityFor(begun, emission.identity.version)
    if (emission.exchange === plan.number) {
      if (plan.cacheControl?.includes('only-if-cached') && plan.kind !== 'post') return 'only-if-cached was asked for'
      const { identity } = emission
      return identity.variant === own.variant && identity.credential === own.credential
        ? undefined
        : 'it is not its own'
    }
    if (plan.kind === 'post') return 'it answered another unsafe request'
    if (emission.identity.version < version) return `it is older than version ${version}, which was acknowledged`
    if (emission.askedAtMs < askedAfterMs) return 'it was asked for before a purge that had ended'
    const asking = { plan, variant: own.variant, beganAtMs, ...this.#failureOf(begun) }
    const refusal = refusalToReuse(emission, asking, this.#options.type)
    if (refusal !== undefined) return refusal
    const least = Math.floor(Math.max(0, beganAtMs - emission.atMs) / 1000)
    const age = seen.headers['age']
    if (age !== undefined && Number(age) < least) return `its Age is ${age}, and it was ${least} s old at the beginning`
    return undefined
  }

  /** What the cache says by itself. */
  #ownAnswerFault(begun: Begun, seen: Seen): string | undefined {
    const { plan } = begun
    const { status, headers } = seen
    if (status === 504 && seen.chunks.length === 0) {
      this.#count('504')
      if (plan.cacheControl?.includes('only-if-cached')) return undefined
      const { hasFailed, isDisconnected } = this.#failureOf(begun)
      return hasFailed && isDisconnected ? undefined : 'a 504, and the origin was not asked in vain'
    }
    if (status !== 416 || plan.range === undefined) return `it says nothing of where it comes from: ${status}`
    this.#count('416')
    const [, digits] = /^bytes \*\/(\d+)$/.exec(headers['content-range'] ?? '') ?? []
    const size = Number(digits)
    if (selectedBy(plan.range, size) !== 'unsatisfiable')
      return `a 416, and ${plan.range} selects some of ${size} bytes`
    // Perhaps it goes back to the answer to a POST, by either cache.
    const leasts = this.#options.wires.map((_, cache) => leastOf(knownTo(cache, begun.changes)).version)
    const least = Math.max(1, Math.min(...leasts))
    for (let version = this.#options.origin.versionOf(plan.resource); version >= least; version--) {
      const identity = this.#identityFor(begun, version)
      const forNobody = { ...identity, credential: 'nobody' }
      if (sizeOf(identity) === size || sizeOf(forNobody) === size) return undefined
    }
    return `a 416 of ${size} bytes, which no permitted version has`
  }

  #failureFault(begun: Begun, seen: Seen): string | undefined {
    const { plan, beganAtMs, readFaults } = begun
    const { path } = plan.resource
    const failures = this.#options.wires[plan.cache]?.failures ?? []
    if (failures.some(failure => failure.path === path && failure.atMs >= beganAtMs)) return undefined
    if (seen.status !== undefined && this.#options.readFaults() > readFaults) {
      this.#count('body not to be read')
      return undefined
    }
    if (isLostRest(seen.error) && seen.status !== undefined && this.#mayLoseRest(begun, seen)) {
      this.#count('fallen behind, and lost')
      return undefined
    }
    const bytes = seen.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    return `it failed after ${bytes} bytes, and no connection was lost: ${describeError(seen.error)}`
  }

  /** One that has fallen behind reads on from the store, or from an origin that still has the same version. */
  #mayLoseRest({ plan }: Begun, seen: Seen): boolean {
    const { resource } = plan
    const emission = this.#options.origin.emissions[serialOf(seen) ?? -1]
    if (emission === undefined) return false
    const { identity } = emission
    const hasChanged = this.#options.origin.versionOf(resource) !== identity.version
    const { failed, missed } = this.#options.origin
    return hasChanged || [emission.exchange, plan.number].some(number => failed.has(number) || missed.has(number))
  }

  #failureOf({ plan }: Begun): { hasFailed: boolean; isDisconnected: boolean } {
    const { wires, whenDisconnected, origin } = this.#options
    const isLost = wires[plan.cache]?.failures.some(({ exchange }) => exchange === plan.number) ?? false
    return {
      hasFailed: isLost || origin.failed.has(plan.number),
      isDisconnected: isLost && whenDisconnected === 'stale'
    }
  }

  #identityFor({ plan, fields }: Begun, version: number): Identity {
    return identityFor(plan.resource, version, fields)
  }

  #acknowledge(plan: Plan, { path }: Resource, change: Partial<Acknowledged>): void {
    const atMs = this.#options.now()
    const known = this.#acknowledged.get(path) ?? []
    known.push({ cache: plan.cache, atMs, version: 0, askedAfterMs: -Infinity, isStored: false, ...change })
    this.#acknowledged.set(path, known)
  }

  #countAnswer(emission: Emission, seen: Seen, plan: Plan): void {
    const status = seen.headers['cache-status'] ?? ''
    const isOwn = emission.exchange === plan.number
    const how = /collapsed/.test(status) ? 'collapsed' : / hit/.test(status) ? 'hit' : isOwn ? 'own' : 'validated'
    this.#count(`${plan.kind} ${how} ${seen.status}`)
    const [, forward] = /fwd=([\w-]+)/.exec(status) ?? []
    if (forward !== undefined) this.#count(`forwarded ${forward}`)
    const [, detail] = /detail="?([\w-]+)/.exec(status) ?? []
    if (detail !== undefined) this.#count(`detail ${detail}`)
  }

  #count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1)
  }
}

/** The oldest version, and the earliest request to the origin, that are still permitted. */
/** The answer to a POST has no position that the deletion by another cache could be compared with. */
function knownTo(changedThrough: number | undefined, changes: readonly Acknowledged[]): readonly Acknowledged[] {
  return changes.filter(({ cache }) => changedThrough === undefined || changedThrough === cache)
}

function leastOf(changes: readonly Acknowledged[]): Pick<Acknowledged, 'version' | 'askedAfterMs'> {
  return {
    version: Math.max(0, ...changes.map(({ version }) => version)),
    askedAfterMs: Math.max(-Infinity, ...changes.map(({ askedAfterMs }) => askedAfterMs))
  }
}

function isLostRest(error: unknown): boolean {
  const { message, cause } = (error ?? {}) as Partial<Error>
  return (
    message?.startsWith('the rest of the response could not be had') === true ||
    (cause !== undefined && isLostRest(cause))
  )
}

function describe({ serial, exchange, identity, status, freshness, askedAtMs, atMs }: Emission): string {
  const fields = [etagOf(identity), lastModifiedOf(identity)].filter(field => field !== undefined)
  return (
    `answer ${serial}, ${status} of version ${identity.version}, variant ${identity.variant}, for ${identity.credential} ` +
    `(${freshness}; ${fields.join('; ')}), which exchange ${exchange} asked for at ${askedAtMs.toFixed(0)} ms and got at ${atMs.toFixed(0)} ms`
  )
}

export function describeError(error: unknown): string {
  const { name, message, code, cause } = (error ?? {}) as Error & { code?: string }
  const own = `${name ?? typeof error} ${code ?? ''} ${message ?? String(error)}`
  return cause === undefined ? own : `${own} <- ${describeError(cause)}`
}
