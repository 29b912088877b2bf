import type { Entry } from '../lib/rfc9111/types.ts'

/** The layout of what serializers write; another version is a clean miss. */
export const RECORD_VERSION = 1

/** All that recreates a stored response: metadata and, when small, the body. */
export interface StoredRecord {
  readonly version: typeof RECORD_VERSION
  readonly entry: Entry
  readonly body?: Uint8Array | undefined
}

/** Turns records into what a store keeps, and back. */
export interface Serializer<Encoded = unknown> {
  /** Part of the storage name: what another serializer wrote is never looked at. */
  readonly name: string
  encode(record: StoredRecord): Encoded
  /** A CacheError with ERR_CACHE_RECORD for anything that `encode` did not make. */
  decode(encoded: Encoded): StoredRecord
}
