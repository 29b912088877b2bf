import { Buffer } from 'node:buffer'
import type { Counters } from './counters.ts'
import { encodePair, keyDigestOf, namesAfter, readPair, tagDigestOf } from './layout.ts'
import type { RecordHead } from './record-layout.ts'
import type { Batch, Table, Tables } from './tables.ts'

const KEY = Buffer.from('k')
const TAG = Buffer.from('t')
/** As many are remembered for as long as `RETAIN_MS`, more only until all records have been swept. */
const MAX_DELETIONS = 10_000
const RETAIN_MS = 3_600_000
/** Deletions looked at in one write. */
const SLICE = 64

/** Logs a deletion: its position and time, by the digest of what was deleted. */
export function logDeletion(batch: Batch, kind: 'key' | 'tag', digest: Uint8Array): void {
  batch.change()
  const name = nameOf(kind === 'key' ? KEY : TAG, digest)
  void batch.tables.deletions.put(name, encodePair(name, ++batch.counters.position, Date.now()))
}

/** Logs the deletion of everything. */
export function logClear(batch: Batch): void {
  batch.change()
  batch.counters.clearedAt = ++batch.counters.position
}

/** Whether a response that was asked for as of a position has been overtaken by a deletion. */
export function isOvertaken(
  tables: Tables,
  counters: Counters,
  entry: { readonly key: string; readonly tags: readonly string[] },
  asOf: number
): boolean {
  if (asOf >= counters.position) return false
  if (asOf < counters.forgottenUpTo || asOf < counters.clearedAt) return true
  return reaches(tables.deletions, keyDigestOf(entry.key), entry.tags.map(tagDigestOf), asOf)
}

/** Whether what is stored has been deleted since. */
export function isDeleted(tables: Tables, counters: Counters, keyDigest: Uint8Array, head: RecordHead): boolean {
  const { asOf } = head
  if (asOf >= counters.position) return false
  return asOf < counters.clearedAt || reaches(tables.deletions, keyDigest, head.tags, asOf)
}

/** Forgets deletions that no request can be older than, and where there are too many others. To be called once everything
 * that was deleted up to `position` has been removed. Looks at some, after that name; returns the last of them, undefined
 * at the end. */
export function forgetDeletions(batch: Batch, position: number, after: Uint8Array): Uint8Array | undefined {
  const { deletions } = batch.tables
  const tooMany = entryCount(deletions) > MAX_DELETIONS
  const oldestMs = Date.now() - RETAIN_MS
  const names = namesAfter(deletions, after, SLICE)
  for (const name of names) {
    const pair = readPair(deletions, name)
    const [deletedAt, timeMs] = pair === undefined || pair === 'damaged' ? [0, 0] : pair
    if (deletedAt > position || (!tooMany && timeMs > oldestMs)) continue
    void deletions.remove(name)
    batch.counters.forgottenUpTo = Math.max(batch.counters.forgottenUpTo, deletedAt)
  }
  return names.at(-1)
}

function entryCount(table: Table): number {
  return (table.getStats() as { readonly entryCount: number }).entryCount
}

function reaches(deletions: Table, keyDigest: Uint8Array, tags: readonly Uint8Array[], asOf: number): boolean {
  return isAfter(deletions, KEY, keyDigest, asOf) || tags.some(tag => isAfter(deletions, TAG, tag, asOf))
}

/** What is damaged counts as a deletion. */
function isAfter(deletions: Table, kind: Buffer, digest: Uint8Array, asOf: number): boolean {
  const deletion = readPair(deletions, nameOf(kind, digest))
  return deletion !== undefined && (deletion === 'damaged' || deletion[0] > asOf)
}

function nameOf(kind: Buffer, digest: Uint8Array): Buffer {
  return Buffer.concat([kind, digest])
}
