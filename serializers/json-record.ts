import { isUtf8 } from 'node:buffer'
import type { Entry } from '../lib/rfc9111/types.ts'
import { RECORD_VERSION, type StoredRecord } from './serializer.ts'

/** A body in JSON: its text where it is valid UTF-8, a byte order mark included; base64 where it is not. */
type JsonBody = { readonly utf8: string } | { readonly base64: string }

const encoder = new TextEncoder()

/** A record as JSON text: the properties of StoredRecord, with an endless `expiresAtMs` as the string 'Infinity', an
 * unknown `completeLength` left out and the body as `{ utf8 }` or `{ base64 }`. */
export function toJson({ entry, body }: StoredRecord): string {
  return JSON.stringify({
    version: RECORD_VERSION,
    entry: entryToJson(entry),
    body: body === undefined ? undefined : bodyToJson(body)
  })
}

/** What toJson wrote, as the values it was made of, for readRecord to check. Throws a SyntaxError for other text. */
export function fromJson(text: string): unknown {
  const record = JSON.parse(text)
  if (typeof record !== 'object' || record === null) return record
  const { version, entry, body } = record
  // The only property written here, and on an object that has it.
  if (entry?.expiresAtMs === 'Infinity') entry.expiresAtMs = Number.POSITIVE_INFINITY
  return { version, entry, body: body === undefined ? undefined : bodyFromJson(body) }
}

function entryToJson(entry: Entry) {
  const { id, key, variantKey, vary, method, statusCode, statusText, lines, trailers } = entry
  const { requestTimeMs, responseTimeMs, completeLength, segments, tags } = entry
  return {
    id,
    key,
    variantKey,
    vary,
    method,
    statusCode,
    statusText,
    lines,
    trailers,
    requestTimeMs,
    responseTimeMs,
    completeLength,
    // What reads records of this version takes segments with a `bodyId`.
    segments: segments.map(({ start, end }) => ({ start, end, bodyId: id })),
    tags,
    expiresAtMs: entry.expiresAtMs === Number.POSITIVE_INFINITY ? 'Infinity' : entry.expiresAtMs
  }
}

function bodyToJson(body: Uint8Array): JsonBody {
  const bytes = asBuffer(body)
  return isUtf8(bytes) ? { utf8: bytes.toString() } : { base64: bytes.toString('base64') }
}

/** The bytes in memory of their own, which they share with nothing; null for anything but a JsonBody. */
function bodyFromJson(body: Partial<Record<'utf8' | 'base64', unknown>> | null): Uint8Array | null {
  if (typeof body?.utf8 === 'string') return encoder.encode(body.utf8)
  if (typeof body?.base64 === 'string') return bytesFromBase64(body.base64)
  return null
}

function bytesFromBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64')
  // Node skips what is not base64.
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  return bytes.length === (text.length / 4) * 3 - padding ? new Uint8Array(bytes) : null
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
