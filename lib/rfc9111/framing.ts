import { combinedValue, fieldsOf } from './fields.ts'
import type { Response } from './types.ts'

/** Whether a body of this response is to be expected; HEAD, 204 and 304 have none. RFC 9110 §6.4.1 */
export function hasBody(method: string, statusCode: number): boolean {
  return method !== 'HEAD' && statusCode !== 204 && statusCode !== 304
}

/** How the end of the body is told apart from an interruption; undefined where it cannot be: an orderly close and a lost
 * connection look the same. RFC 9112 §6.3
 * Laxer than RFC 9112 §6.3: a transfer coding other than `chunked` and `identity` counts as one that knows its own end. */
export function framing(response: Response, method: string): 'none' | 'length' | 'coding' | undefined {
  if (!hasBody(method, response.statusCode)) return 'none'
  const fields = fieldsOf(response.lines)
  const coding = combinedValue(fields, 'transfer-encoding')
  if (coding !== undefined) return coding.toLowerCase() === 'identity' ? undefined : 'coding'
  return fields['content-length'] === undefined ? undefined : 'length'
}
