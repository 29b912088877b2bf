import type { Entry } from '../../lib/rfc9111/types.ts'
import { RECORD_VERSION, type StoredRecord } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'

/** A record as bytes, with `variantDigest` in the place of its variant key: nothing of a request's fields, which may be
 * credentials, is written. `body` is left out where it is stored apart. */
export function encodePayload(
  serializer: BytesSerializer,
  entry: Entry,
  variantDigest: string,
  body: Uint8Array | undefined
): Uint8Array {
  return serializer.encode({ version: RECORD_VERSION, entry: { ...entry, variantKey: variantDigest }, body })
}

/** The record that was encoded, with the digest for its variant key; undefined for what no record can be decoded from. */
export function decodePayload(serializer: BytesSerializer, payload: Uint8Array): StoredRecord | undefined {
  try {
    return serializer.decode(payload)
  } catch {
    return undefined
  }
}
