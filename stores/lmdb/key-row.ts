import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'

const MAX_LISTS = 8
const FIXED_BYTES = 12

/** What is remembered of a cache key: the lists of Vary field names seen, most recent first, and when any of its records
 * last changed. */
export interface KeyRow {
  /** Number of that change. */
  readonly stamp: number
  readonly lists: readonly (readonly string[])[]
}

/** CRC-32 of what follows, the stamp, the lists as JSON. */
export function encodeKeyRow({ stamp, lists }: KeyRow): Buffer {
  const text = lists.length === 1 && lists[0]?.length === 0 ? '' : JSON.stringify(lists)
  const bytes = Buffer.alloc(FIXED_BYTES + Buffer.byteLength(text))
  bytes.writeDoubleLE(stamp, 4)
  bytes.write(text, FIXED_BYTES)
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
  return bytes
}

/** undefined where the bytes are damaged. */
export function parseKeyRow(bytes: Uint8Array): KeyRow | undefined {
  const row = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (row.length < FIXED_BYTES || crc32(row.subarray(4)) !== row.readUInt32LE(0)) return undefined
  const lists = row.length === FIXED_BYTES ? [[]] : parseLists(row.toString('utf8', FIXED_BYTES))
  return lists === undefined ? undefined : { stamp: row.readDoubleLE(4), lists }
}

/** The lists with `list` first. */
export function withList(
  lists: readonly (readonly string[])[],
  list: readonly string[]
): readonly (readonly string[])[] {
  const others = lists.filter(names => names.length !== list.length || names.some((name, i) => name !== list[i]))
  return [list, ...others].slice(0, MAX_LISTS)
}

function parseLists(text: string): readonly (readonly string[])[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isList = (list: unknown) => Array.isArray(list) && list.every(name => typeof name === 'string')
    return Array.isArray(value) && value.every(isList) ? (value as string[][]) : undefined
  } catch {
    return undefined
  }
}
