import { stringify } from 'node:querystring'
import type { Dispatcher } from 'undici'
import { addFieldLine, FieldsInProgress } from '../../lib/rfc9111/fields.ts'
import type { Fields } from '../../lib/rfc9111/types.ts'

export type DispatchOptions = Dispatcher.DispatchOptions

/** Adds the origin to options without one, as late undici 8 does: a redirect interceptor below needs it too. */
export function withOrigin(opts: DispatchOptions, origin: string | undefined): DispatchOptions {
  return origin === undefined || (opts.origin !== undefined && opts.origin !== null)
    ? opts
    : Object.assign({}, opts, { origin })
}

/** Makes headers readable twice, here and by undici: the pairs of an iterable become a flat list. What is not made of pairs is
 * left for undici to refuse. */
export function withRereadableHeaders(opts: DispatchOptions): DispatchOptions {
  const headers: unknown = opts.headers
  if (typeof headers !== 'object' || headers === null) return opts
  if (Array.isArray(headers) ? !Array.isArray(headers[0]) : !(Symbol.iterator in headers)) return opts
  const pairs = [...(headers as Iterable<unknown>)]
  if (pairs.every(isPair)) return { ...opts, headers: pairs.flat() as string[] }
  return Array.isArray(headers) ? opts : { ...opts, headers: { [Symbol.iterator]: () => pairs.values() } as never }
}

/** Copies the options, down to the path and each header. */
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

/** Returns the path with the query that undici will append; undefined for what is not a path of the origin. */
export function fullPath({ path, query }: DispatchOptions): string | undefined {
  if (typeof path !== 'string' || path[0] !== '/') return undefined
  if (query === undefined || query === null) return path
  if (path.includes('?') || path.includes('#')) return undefined
  const search = stringify(query)
  return search === '' ? path : `${path}?${search}`
}

/** Reads every form of `headers` that undici takes; undefined for what it will refuse. */
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

/** Makes a flat list of headers from a request's fields, without those that are `removed` (by lower-case name). */
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
