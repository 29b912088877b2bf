import type { ByteRange } from '../../lib/rfc9111/types.ts'

/** The bytes of `range` out of a body held in pieces, as views; undefined where it does not reach that far. */
export function sliceBlocks(blocks: readonly Uint8Array[], range: ByteRange): readonly Uint8Array[] | undefined {
  const slices: Uint8Array[] = []
  let offset = 0
  for (const block of blocks) {
    const start = Math.max(range.start - offset, 0)
    const end = Math.min(range.end - offset, block.byteLength)
    if (start < end) slices.push(block.subarray(start, end))
    offset += block.byteLength
  }
  return range.end <= offset ? slices : undefined
}
