import { fieldsOf, firstValue } from '../lib/rfc9111/fields.ts'
import { framing } from '../lib/rfc9111/framing.ts'
import type { Response } from '../lib/rfc9111/types.ts'

/** How a response came. */
export interface Transport {
  readonly isHttp2: boolean
  /** A redirect was followed below the cache: this is not the response of the URL that was asked for. */
  readonly redirected: boolean
  /** The largest body that the store takes, in bytes. */
  readonly limit: number
}

/** What a body must amount to for it to be stored: its length in bytes, or undefined where its end speaks for itself.
 * A word: why it cannot be recorded, however storable the response. */
export function recordability(
  response: Response,
  method: string,
  { isHttp2, redirected, limit }: Transport
): { readonly expectedBytes: number | undefined } | string {
  const framed = framing(response, method) ?? (isHttp2 ? 'frames' : undefined)
  if (framed === undefined) return 'length-unknown'
  if (redirected) return 'redirected'
  const length = firstValue(fieldsOf(response.lines), 'content-length')
  if (length === undefined || framed === 'none' || framed === 'coding') return { expectedBytes: undefined }
  const expectedBytes = Number(length)
  if (Number.isNaN(expectedBytes)) return 'length-unknown'
  return expectedBytes > limit ? 'too-large' : { expectedBytes }
}
