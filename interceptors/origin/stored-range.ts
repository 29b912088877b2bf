import type { ByteRange } from '../../lib/rfc9111/types.ts'
import type { BodyWriter, Stored } from '../../stores/store.ts'
import { storedChunks } from '../replay/body-chunks.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'

/** A range of a stored body, which is to be copied into another. */
export interface StoredRange {
  readonly stored: Stored
  readonly range: ByteRange
}

/** Copies a stored range into a body that is being written. Resolves to false where that failed, which the guard has reported,
 * or `isOver` says that it is not wanted any more. */
export async function copyRange(
  guard: StoreGuard,
  writer: BodyWriter,
  { stored, range }: StoredRange,
  isOver: () => boolean
): Promise<boolean> {
  try {
    for await (const piece of storedChunks(guard, stored, range)) {
      if (isOver() || !(await guard.write(writer, new Uint8Array(piece)))) return false
    }
    return true
  } catch {
    return false
  }
}
