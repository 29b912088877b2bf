import { Buffer } from 'node:buffer'
import type { FileContext } from './context.ts'
import { readFully, TO_READ, writeFully } from './file-system.ts'
import type { Folders } from './folders.ts'

const MAX_BYTES = 20

/** What the last sweep has left, in a file for the other processes. */
export interface SweepResult {
  readonly totalBytes: number
  readonly writtenAtMs: number
}

/** Rejects where there is none. */
export async function readSweepResult(folders: Folders): Promise<SweepResult> {
  const handle = await folders.fs.open(folders.sweptPath(), TO_READ)
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

export async function writeSweepResult({ folders, deletions }: FileContext, totalBytes: number): Promise<void> {
  const generation = deletions.position?.generation
  if (generation === undefined) return
  const { path, handle } = await folders.openTemporary(generation)
  try {
    await writeFully(handle, Buffer.from(String(totalBytes)), 0)
  } finally {
    await handle.close()
  }
  await folders.fs.rename(path, folders.sweptPath())
}
