import type { FieldLines } from '../lib/rfc9111/types.ts'
import type { StoredRecord } from '../serializers/serializer.ts'

/* Measured as the growth of the heap by thousands of responses, some just stored, some served as well, which adds what the
 * engine remembers of each; test/stores/memory-size.test.ts measures again. */
const SLOT_BYTES = 1000
const ENTRY_BYTES = 1450
const LINE_BYTES = 166
const BLOCK_BYTES = 200

/** What a stored response occupies in this process, in bytes: objects, strings and body. An estimate, on the high side.
 * Whatever a serializer makes that is neither a string nor bytes counts as the record that it holds. */
export function sizeInMemory(
  { entry, body }: StoredRecord,
  encoded: unknown,
  blocks: readonly Uint8Array[] | undefined
): number {
  let bytes = SLOT_BYTES + entry.key.length + entry.variantKey.length
  for (const block of blocks ?? []) bytes += block.byteLength + BLOCK_BYTES
  if (typeof encoded === 'string') return bytes + encoded.length * bytesPerCharacter(encoded)
  if (encoded instanceof Uint8Array) return bytes + encoded.byteLength + BLOCK_BYTES
  return bytes + ENTRY_BYTES + linesSize(entry.lines) + linesSize(entry.trailers) + (body?.byteLength ?? 0)
}

/** Names are there twice, in lower case as well. All are strings of bytes. */
function linesSize(lines: FieldLines): number {
  let bytes = 0
  for (const [name, value] of lines) bytes += LINE_BYTES + 2 * name.length + value.length
  return bytes
}

/** V8 keeps a string in single bytes where each of its characters fits into one. */
function bytesPerCharacter(text: string): 1 | 2 {
  return /[^\0-\xff]/.test(text) ? 2 : 1
}
