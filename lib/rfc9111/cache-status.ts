import type { ForwardReason } from './decide-request.ts'
import { combinedValue } from './fields.ts'
import { type Item, parseList } from './structured-fields.ts'
import type { Fields } from './types.ts'

/** One cache's account of how it handled a request. RFC 9211 §2 */
export interface CacheStatus {
  readonly hit: boolean
  readonly forward: ForwardReason | undefined
  /** The status that the origin gave, where it is not the one the client gets. */
  readonly forwardStatus: number | undefined
  /** Seconds of freshness left, negative once stale. */
  readonly ttlSeconds: number | undefined
  readonly stored: boolean
  readonly collapsed: boolean
  readonly detail: string | undefined
}

/** The largest Integer of structured fields, which stands for Infinity. RFC 9651 §3.3.1 */
const MAX_INTEGER = 999_999_999_999_999

/** A member of the Cache-Status list. `name` is a serialised Token or String; `detail` is a Token. RFC 9211 §2 */
export function formatCacheStatus(name: string, status: CacheStatus): string {
  let text = name
  if (status.hit) text += '; hit'
  if (status.forward !== undefined) text += `; fwd=${status.forward}`
  if (status.forwardStatus !== undefined) text += `; fwd-status=${status.forwardStatus}`
  if (status.ttlSeconds !== undefined) text += `; ttl=${Math.min(status.ttlSeconds, MAX_INTEGER)}`
  if (status.stored) text += '; stored'
  if (status.collapsed) text += '; collapsed'
  if (status.detail !== undefined) text += `; detail=${status.detail}`
  return text
}

/** A cache's name as a Token where it can be one, else as a String. `name` is printable ASCII. */
export function formatCacheName(name: string): string {
  return /^[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`
}

/** What the cache nearest to the client that calls itself `name` said; undefined where none did, or what it said is malformed. */
export function parseCacheStatus(fields: Fields, name: string): CacheStatus | undefined {
  const text = combinedValue(fields, 'cache-status')
  if (text === undefined) return undefined
  // What others wrote before it must not hide the nearest member.
  const list = parseList(text) ?? parseList(text.slice(text.lastIndexOf(`, ${formatCacheName(name)}`) + 1))
  const member = list?.findLast(({ value }) => value.value === name)
  if (member === undefined) return undefined
  const ttlSeconds = numberOf(member, 'ttl')
  return {
    hit: member.parameters.get('hit')?.value === true,
    forward: wordOf(member, 'fwd') as ForwardReason | undefined,
    forwardStatus: numberOf(member, 'fwd-status'),
    ttlSeconds: ttlSeconds === MAX_INTEGER ? Infinity : ttlSeconds,
    stored: member.parameters.get('stored')?.value === true,
    collapsed: member.parameters.get('collapsed')?.value === true,
    detail: wordOf(member, 'detail')
  }
}

function wordOf({ parameters }: Item, name: string): string | undefined {
  const item = parameters.get(name)
  return item?.kind === 'token' || item?.kind === 'string' ? item.value : undefined
}

function numberOf({ parameters }: Item, name: string): number | undefined {
  const item = parameters.get(name)
  return item?.kind === 'integer' ? item.value : undefined
}
