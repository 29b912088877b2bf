import { rangeOf } from './layout.ts'
import { type ParsedRecord, parseRecord, type RecordHead } from './record-layout.ts'
import type { Tables } from './tables.ts'

const PAGE_BYTES = 4096
/** Larger values have pages of their own. */
const MAX_VALUE_IN_TREE_BYTES = 1900
/** Names, times and bookkeeping of one record in all tables. */
const OVERHEAD_BYTES = 400

/** Gives a record to `read`, and what that returns; undefined where there is none, or a damaged one, of which `onDamage`
 * is told. The payload is memory that the next read of the database overwrites: `read` takes what it needs from it, and
 * reads nothing itself. The head can be kept. */
export function withRecord<T>(
  tables: Tables,
  name: Uint8Array,
  read: (record: ParsedRecord) => T,
  onDamage?: () => void
): T | undefined {
  const bytes = tables.records.getBinaryFast(name)
  if (bytes === undefined) return undefined
  const record = parseRecord(bytes)
  if (record !== undefined) return read(record)
  onDamage?.()
  return undefined
}

/** What a record says of itself; undefined where there is none, or a damaged one. */
export function readHead(tables: Tables, name: Uint8Array): RecordHead | undefined {
  return withRecord(tables, name, ({ head }) => head)
}

/** The names of the records of a key, `limit` at most. */
export function recordNames(tables: Tables, keyName: Uint8Array, limit: number): Uint8Array[] {
  return [...tables.records.getKeys({ ...rangeOf(keyName), limit })] as Uint8Array[]
}

/** Bytes that a record of this length occupies in the data file. */
export function occupiedByRecord(byteLength: number): number {
  if (byteLength <= MAX_VALUE_IN_TREE_BYTES) return byteLength + OVERHEAD_BYTES
  return Math.ceil((byteLength + 24) / PAGE_BYTES) * PAGE_BYTES + OVERHEAD_BYTES
}

/** Bytes that the record of this name occupies; 0 where there is none. */
export function occupiedByRecordNamed(tables: Tables, name: Uint8Array): number {
  const bytes = tables.records.getBinaryFast(name)
  return bytes === undefined ? 0 : occupiedByRecord(bytes.length)
}
