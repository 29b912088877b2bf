import { Buffer } from 'node:buffer'
import { leave } from './body-removal.ts'
import type { Batch, Tables } from './database.ts'
import { encodeKeyRow, parseKeyRow, withList } from './key-row.ts'
import { rangeOf, rowNameIn } from './layout.ts'
import { type ParsedRecord, parseRecord } from './record-layout.ts'

const ONE = Buffer.from([1])
const PAGE_BYTES = 4096
/** Values beyond lie in pages of their own. */
const INLINE_BYTES = 1900
/** Names, times and bookkeeping of one record in all tables. */
const OVERHEAD_BYTES = 400

/** A record; undefined where there is none or a damaged one. The head can be kept, the payload not. */
export function readRecord(tables: Tables, name: Uint8Array): ParsedRecord | undefined {
  const bytes = tables.records.getBinaryFast(name)
  return bytes === undefined ? undefined : parseRecord(bytes)
}

/** Stores a record, in the place of one that has its name. */
export function putRecord(batch: Batch, name: Buffer, bytes: Buffer, vary: readonly string[], nowMs: number): void {
  const { tables, marks } = batch
  marks.usedBytes += occupied(bytes.length) - occupiedBy(tables, name)
  void tables.records.put(name, bytes)
  const rowName = rowNameIn(name)
  const row = tables.keys.getBinaryFast(rowName)
  const lists = row === undefined ? [] : (parseKeyRow(row)?.lists ?? [])
  void tables.keys.put(rowName, encodeKeyRow({ stamp: batch.change(), lists: withList(lists, vary) }))
  use(tables, name, nowMs)
}

/** Removes a record, damaged or not; its body goes later, for those who are reading it, unless another record has it. */
export function removeRecord(batch: Batch, name: Uint8Array, nowMs: number, bodyStays?: 'its body stays'): void {
  const { tables, marks } = batch
  const body = bodyStays === undefined ? readRecord(tables, name)?.head.body : undefined
  marks.usedBytes -= occupiedBy(tables, name)
  void tables.records.remove(name)
  if (body !== undefined) leave(batch, body, nowMs)
  forgetUse(tables, name)
  const rowName = rowNameIn(name)
  const row = tables.keys.getBinaryFast(rowName)
  const parsed = row === undefined ? undefined : parseKeyRow(row)
  const stamp = batch.change()
  if (recordNames(tables, rowName, 1).length === 0) void tables.keys.remove(rowName)
  else if (parsed !== undefined) void tables.keys.put(rowName, encodeKeyRow({ ...parsed, stamp }))
}

/** The names of the records of a key's row, `limit` at most. */
export function recordNames(tables: Tables, rowName: Uint8Array, limit: number): Uint8Array[] {
  return [...tables.records.getKeys({ ...rangeOf(rowName), limit })] as Uint8Array[]
}

/** Puts a record last in the order of use. */
export function use(tables: Tables, name: Uint8Array, nowMs: number): void {
  const place = placeOf(name, nowMs)
  const before = tables.uses.getBinary(name)
  if (before !== undefined) void tables.order.remove(Buffer.concat([before, name]))
  void tables.uses.put(name, place.subarray(0, 8))
  void tables.order.put(place, ONE)
}

function forgetUse(tables: Tables, name: Uint8Array): void {
  const before = tables.uses.getBinary(name)
  if (before === undefined) return
  void tables.order.remove(Buffer.concat([before, name]))
  void tables.uses.remove(name)
}

/** Places in the order of use, oldest first. */
export function oldestPlaces(tables: Tables, limit: number): Uint8Array[] {
  return [...tables.order.getKeys({ limit })] as Uint8Array[]
}

export function nameInPlace(place: Uint8Array): Uint8Array {
  return place.subarray(8)
}

/** What a value takes in the data file. */
export function occupied(bytes: number): number {
  if (bytes <= INLINE_BYTES) return bytes + OVERHEAD_BYTES
  return Math.ceil((bytes + 24) / PAGE_BYTES) * PAGE_BYTES + OVERHEAD_BYTES
}

function occupiedBy(tables: Tables, name: Uint8Array): number {
  const bytes = tables.records.getBinaryFast(name)
  return bytes === undefined ? 0 : occupied(bytes.length)
}

/** Positive numbers, written like this, sort as bytes. */
function placeOf(name: Uint8Array, timeMs: number): Buffer {
  const place = Buffer.alloc(8 + name.length)
  place.writeDoubleBE(timeMs, 0)
  place.set(name, 8)
  return place
}
