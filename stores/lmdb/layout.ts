import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import type { Table } from './database.ts'

/** Bytes of the digests that name keys, variants and tags. What they name is verified where it matters. */
export const DIGEST_BYTES = 16
/** Bytes of the digest that names a serializer and the layout. */
export const SPACE_BYTES = 4

/** SHA-256 of any string, 32 bytes. In UTF-16, where no two strings are the same. */
export function digestOf(text: string): Buffer {
  return hash('sha256', Buffer.from(text, 'utf16le'), 'buffer')
}

/** Names a cache key in the table of deletions, whatever the serializer. */
export function keyDigestOf(key: string): Buffer {
  return digestOf(key).subarray(0, DIGEST_BYTES)
}

/** Names a tag in the table of deletions. */
export function tagDigestOf(tag: string): Buffer {
  return digestOf(tag).subarray(0, DIGEST_BYTES)
}

/** What all names of one serializer's records begin with. */
export function spaceOf(serializerName: string, version: number): Buffer {
  return digestOf(`${serializerName} ${version}`).subarray(0, SPACE_BYTES)
}

/** The digest of the cache key out of the name of a key's row, or of a record. */
export function keyDigestIn(name: Uint8Array): Uint8Array {
  return name.subarray(SPACE_BYTES, SPACE_BYTES + DIGEST_BYTES)
}

/** The name of a key's row, which those of its records begin with, out of a record's. */
export function rowNameIn(recordName: Uint8Array): Uint8Array {
  return recordName.subarray(0, SPACE_BYTES + DIGEST_BYTES)
}

/** The names that begin with `prefix`, as the bounds of a range. */
export function rangeOf(prefix: Uint8Array): { readonly start: Buffer; readonly end: Buffer } {
  return { start: Buffer.from(prefix), end: Buffer.concat([prefix, Buffer.alloc(DIGEST_BYTES + 1, 0xff)]) }
}

/** Some names of a table, in order, beyond `after`. */
export function namesAfter(table: Table, after: Uint8Array, limit: number): Uint8Array[] {
  const range = after.length === 0 ? {} : { start: after, exclusiveStart: true }
  return [...table.getKeys({ ...range, limit })] as Uint8Array[]
}
