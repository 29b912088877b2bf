import { Buffer } from 'node:buffer'
import { join } from 'node:path'
import type { FileContext } from './context.ts'
import { readFully, TO_READ, writeFully } from './file-system.ts'
import type { Folders } from './folders.ts'

const MAX_BYTES = 20

/** What the last sweep has left, in a file for the other processes. */
export interface Stamp {
  readonly totalBytes: number
  readonly writtenAtMs: number
}

export function stampPath({ storage }: Folders): string {
  return join(storage, 'swept')
}

/** Rejects where there is none. */
export async function readStamp(folders: Folders): Promise<Stamp> {
  const handle = await folders.fs.open(stampPath(folders), TO_READ)
  try {
    const digits = Buffer.alloc(MAX_BYTES)
    const byteLength = await readFully(handle, digits, 0)
    const totalBytes = Number(digits.toString('latin1', 0, byteLength) || 'none')
    if (!Number.isSafeInteger(totalBytes) || totalBytes < 0) throw new RangeError('not a number of bytes')
    return { totalBytes, writtenAtMs: (await handle.stat()).mtimeMs }
  } finally {
    await handle.close()
  }
}

export async function writeStamp({ folders, deletions }: FileContext, totalBytes: number): Promise<void> {
  const generation = deletions.position?.generation
  if (generation === undefined) return
  const { path, handle } = await folders.openTemporary(generation)
  try {
    await writeFully(handle, Buffer.from(String(totalBytes)), 0)
  } finally {
    await handle.close()
  }
  await folders.fs.rename(path, stampPath(folders))
}
