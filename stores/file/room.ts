/** What file systems allot. */
const BLOCK_BYTES = 4096

/** What a file of so many bytes takes up on the disk. */
export function roomFor(byteLength: number): number {
  return Math.ceil(byteLength / BLOCK_BYTES) * BLOCK_BYTES
}
