import { combinedValue, fieldsOf, firstValue } from './fields.ts'
import type { Entry, FieldLine, FieldLines, Request, Response } from './types.ts'
import { entityTag, isStrong, listedTags, matchesWeakly } from './validators.ts'

/** A request that may end in a 304 for what is stored. */
export interface Revalidation {
  /** What could answer if it is confirmed, or if the origin fails; the most recent first. */
  readonly candidates: readonly Entry[]
  /** Conditional fields to send in place of the client's; none where nothing stored has a validator. */
  readonly conditions: FieldLines
}

/** §4.3.1: the stored entity tags beside the client's own, and the most recent Last-Modified. */
export function revalidationOf(request: Request, candidates: readonly Entry[]): Revalidation {
  const conditions: FieldLine[] = []
  const ownTags = combinedValue(request.fields, 'if-none-match')
  const tags = candidates.map(({ lines }) => entityTag(fieldsOf(lines))).filter(tag => tag !== undefined)
  const listed = ownTags === undefined ? [] : listedTags(ownTags)
  // An asterisk stands alone, and asks for more than any tag could. RFC 9110 §13.1.2
  if (tags.length > 0 && !listed.includes('*')) {
    conditions.push(['If-None-Match', [...new Set([...listed, ...tags])].join(', ')])
  }
  // Beside the client's entity tags a date of ours would not be looked at. RFC 9110 §13.1.3
  const lastModified = newestLastModified(candidates)
  if (lastModified !== undefined && ownTags === undefined) conditions.push(['If-Modified-Since', lastModified])
  return { candidates, conditions }
}

function newestLastModified(candidates: readonly Entry[]): string | undefined {
  for (const { lines } of candidates) {
    const lastModified = firstValue(fieldsOf(lines), 'last-modified')
    if (lastModified !== undefined) return lastModified
  }
  return undefined
}

/** The stored responses that a 304 confirms; none where it speaks of something else. §4.3.4
 * Laxer than §4.3.4: a strong entity tag confirms a weak one too, and a 304 without any validator the one response whose
 * validators were sent. */
export function confirmedBy(response: Response, request: Request, revalidation: Revalidation): readonly Entry[] {
  const { candidates, conditions } = revalidation
  if (conditions.length === 0) return []
  const fields = fieldsOf(response.lines)
  const tag = entityTag(fields)
  if (tag !== undefined) {
    const matching = candidates.filter(({ lines }) => {
      const stored = entityTag(fieldsOf(lines))
      return stored !== undefined && matchesWeakly(tag, stored)
    })
    return isStrong(tag) ? matching : matching.slice(0, 1)
  }
  const lastModified = firstValue(fields, 'last-modified')
  if (lastModified !== undefined) {
    return candidates.filter(({ lines }) => firstValue(fieldsOf(lines), 'last-modified') === lastModified).slice(0, 1)
  }
  return candidates.length === 1 && request.fields['if-none-match'] === undefined ? candidates : []
}
