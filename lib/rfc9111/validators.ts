import { firstValue } from './fields.ts'
import type { Fields } from './types.ts'

/** The entity tag as it was sent; undefined where there is none, or an empty field. RFC 9110 §8.8.3 */
export function entityTag(fields: Fields): string | undefined {
  const tag = firstValue(fields, 'etag')
  return tag === '' ? undefined : tag
}

export function isStrong(tag: string): boolean {
  return !tag.startsWith('W/')
}

/** RFC 9110 §8.8.3.2, the strong comparison. */
export function matchesStrongly(a: string, b: string): boolean {
  return isStrong(a) && a === b
}

/** RFC 9110 §8.8.3.2, the weak comparison. */
export function matchesWeakly(a: string, b: string): boolean {
  return opaqueTag(a) === opaqueTag(b)
}

function opaqueTag(tag: string): string {
  return isStrong(tag) ? tag : tag.slice(2)
}

/** The members of If-None-Match or If-Match, `*` and what has no quotation marks among them. A backslash in an entity tag
 * escapes nothing. RFC 9110 §8.8.3, §13.1 */
export function listedTags(value: string): readonly string[] {
  return value.match(/(?:W\/)?"[^"]*"|[^\s,]+/g) ?? []
}

/** Whether a response can be validated with the origin at all. §4.3.1 */
export function hasValidator(fields: Fields): boolean {
  return entityTag(fields) !== undefined || firstValue(fields, 'last-modified') !== undefined
}
