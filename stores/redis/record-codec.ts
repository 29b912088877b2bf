import type { Buffer } from 'node:buffer'
import { isUint8Array } from 'node:util/types'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { CacheKey, Entry } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import { type ChunkedBody, encodeRecord, parseRecord, type RecordHead } from './record-layout.ts'

/** A record that is as it was written. */
export interface ReadRecord {
  readonly head: RecordHead
  /** With the digest of the variant key in its place. */
  readonly entry: Entry
  /** undefined: it lies in chunks. */
  readonly body: Uint8Array | undefined
}

/** Entries as bytes, and back. Nothing of a request's fields is written: a digest stands for the variant key. */
export class Records {
  readonly #serializer: BytesSerializer

  constructor(serializer: BytesSerializer) {
    this.#serializer = serializer
  }

  encode(entry: Entry, variantDigest: string, body: Uint8Array | ChunkedBody, keptUntilMs: number): Buffer {
    const digested: Entry = { ...entry, variantKey: variantDigest }
    const [inline, chunked] = isUint8Array(body) ? [body] : [undefined, body]
    const payload = this.#serializer.encode({ version: RECORD_VERSION, entry: digested, body: inline })
    return encodeRecord({ keptUntilMs, body: chunked }, payload)
  }

  /** undefined where it is damaged, or no record of this key and variant. */
  decode(bytes: Buffer, key?: CacheKey, variantDigest?: string): ReadRecord | undefined {
    const parsed = parseRecord(bytes)
    if (parsed === undefined) return undefined
    const { head, payload } = parsed
    try {
      const { entry, body } = this.#serializer.decode(payload)
      if (key !== undefined && (entry.key !== key || entry.variantKey !== variantDigest)) return undefined
      const byteLength = head.body === undefined ? body?.byteLength : head.body.byteLength
      if (byteLength !== storedBytes(entry)) return undefined
      return { head, entry, body: head.body === undefined ? body : undefined }
    } catch {
      return undefined
    }
  }
}
