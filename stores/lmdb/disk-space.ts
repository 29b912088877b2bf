import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'

/** Bytes of the disk that must be free for a write. A disk that fills up in the middle of a transaction can end the process:
 * LMDB's binding then frees memory twice. */
const RESERVE_BYTES = { storing: 16_777_216, deleting: 1_048_576 } as const

export type WriteKind = keyof typeof RESERVE_BYTES

/** The error, with ENOSPC, of a write that the disk has no space for; undefined: there is enough. */
export function lackOfSpace(path: string, kind: WriteKind): Error | undefined {
  return freeBytes(path) >= RESERVE_BYTES[kind] ? undefined : noSpace(path)
}

function freeBytes(path: string): number {
  const { blocks, bavail, bsize } = statfsSync(dirname(path))
  // A file system without a size.
  return blocks === 0 ? Infinity : bavail * bsize
}

function noSpace(path: string): Error {
  const message = `ENOSPC: no space left on device, less than ${RESERVE_BYTES.storing} bytes are free for '${path}'`
  return Object.assign(new Error(message), { code: 'ENOSPC', path })
}
