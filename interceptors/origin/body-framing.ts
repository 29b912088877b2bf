import { fieldsOf, firstValue } from '../../lib/rfc9111/fields.ts'
import { framing } from '../../lib/rfc9111/framing.ts'
import type { Response } from '../../lib/rfc9111/types.ts'
import type { Reason } from '../outcome/reasons.ts'

/** Returns the length that a body must have to be stored, in bytes; undefined where its framing tells its end. Returns a
 * reason where the body cannot be stored, though the response may be. `isFramed`: the protocol tells the end; `limit`: the
 * largest body that the store takes, in bytes. */
export function bodyFraming(
  response: Response,
  method: string,
  isFramed: boolean,
  limit: number
): { readonly expectedBytes: number | undefined } | Reason {
  const framed = framing(response, method) ?? (isFramed ? 'frames' : undefined)
  if (framed === undefined) return 'length-unknown'
  const length = firstValue(fieldsOf(response.lines), 'content-length')
  if (length === undefined || framed === 'none' || framed === 'coding') return { expectedBytes: undefined }
  const expectedBytes = Number(length)
  if (Number.isNaN(expectedBytes)) return 'length-unknown'
  return expectedBytes > limit ? 'too-large' : { expectedBytes }
}
