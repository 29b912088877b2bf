import { CacheError } from '../../lib/errors.ts'
import { nextTurn } from '../../lib/event-loop.ts'
import type { ByteRange } from '../../lib/rfc9111/types.ts'
import type { Stored } from '../../stores/store.ts'
import { damageIn, heldChunks, isDamage, release } from '../store-access/body-checks.ts'
import { isLate, type StoreDeadline } from '../store-access/store-deadline.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'

/** The size in which larger pieces are delivered, and how many of them in one turn of the event loop. */
const STEP_BYTES = 65_536
const STEPS_PER_TURN = 16

/** Reads a range of a stored body, piece by piece; the pieces belong to the store. Throws where the bytes cannot be read: a
 * CacheError with ERR_CACHE_BODY where they are missing or not what was stored. The guard has been told, and a damaged entry
 * is removed. */
export async function* storedChunks(
  guard: StoreGuard,
  stored: Stored,
  range: ByteRange,
  deadline = guard.newDeadline()
): AsyncGenerator<Uint8Array, void, undefined> {
  const body = await guard.open(stored, range, deadline)
  if (body === undefined) throw new CacheError('ERR_CACHE_BODY', 'a stored body is gone')
  let steps = 0
  for await (const piece of heldChunks(body) ??
    readPieces(guard, stored, body as AsyncIterable<Uint8Array>, range, deadline)) {
    for (let start = 0; start < piece.byteLength; start += STEP_BYTES) {
      yield piece.subarray(start, start + STEP_BYTES)
      if (++steps % STEPS_PER_TURN === 0) await nextTurn()
    }
  }
}

/** Checks that the pieces have the length of the range. */
async function* readPieces(
  guard: StoreGuard,
  { entry }: Stored,
  body: AsyncIterable<Uint8Array>,
  { start, end }: ByteRange,
  deadline: StoreDeadline
): AsyncGenerator<Uint8Array, void, undefined> {
  let remainingBytes = end - start
  const iterator = guard.iterate(body)
  try {
    for (let isFirst = true; ; isFirst = false) {
      const next = await guard.read(iterator, isFirst ? deadline : undefined)
      const damage = damageIn(next, remainingBytes)
      if (damage !== undefined) {
        guard.report(damage, 'read')
        throw damage
      }
      if (next.done === true) return
      remainingBytes -= next.value.byteLength
      yield next.value
    }
  } catch (error) {
    if (isDamage(error)) void guard.remove(entry)
    // All bytes are there; only the end of the stream is late.
    else if (isLate(error) && remainingBytes === 0) return
    throw error
  } finally {
    release(iterator)
  }
}
