import { isUint8Array } from 'node:util/types'
import type { Entry, FieldLines } from '../../lib/rfc9111/types.ts'
import type { StoredRecord } from '../../serializers/serializer.ts'

/* Measured as the growth of the heap by thousands of responses, some just stored, some served as well, which adds what the
 * engine remembers of each; test/performance/memory-size.test.ts measures again. */
const SLOT_BYTES = 1000
const ENTRY_BYTES = 1450
const LINE_BYTES = 166
const TRAILER_BYTES = 112
const SEGMENT_BYTES = 64
/** With its place in the store's map of tags: 210 on Node 20, 290 on later ones. */
const TAG_BYTES = 285
/** A string, with the place of a list that it is in. */
const NAME_BYTES = 30
const BLOCK_BYTES = 200

/** What a stored response occupies in this process, in bytes: objects, strings and body. An estimate, on the high side.
 * Whatever a serializer makes that is neither a string nor bytes counts as the record that it holds. */
export function sizeInMemory(
  { entry, body }: StoredRecord,
  encoded: unknown,
  blocks: readonly Uint8Array[] | undefined
): number {
  let bytes = SLOT_BYTES + bytesOf(entry.key) + bytesOf(entry.variantKey) + namesSize(entry) + tagsSize(entry)
  for (const block of blocks ?? []) bytes += block.byteLength + BLOCK_BYTES
  if (typeof encoded === 'string') return bytes + bytesOf(encoded)
  if (isUint8Array(encoded)) return bytes + encoded.byteLength + BLOCK_BYTES
  for (const [name, value] of entry.trailers) bytes += TRAILER_BYTES + name.length + value.length
  bytes += SEGMENT_BYTES * entry.segments.length + entry.statusText.length
  return bytes + ENTRY_BYTES + linesSize(entry.lines) + (body?.byteLength ?? 0)
}

/** The selecting names, as the entry has them. */
function namesSize({ vary }: Entry): number {
  let bytes = 0
  for (const name of vary) bytes += NAME_BYTES + name.length
  return bytes
}

/** That of the origin is among those of most others. */
function tagsSize({ tags }: Entry): number {
  let bytes = 0
  for (let i = 1; i < tags.length; i++) bytes += TAG_BYTES + bytesOf(tags[i] ?? '')
  return bytes
}

/** Names are there twice, in lower case as well. All are strings of bytes. */
function linesSize(lines: FieldLines): number {
  let bytes = 0
  for (const [name, value] of lines) {
    bytes += LINE_BYTES + 2 * name.length + value.length
    // The engine remembers the field names that `no-cache` and `private` list.
    if (value.length > 100 && /cache-control$/i.test(name)) bytes += NAME_BYTES * quotedMembers(value)
  }
  return bytes
}

function quotedMembers(value: string): number {
  let members = 0
  for (const [list] of value.matchAll(/"[^"]*"?/g)) members += list.split(',').length
  return members
}

/** V8 keeps a string in single bytes where each of its characters fits into one. A look at all of them also makes one
 * string of one that was put together from many, which would occupy several times as much. */
function bytesOf(text: string): number {
  return /[^\0-\xff]/.test(text) ? 2 * text.length : text.length
}
