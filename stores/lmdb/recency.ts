import { Buffer } from 'node:buffer'
import type { Tables } from './tables.ts'

const PRESENT = Buffer.from([1])
const TIME_BYTES = 8

/** Moves a record to the end of the order of use. */
export function recordUse(tables: Tables, name: Uint8Array, nowMs: number): void {
  const use = encodeUse(name, nowMs)
  const before = tables.lastUses.getBinary(name)
  if (before !== undefined) void tables.useOrder.remove(Buffer.concat([before, name]))
  void tables.lastUses.put(name, use.subarray(0, TIME_BYTES))
  void tables.useOrder.put(use, PRESENT)
}

export function hasUse(tables: Tables, name: Uint8Array): boolean {
  return tables.lastUses.getBinaryFast(name) !== undefined
}

/** Takes a record out of the order of use. */
export function forgetUse(tables: Tables, name: Uint8Array): void {
  const before = tables.lastUses.getBinary(name)
  if (before === undefined) return
  void tables.useOrder.remove(Buffer.concat([before, name]))
  void tables.lastUses.remove(name)
}

/** The last uses of the records that were not used for the longest time, oldest first. */
export function oldestUses(tables: Tables, limit: number): Uint8Array[] {
  return [...tables.useOrder.getKeys({ limit })] as Uint8Array[]
}

/** The name of the record that was used. */
export function recordNameIn(use: Uint8Array): Uint8Array {
  return use.subarray(TIME_BYTES)
}

/** A time and a name. Positive numbers, written like this, sort as bytes. */
function encodeUse(name: Uint8Array, timeMs: number): Buffer {
  const use = Buffer.alloc(TIME_BYTES + name.length)
  use.writeDoubleBE(timeMs, 0)
  use.set(name, TIME_BYTES)
  return use
}
