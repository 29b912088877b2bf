import { fieldsOf, firstValue } from './fields.ts'
import type { Entry, Response } from './types.ts'

const IDENTIFYING = ['etag', 'last-modified', 'content-length']

/** Whether a 200 to HEAD speaks of the stored response to GET: no validator or length that it gives differs. §4.3.5 */
export function agreesWithHead(entry: Entry, response: Response): boolean {
  const stored = fieldsOf(entry.lines)
  const update = fieldsOf(response.lines)
  return IDENTIFYING.every(name => {
    const value = firstValue(update, name)
    return value === undefined || value === storedValue(entry, stored, name)
  })
}

/** A response in chunks has no Content-Length; how long it turned out is known. */
function storedValue(entry: Entry, stored: ReturnType<typeof fieldsOf>, name: string): string | undefined {
  const value = firstValue(stored, name)
  if (name !== 'content-length' || value !== undefined) return value
  return entry.completeLength === undefined ? undefined : `${entry.completeLength}`
}
