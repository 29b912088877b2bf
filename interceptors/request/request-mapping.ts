import { cacheKey } from '../../lib/rfc9111/cache-key.ts'
import { combinedValue } from '../../lib/rfc9111/fields.ts'
import type { Fields, Policy, Request } from '../../lib/rfc9111/types.ts'
import type { Reason } from '../outcome/reasons.ts'
import { type DispatchOptions, fullPath, toFields } from '../undici/dispatch-options.ts'
import type { RequestToPartition } from './partition.ts'

/** A request as the engine sees it, or why the cache takes no part in it. */
export type Understood = { readonly request: Request } | { readonly request: undefined; readonly reason: Reason }

/** The options of the cache that matter here. */
export interface MappingSettings {
  readonly policy: Pick<Policy, 'shared'>
  readonly origins: readonly (string | RegExp)[] | undefined
  readonly partitionOf: RequestToPartition | undefined
}

/** The normal form of each origin seen; undefined: one whose responses are not cached. */
export type KnownOrigins = Map<unknown, string | undefined>

/** A Host that can be part of a URL: a host and a port, and nothing that could be taken for a path. RFC 9110 §7.2 */
const AUTHORITY = /^[A-Za-z0-9._~%!$&'()*+,;=:[\]-]*$/

const MAX_KNOWN_ORIGINS = 1000

/** Makes the engine's request of undici's options. What undici itself will refuse is not understood, and is left to it. */
export function toRequest(opts: DispatchOptions, settings: MappingSettings, known: KnownOrigins): Understood {
  const { origin: given } = opts
  const origin = given === undefined || given === null ? undefined : knownOrigin(given, settings, known)
  if (origin === undefined) return { request: undefined, reason: given ? 'origin-not-cached' : 'no-origin' }
  const path = fullPath(opts)
  if (path === undefined || typeof opts.method !== 'string') return { request: undefined, reason: 'not-understood' }
  const fields = toFields(opts.headers)
  if (fields === undefined) return { request: undefined, reason: 'not-understood' }
  const host = combinedValue(fields, 'host')
  if (host !== undefined && !AUTHORITY.test(host)) return { request: undefined, reason: 'not-understood' }
  const key = cacheKey(origin, path, host)
  return {
    request: {
      method: opts.method.toUpperCase(),
      key,
      targetUri: host === undefined || key === origin + path ? key : uriWithHost(origin, host, path),
      fields,
      partition: partitionOf(fields, settings)
    }
  }
}

/** Names the partition: '' is everybody's in a shared cache. A private cache and a shared one have none in common, even where
 * they share a store. */
function partitionOf(fields: Fields, settings: MappingSettings): string {
  const name = settings.partitionOf?.(fields) ?? ''
  if (settings.policy.shared) return name === '' ? '' : `shared ${name}`
  return `private ${name}`
}

function uriWithHost(origin: string, host: string, path: string): string {
  const uri = `${origin.slice(0, origin.indexOf('//') + 2)}${host}${path}`
  return URL.canParse(uri) ? uri : origin + path
}

function knownOrigin(origin: string | URL, settings: MappingSettings, known: KnownOrigins): string | undefined {
  const found = known.get(origin)
  if (found !== undefined || known.has(origin)) return found
  const text = String(origin)
  const normalised = URL.canParse(text) ? new URL(text).origin : 'null'
  const cached = normalised !== 'null' && isListed(normalised, settings.origins) ? normalised : undefined
  // Only strings: a URL could change, and would be kept alive.
  if (typeof origin === 'string') {
    if (known.size >= MAX_KNOWN_ORIGINS) known.clear()
    known.set(origin, cached)
  }
  return cached
}

function isListed(origin: string, origins: MappingSettings['origins']): boolean {
  if (origins === undefined) return true
  return origins.some(member => {
    if (typeof member === 'string') return member === origin
    member.lastIndex = 0
    return member.test(origin)
  })
}
