import { fieldsOf, firstValue } from '../../lib/rfc9111/fields.ts'
import { framing } from '../../lib/rfc9111/framing.ts'
import type { Response } from '../../lib/rfc9111/types.ts'
import type { Reason } from '../outcome/reasons.ts'

/** What a body must amount to for it to be stored: its length in bytes, or undefined where its end speaks for itself.
 * A word: why it cannot be recorded, however storable the response. `isFramed`: the protocol tells its end; `limit`: the
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
