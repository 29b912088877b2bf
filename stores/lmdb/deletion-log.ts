import { Buffer } from 'node:buffer'
import type { Marks } from './counters.ts'
import type { Batch, Table, Tables } from './database.ts'
import { keyDigestOf, namesAfter, tagDigestOf } from './layout.ts'
import { encodeNumbers, parseNumbers } from './numbers.ts'
import type { RecordHead } from './record-layout.ts'

const KEY = Buffer.from('k')
const TAG = Buffer.from('t')
/** As many are remembered for as long as it takes, more only until everything has been looked over. */
const MAX_DELETIONS = 10_000
const RETAIN_MS = 3_600_000
/** Deletions looked at in one write. */
const SLICE = 64

/** A deletion as it is remembered: its position and time, by what it was about. */
export function noteDeletion(batch: Batch, kind: 'key' | 'tag', digest: Uint8Array): void {
  batch.change()
  const name = nameOf(kind === 'key' ? KEY : TAG, digest)
  void batch.tables.deletions.put(name, encodeNumbers(name, ++batch.marks.position, Date.now()))
}

/** Whether a response that was asked for as of a position has been overtaken by a deletion. */
export function isOvertaken(
  tables: Tables,
  marks: Marks,
  entry: { readonly key: string; readonly tags: readonly string[] },
  asOf: number
): boolean {
  if (asOf >= marks.position) return false
  if (asOf < marks.floor || asOf < marks.clearedAt) return true
  return reaches(tables.deletions, keyDigestOf(entry.key), entry.tags.map(tagDigestOf), asOf)
}

/** Whether what is stored has been deleted since. */
export function isDeleted(tables: Tables, marks: Marks, keyDigest: Uint8Array, head: RecordHead): boolean {
  const { asOf } = head
  if (asOf >= marks.position) return false
  return asOf < marks.clearedAt || reaches(tables.deletions, keyDigest, head.tags, asOf)
}

/** After everything that was deleted up to `position` has been removed: forgets deletions that no request can be older
 * than, and where there are too many others. Looks at some, after that name; gives the last of them, undefined at the end. */
export function forgetDeletions(
  batch: Batch,
  position: number,
  nowMs: number,
  after: Uint8Array
): Uint8Array | undefined {
  const { deletions } = batch.tables
  const tooMany = entryCount(deletions) > MAX_DELETIONS
  const names = namesAfter(deletions, after, SLICE)
  for (const name of names) {
    const [at, timeMs] = readDeletion(deletions, name) ?? [0, 0]
    if (at > position || (!tooMany && timeMs > nowMs - RETAIN_MS)) continue
    void deletions.remove(name)
    batch.marks.floor = Math.max(batch.marks.floor, at)
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
  const name = nameOf(kind, digest)
  const bytes = deletions.getBinaryFast(name)
  if (bytes === undefined) return false
  const deletion = parseNumbers(name, bytes)
  return deletion === undefined || deletion[0] > asOf
}

function readDeletion(deletions: Table, name: Uint8Array): readonly [number, number] | undefined {
  const bytes = deletions.getBinaryFast(name)
  return bytes === undefined ? undefined : parseNumbers(name, bytes)
}

function nameOf(kind: Buffer, digest: Uint8Array): Buffer {
  return Buffer.concat([kind, digest])
}
