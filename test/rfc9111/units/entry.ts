import type { Entry, FieldLine } from '../../../lib/rfc9111/types.ts'

/** A stored 200 to GET with those lines, of which nothing else is said. */
export function entryOf(lines: readonly FieldLine[], changes: Partial<Entry> = {}): Entry {
  return {
    id: 'a',
    key: 'http://a.test/',
    variantKey: '',
    vary: [],
    method: 'GET',
    statusCode: 200,
    statusText: 'OK',
    lines,
    trailers: [],
    requestTimeMs: 0,
    responseTimeMs: 0,
    completeLength: undefined,
    segments: [],
    tags: [],
    expiresAtMs: Infinity,
    ...changes
  }
}
