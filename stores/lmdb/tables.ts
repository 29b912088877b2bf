import type { Buffer } from 'node:buffer'
import type { Database } from 'lmdb'
import type { Counters } from './counters.ts'

/** The tables, with their names in the data file. */
export const TABLES = {
  counters: 'marks',
  keys: 'keys',
  records: 'records',
  lastUses: 'uses',
  useOrder: 'order',
  deletions: 'deletions',
  bodies: 'bodies',
  bodyRemovals: 'leaving'
} as const

/** How everything in the tables is kept: as bytes. */
export const BYTES = { encoding: 'binary', keyEncoding: 'binary' } as const

export type Table = Database<Buffer, Uint8Array>
export type Tables = { readonly [Name in keyof typeof TABLES]: Table }

/** A write under way: what it does is done together with all else of its batch, or not at all. */
export interface Batch {
  readonly tables: Tables
  readonly counters: Counters
  /** To be called where records or deletions change. Returns the number of the change. */
  change(): number
}
