import { stringify } from 'node:querystring'
import type { Dispatcher } from 'undici'
import { cacheKey } from '../../lib/rfc9111/cache-key.ts'
import { addFieldLine, combinedValue, FieldsInProgress } from '../../lib/rfc9111/fields.ts'
import type { Fields, Request } from '../../lib/rfc9111/types.ts'
import type { Settings } from '../options.ts'
import type { Reason } from '../outcome/reasons.ts'

export type DispatchOptions = Dispatcher.DispatchOptions

/** A request as the engine sees it, or why the cache has no part in it. */
export type Understood = { readonly request: Request } | { readonly request: undefined; readonly reason: Reason }

/** Origins seen, normalised; undefined: not one whose responses are cached. */
export type KnownOrigins = Map<unknown, string | undefined>

/** What Host may be: a host and a port, nothing that could be taken for a path. RFC 9110 §7.2 */
const AUTHORITY = /^[A-Za-z0-9._~%!$&'()*+,;=:[\]-]*$/

const MAX_KNOWN_ORIGINS = 1000

/** Options that name an origin where one is known, as late undici 8 makes them: a redirect interceptor below needs it too. */
export function withOrigin(opts: DispatchOptions, origin: string | undefined): DispatchOptions {
  return origin === undefined || (opts.origin !== undefined && opts.origin !== null)
    ? opts
    : Object.assign({}, opts, { origin })
}

/** Options whose headers can be read twice, here and by undici: the pairs of an iterable become a flat list. What are no
 * pairs is left for undici to refuse. */
export function withRereadableHeaders(opts: DispatchOptions): DispatchOptions {
  const headers: unknown = opts.headers
  if (typeof headers !== 'object' || headers === null) return opts
  if (Array.isArray(headers) ? !Array.isArray(headers[0]) : !(Symbol.iterator in headers)) return opts
  const pairs = [...(headers as Iterable<unknown>)]
  if (pairs.every(isPair)) return { ...opts, headers: pairs.flat() as string[] }
  return Array.isArray(headers) ? opts : { ...opts, headers: { [Symbol.iterator]: () => pairs.values() } as never }
}

/** A copy that nobody else holds, down to the path and each header. */
export function copyOptions(opts: DispatchOptions): DispatchOptions {
  const { query: _query, ...rest } = opts
  return { ...rest, path: fullPath(opts) ?? opts.path, headers: copyHeaders(opts.headers) as never }
}

function copyHeaders(headers: unknown): unknown {
  if (Array.isArray(headers)) return headers.map(copyList)
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) return headers
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, copyList(value)]))
}

function copyList(value: unknown): unknown {
  return Array.isArray(value) ? [...value] : value
}

function isPair(member: unknown): member is [unknown, unknown] {
  return Array.isArray(member) && member.length === 2
}

/** undici's options -> Request. What undici itself will refuse is not understood, and left to it. */
export function toRequest(opts: DispatchOptions, settings: Settings, known: KnownOrigins): Understood {
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

/** '' is everybody's of a shared cache; what a private cache keeps is never a shared one's, in one store as well. */
function partitionOf(fields: Fields, settings: Settings): string {
  const name = settings.partitionOf?.(fields) ?? ''
  if (settings.policy.shared) return name === '' ? '' : `shared ${name}`
  return `private ${name}`
}

function uriWithHost(origin: string, host: string, path: string): string {
  const uri = `${origin.slice(0, origin.indexOf('//') + 2)}${host}${path}`
  return URL.canParse(uri) ? uri : origin + path
}

function knownOrigin(origin: string | URL, settings: Settings, known: KnownOrigins): string | undefined {
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

function isListed(origin: string, origins: Settings['origins']): boolean {
  if (origins === undefined) return true
  return origins.some(member => {
    if (typeof member === 'string') return member === origin
    member.lastIndex = 0
    return member.test(origin)
  })
}

/** The path with the query that undici will append; undefined for what is not a path of the origin. */
function fullPath({ path, query }: DispatchOptions): string | undefined {
  if (typeof path !== 'string' || path[0] !== '/') return undefined
  if (query === undefined || query === null) return path
  if (path.includes('?') || path.includes('#')) return undefined
  const search = stringify(query)
  return search === '' ? path : `${path}?${search}`
}

/** Every form of `headers` that undici takes; undefined for what it will refuse. */
export function toFields(headers: unknown): Fields | undefined {
  const fields = new FieldsInProgress()
  if (headers === undefined || headers === null) return fields
  if (Array.isArray(headers)) {
    if (Array.isArray(headers[0])) return addPairs(fields, headers) ? fields : undefined
    if (headers.length % 2 !== 0) return undefined
    for (let i = 0; i < headers.length; i += 2) addField(fields, headers[i], headers[i + 1])
    return fields
  }
  if (typeof headers !== 'object') return undefined
  if (Symbol.iterator in headers) return addPairs(fields, headers as Iterable<unknown>) ? fields : undefined
  for (const name of Object.keys(headers)) addField(fields, name, (headers as Record<string, unknown>)[name])
  return fields
}

function addPairs(fields: FieldsInProgress, pairs: Iterable<unknown>): boolean {
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return false
    addField(fields, pair[0], pair[1])
  }
  return true
}

function addField(fields: FieldsInProgress, name: unknown, value: unknown): void {
  if (value === undefined) return
  const key = (typeof name === 'string' ? name : String(name)).toLowerCase()
  if (Array.isArray(value)) {
    for (const member of value) addField(fields, key, member)
    return
  }
  addFieldLine(fields, key, typeof value === 'string' ? value : value === null ? '' : String(value))
}

/** The request's headers as a flat list, with `replacements` (by lower-case name) in place of what it had. */
export function withFields(
  fields: Fields,
  removed: readonly string[],
  added: readonly (readonly [string, string])[]
): string[] {
  const headers: string[] = []
  for (const name of Object.keys(fields)) {
    if (removed.includes(name)) continue
    const value = fields[name]
    if (typeof value === 'string') headers.push(name, value)
    else for (const line of value ?? []) headers.push(name, line)
  }
  for (const [name, value] of added) headers.push(name, value)
  return headers
}
