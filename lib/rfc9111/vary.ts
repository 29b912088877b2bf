import { combinedValue, isToken, listedNames, listParts, trimWhitespace } from './fields.ts'
import type { Fields, Request, VariantKey } from './types.ts'

const NONE: readonly string[] = []

/** Fields that are no lists: each byte may tell users apart. RFC 9110 §11.6.2, §11.7.2, RFC 6265 §4.2.1 */
const VERBATIM = new Set(['authorization', 'cookie', 'proxy-authorization'])

/** The selecting field names, lower case, sorted, without duplicates; '*' where no request can match, and where a member is
 * no field name: which field it means cannot be known. §4.1 */
export function selectingFieldNames(fields: Fields): readonly string[] | '*' {
  if (fields['vary'] === undefined) return NONE
  const names = listedNames(fields, 'vary')
  return names.every(name => name !== '*' && isToken(name)) ? [...new Set(names)].sort() : '*'
}

/** The variant that `request` selects where responses vary by `names`. Requests with equal keys match. §4.1
 * GET and HEAD share one: a response to either speaks of the same representation. */
export function variantKey(request: Request, names: readonly string[]): VariantKey {
  let key = `GET\n${onOneLine(request.partition)}`
  for (const name of names) {
    const value = combinedValue(request.fields, name)
    key += value === undefined ? `\n${name}` : `\n${name}:${onOneLine(normalise(name, value))}`
  }
  return key
}

/** No two values come out the same: what is quoted here was not what it looks like. */
function onOneLine(value: string): string {
  return /[\n"]/.test(value) ? JSON.stringify(value) : value
}

/** Laxer than §4.1: selecting fields compare without white space around commas outside quoted strings, even if a field is
 * not known to be a list, save Authorization, Proxy-Authorization and Cookie, each byte of which counts. Empty members
 * count. Accept-Language compares without regard to case, and to order among equal weights. */
function normalise(name: string, value: string): string {
  if (name === 'accept-language') return normaliseLanguages(value)
  if (VERBATIM.has(name)) return trimWhitespace(value)
  if (!/[ \t,]/.test(value)) return value
  return listParts(value).join(',')
}

function normaliseLanguages(value: string): string {
  return listParts(value.toLowerCase()).map(normaliseRange).sort().join(',')
}

/** A language range with its weight in one form, none for 1; what has no weight, or more than that, as it is. */
function normaliseRange(member: string): string {
  const semicolon = member.indexOf(';')
  if (semicolon === -1) return member
  const weight = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(trimWhitespace(member.slice(semicolon + 1)))?.[1]
  if (weight === undefined) return member
  const range = trimWhitespace(member.slice(0, semicolon))
  return Number(weight) === 1 ? range : `${range};q=${Number(weight)}`
}
