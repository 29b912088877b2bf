import { isUint8Array } from 'node:util/types'
import { CacheError } from '../../lib/errors.ts'
import { propertyOf } from '../../lib/foreign-values.ts'
import type { Body } from '../../stores/store.ts'

/** Returns what is wrong with the next step of a body of which `remainingBytes` are still to come; undefined: nothing. */
export function damageIn(next: IteratorResult<Uint8Array>, remainingBytes: number): DamagedBody | undefined {
  if (next.done === true) return remainingBytes === 0 ? undefined : new DamagedBody('ended early')
  if (!isUint8Array(next.value)) return new DamagedBody('holds something other than bytes')
  return next.value.byteLength <= remainingBytes ? undefined : new DamagedBody('is longer than its entry says')
}

/** Codes of errors of the system, a connection or a service: the body itself may be undamaged. */
const TRANSIENT = /^(?:E[A-Z0-9]+|UND_ERR_\w+|ERR_CACHE_(?:TIMEOUT|STORE|CLOSED))$/

/** Tells whether reading failed because the body is not, or no longer is, what was stored. */
export function isDamage(error: unknown): boolean {
  const code = propertyOf(error, 'code')
  return typeof code !== 'string' || !TRANSIENT.test(code)
}

/** A body that is not the one that was stored. What was read of it before may be wrong as well. */
export class DamagedBody extends CacheError {
  constructor(how: string) {
    super('ERR_CACHE_BODY', `a stored body ${how}`)
  }
}

/** Releases what a body holds open. Never throws. */
export function release(iterator: AsyncIterator<Uint8Array> | undefined): void {
  try {
    void Promise.resolve(iterator?.return?.()).catch(() => {})
  } catch {
    // Nobody reads this body any more.
  }
}

/** Returns the pieces of a body that is in memory; undefined for one that has to be read. */
export function heldChunks(body: Body): readonly Uint8Array[] | undefined {
  if (isUint8Array(body)) return [body]
  return Array.isArray(body) ? body : undefined
}
