import type { ResponseDirectives } from './directives.ts'
import { combinedValue, fieldsOf, listedNames } from './fields.ts'
import { formatHttpDate } from './http-date.ts'
import type { FieldLines, Policy } from './types.ts'
import { entityTag, isStrong } from './validators.ts'

/** Fields of one connection or one proxy, never of the response. §3.1, RFC 9110 §7.6.1 */
const NOT_STORED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade'
])

/** Laxer than §3.1: the fields that reuse is judged by (Cache-Control, Date, Age, validators, Vary) are stored though
 * Connection or a qualified directive lists them. Without them a stored response would be judged otherwise than it was. */
const DEPENDED_ON = ['age', 'cache-control', 'date', 'etag', 'expires', 'last-modified', 'vary']

/** What a 304 leaves as it was: the length of the stored body, and what the body's bytes depend on. §3.2 */
const NOT_UPDATED = new Set(['content-length', 'content-encoding', 'content-range', 'content-type'])

/** The lines that are stored: neither §3.1's, nor those that Connection lists, nor those that a qualified no-cache (or,
 * in a shared cache, private) names (§5.2.2.4, §5.2.2.7). A Date is added where there is none (RFC 9110 §6.6.1). */
export function storedLines(
  lines: FieldLines,
  directives: ResponseDirectives,
  policy: Policy,
  responseTimeMs: number
): FieldLines {
  const omitted = new Set([
    ...listedNames(fieldsOf(lines), 'connection'),
    ...directives.noCacheFields,
    ...(policy.shared ? directives.privateFields : [])
  ])
  for (const name of [...DEPENDED_ON, ...policy.targetList]) omitted.delete(name)
  const stored = lines.filter(([name]) => !NOT_STORED.has(name.toLowerCase()) && !omitted.has(name.toLowerCase()))
  if (fieldsOf(lines)['date'] === undefined) stored.push(['Date', formatHttpDate(responseTimeMs)])
  return stored
}

/** The stored lines with those that a 304, or a 200 to HEAD, brings in their place. An Age that it does not bring is
 * gone: it told the age of the earlier response. §3.2
 * Laxer than §3.2: Vary only grows. A 304 often lists fewer fields than the 200 did, and what was selected by more fields must
 * not answer more requests.
 * Laxer than §3.2: a weak ETag stays when a 304 brings it as a strong one. A strong one would vouch for bytes that nobody
 * has compared, and parts could be combined that do not belong together. */
export function updatedLines(stored: FieldLines, update: FieldLines): FieldLines {
  const tag = entityTag(fieldsOf(stored))
  const isKept = tag !== undefined && !isStrong(tag)
  const vary = joinedVary(stored, update)
  const brought = update.filter(([name]) => {
    const lowerCase = name.toLowerCase()
    return !NOT_UPDATED.has(lowerCase) && !(isKept && lowerCase === 'etag') && lowerCase !== 'vary'
  })
  if (vary !== undefined) brought.push(['Vary', vary])
  const replaced = new Set(brought.map(([name]) => name.toLowerCase()))
  replaced.add('age')
  return [...stored.filter(([name]) => !replaced.has(name.toLowerCase())), ...brought]
}

/** The stored Vary with what an update adds to it; undefined where it adds nothing. */
function joinedVary(stored: FieldLines, update: FieldLines): string | undefined {
  const value = combinedValue(fieldsOf(stored), 'vary')
  const known = new Set(listedNames(fieldsOf(stored), 'vary'))
  const added = listedNames(fieldsOf(update), 'vary').filter(name => !known.has(name))
  if (added.length === 0) return undefined
  return value === undefined ? combinedValue(fieldsOf(update), 'vary') : `${value}, ${added.join(', ')}`
}
