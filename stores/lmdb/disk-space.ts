import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'

/** So much of the disk is left free by what is stored, and a little by what is deleted: a disk that fills up in the midst
 * of a transaction can end the process, since LMDB's binding then frees what it has freed. */
const RESERVE_BYTES = { storing: 16_777_216, deleting: 1_048_576 } as const

export type WriteKind = keyof typeof RESERVE_BYTES

/** What the disk has no room for, with ENOSPC; undefined: there is enough. */
export function lackOfRoom(path: string, kind: WriteKind): Error | undefined {
  return freeBytes(path) >= RESERVE_BYTES[kind] ? undefined : noRoom(path)
}

function freeBytes(path: string): number {
  const { blocks, bavail, bsize } = statfsSync(dirname(path))
  // One without a size.
  return blocks === 0 ? Infinity : bavail * bsize
}

function noRoom(path: string): Error {
  const message = `ENOSPC: no space left on device, less than ${RESERVE_BYTES.storing} bytes are free for '${path}'`
  return Object.assign(new Error(message), { code: 'ENOSPC', path })
}
