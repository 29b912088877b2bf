import type { Dispatcher } from 'undici'
import { CacheError } from '../../../lib/errors.ts'

/** An answer of the service that is not what was asked for. */
export class S3Error extends CacheError {
  readonly statusCode: number
  /** The service's own code, such as AccessDenied. */
  readonly service: string

  constructor(what: string, statusCode: number, service: string) {
    super('ERR_CACHE_STORE', `the object storage has answered ${what} with ${statusCode}${service && ` ${service}`}`)
    this.statusCode = statusCode
    this.service = service
  }
}

const MAX_ERROR_BYTES = 16_384

/** Reads what the service says of an error, to the end of the body if that is near. */
export async function readError({ statusCode, body }: Dispatcher.ResponseData, what: string): Promise<S3Error> {
  const text = await readText(body, MAX_ERROR_BYTES)
  return new S3Error(what, statusCode, elementIn(text, 'Code')?.slice(0, 64) ?? '')
}

/** The text of a body, cut off where it is longer. Rejects where the connection is lost. */
export async function readText(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = []
  let byteLength = 0
  for await (const piece of body) {
    pieces.push(piece)
    byteLength += piece.byteLength
    if (byteLength > maxBytes) break
  }
  return Buffer.concat(pieces, Math.min(byteLength, maxBytes)).toString()
}

/** The text in the first element of that name. What the service sends is flat: an element within one of the same name does
 * not occur. */
export function elementIn(xml: string, name: string): string | undefined {
  const start = xml.indexOf(`<${name}>`)
  const end = xml.indexOf(`</${name}>`, start)
  if (start < 0 || end < 0) return undefined
  return unescapeXml(xml.slice(start + name.length + 2, end))
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeXml(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(amp|lt|gt|quot|apos));/gi, (_, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? ''
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code <= 0x10_ffff ? String.fromCodePoint(code) : ''
  })
}
