import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { digestBytesOf } from '../shared/digest.ts'
import { parseVaryLists, type VaryLists } from '../shared/vary-lists.ts'
import type { Table } from './tables.ts'

/** Bytes of the digests that name keys, variants and tags. What they name is verified where it matters. */
export const DIGEST_BYTES = 16
/** Bytes of the digest that names a serializer and the version of records. */
const NAMESPACE_BYTES = 4
/** Bytes of body in a chunk: with its checksum and LMDB's own header it fills whole pages. */
export const CHUNK_BYTES = 262_144 - 32

const KEY_HEAD_BYTES = 12
const PAIR_BYTES = 20

/** Names a cache key in the table of deletions, whatever the serializer. */
export function keyDigestOf(key: string): Buffer {
  return digestBytesOf(key).subarray(0, DIGEST_BYTES)
}

/** Names a tag in the table of deletions. */
export function tagDigestOf(tag: string): Buffer {
  return digestBytesOf(tag).subarray(0, DIGEST_BYTES)
}

/** What the names of all keys and records of one serializer begin with. */
export function namespaceOf(serializerName: string, version: number): Buffer {
  return digestBytesOf(`${serializerName} ${version}`).subarray(0, NAMESPACE_BYTES)
}

/** The name of a key in the table of keys, which the names of its records begin with. */
export function keyNameOf(namespace: Uint8Array, keyDigest: Uint8Array): Buffer {
  return Buffer.concat([namespace, keyDigest])
}

/** The name of a record. */
export function recordNameOf(keyName: Uint8Array, variantDigest: Uint8Array): Buffer {
  return Buffer.concat([keyName, variantDigest.subarray(0, DIGEST_BYTES)])
}

/** The name of the key that a record belongs to, out of the record's name. */
export function keyNameIn(recordName: Uint8Array): Uint8Array {
  return recordName.subarray(0, NAMESPACE_BYTES + DIGEST_BYTES)
}

/** The digest of the cache key out of the name of a key or of a record. */
export function keyDigestIn(name: Uint8Array): Uint8Array {
  return name.subarray(NAMESPACE_BYTES, NAMESPACE_BYTES + DIGEST_BYTES)
}

/** The name of a chunk of a body: numbers sort as bytes. */
export function chunkNameOf(bodyName: Uint8Array, index: number): Buffer {
  const name = Buffer.alloc(bodyName.length + 4)
  name.set(bodyName)
  name.writeUInt32BE(index, bodyName.length)
  return name
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

/** What is stored of a cache key beside its records. */
export interface KeyRow {
  /** The number of the change in which any of its records was last written or removed. */
  readonly lastChange: number
  /** The lists of Vary field names of its records, most recent first. */
  readonly lists: VaryLists
}

/** CRC-32 of what follows, the number of the change, the lists as JSON: nothing for one list without names. */
export function encodeKeyRow({ lastChange, lists }: KeyRow): Buffer {
  const text = lists.length === 1 && lists[0]?.length === 0 ? '' : JSON.stringify(lists)
  const bytes = Buffer.alloc(KEY_HEAD_BYTES + Buffer.byteLength(text))
  bytes.writeDoubleLE(lastChange, 4)
  bytes.write(text, KEY_HEAD_BYTES)
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

/** Reads the row of a key; undefined where there is none, or a damaged one. */
export function readKeyRow(keys: Table, keyName: Uint8Array): KeyRow | undefined {
  const bytes = keys.getBinaryFast(keyName)
  if (bytes === undefined) return undefined
  const row = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (row.length < KEY_HEAD_BYTES || crc32(row.subarray(4)) !== row.readUInt32LE(0)) return undefined
  const lists = row.length === KEY_HEAD_BYTES ? [[]] : parseVaryLists(row.toString('utf8', KEY_HEAD_BYTES))
  return lists === undefined ? undefined : { lastChange: row.readDoubleLE(4), lists }
}

/** Two numbers that are stored under a name, after a checksum of the name and of both. */
export function encodePair(name: Uint8Array, first: number, second: number): Buffer {
  const bytes = Buffer.alloc(PAIR_BYTES)
  bytes.writeDoubleLE(first, 4)
  bytes.writeDoubleLE(second, 12)
  bytes.writeUInt32LE(crc32(bytes.subarray(4), crc32(name)), 0)
  return bytes
}

/** Reads two numbers; undefined where there are none, 'damaged' where the bytes are others than were written. */
export function readPair(
  table: Table,
  name: Uint8Array
): readonly [first: number, second: number] | 'damaged' | undefined {
  const bytes = table.getBinaryFast(name)
  if (bytes === undefined) return undefined
  if (bytes.length !== PAIR_BYTES) return 'damaged'
  const view = bytes.subarray(0, PAIR_BYTES)
  if (crc32(view.subarray(4), crc32(name)) !== view.readUInt32LE(0)) return 'damaged'
  return [view.readDoubleLE(4), view.readDoubleLE(12)]
}
