import type { Buffer } from 'node:buffer'
import { isUint8Array } from 'node:util/types'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { CacheKey, Entry } from '../../lib/rfc9111/types.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import type { ChunkedBody } from '../shared/chunked-body.ts'
import { decodePayload, encodePayload } from '../shared/record-payload.ts'
import { encodeRecord, parseRecord, type RecordHead } from './record-layout.ts'

/** A record that is as it was written. */
export interface DecodedRecord {
  readonly head: RecordHead
  /** With the digest of the variant key in its place. */
  readonly entry: Entry
  /** undefined: it is stored in chunks. */
  readonly body: Uint8Array | undefined
}

/** Records as bytes, and back. */
export class RecordCodec {
  readonly #serializer: BytesSerializer

  constructor(serializer: BytesSerializer) {
    this.#serializer = serializer
  }

  encode(entry: Entry, variantDigest: string, body: Uint8Array | ChunkedBody<string>, keptUntilMs: number): Buffer {
    const [inline, chunked] = isUint8Array(body) ? [body, undefined] : [undefined, body]
    return encodeRecord({ keptUntilMs, body: chunked }, encodePayload(this.#serializer, entry, variantDigest, inline))
  }

  /** undefined where it is damaged, or no record of this key and variant. */
  decode(bytes: Buffer, key?: CacheKey, variantDigest?: string): DecodedRecord | undefined {
    const parsed = parseRecord(bytes)
    const record = parsed === undefined ? undefined : decodePayload(this.#serializer, parsed.payload)
    if (parsed === undefined || record === undefined) return undefined
    const { head } = parsed
    const { entry, body } = record
    if (key !== undefined && (entry.key !== key || entry.variantKey !== variantDigest)) return undefined
    const byteLength = head.body === undefined ? body?.byteLength : head.body.byteLength
    if (byteLength !== storedBytes(entry)) return undefined
    return { head, entry, body: head.body === undefined ? body : undefined }
  }
}
