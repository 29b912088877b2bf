import type { FieldLines } from '../../lib/rfc9111/types.ts'
import type { HeaderObject } from './header-lines.ts'

/** HTTP/2 frames its content: `http2-ends.ts` tells its end from a reset. undici 8 gives its raw headers as an object; undici 7 as
 * pairs, told apart from HTTP/1 by what HTTP/2 cannot have: a reason phrase, capitals, Connection. */
export function isFromHttp2(raw: unknown, statusText: string | undefined, lines: FieldLines): boolean {
  if (isRecord(raw)) return true
  return statusText === '' && lines.every(([name]) => name !== 'connection' && name === name.toLowerCase())
}

/** Raw headers or trailers as HTTP/2 gives them. */
export function isRecord(raw: unknown): raw is HeaderObject {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw)
}
