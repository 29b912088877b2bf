import type { FieldLines } from '../lib/rfc9111/types.ts'
import type { StoredRecord } from '../serializers/serializer.ts'

/* Measured as the growth of the heap by 20,000 entries; test/stores/memory-size.test.ts measures again. */
const ENTRY_BYTES = 2200
const LINE_BYTES = 150
const BLOCK_BYTES = 200

/** What a stored response occupies in this process, in bytes: objects, strings and body. An estimate, on the high side.
 * `encoded` is a record as it is, a string or bytes; `keyLength` counts the characters of its keys. */
export function sizeInMemory(encoded: unknown, blocks: readonly Uint8Array[] | undefined, keyLength: number): number {
  let bytes = ENTRY_BYTES + 2 * keyLength
  for (const block of blocks ?? []) bytes += block.byteLength + BLOCK_BYTES
  if (typeof encoded === 'string') return bytes + 2 * encoded.length
  if (encoded instanceof Uint8Array) return bytes + encoded.byteLength
  const { entry, body } = encoded as StoredRecord
  return bytes + linesSize(entry.lines) + linesSize(entry.trailers) + (body?.byteLength ?? 0)
}

function linesSize(lines: FieldLines): number {
  let bytes = 0
  for (const [name, value] of lines) bytes += LINE_BYTES + 2 * name.length + 2 * value.length
  return bytes
}
