import type { ByteRange, Entry } from './types.ts'

/** How many bytes the stored body has: those of its segments, one after the other. */
export function storedBytes({ segments }: Pick<Entry, 'segments'>): number {
  let bytes = 0
  for (const { start, end } of segments) bytes += end - start
  return bytes
}

/** Whether bytes of the representation are missing; none are, as far as is known, while its length is not known. */
export function isPartial(entry: Entry): boolean {
  return entry.completeLength !== undefined && storedBytes(entry) < entry.completeLength
}

/** Where bytes of the representation lie in the stored body; undefined where no one segment has them all. */
export function inStoredBody({ segments }: Pick<Entry, 'segments'>, { start, end }: ByteRange): ByteRange | undefined {
  let offset = 0
  for (const segment of segments) {
    const shift = offset - segment.start
    if (segment.start <= start && end <= segment.end) return { start: start + shift, end: end + shift }
    offset += segment.end - segment.start
  }
  return undefined
}
