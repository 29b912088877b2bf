import { givesWay, isLesser } from '../../lib/rfc9111/precedence.ts'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { MaybePromise } from '../store.ts'
import { mapMaybe } from './maybe-promise.ts'

/** Whether a response that is complete gives way to the one that is stored in its place: a slow response does not replace
 * one that was asked for after it arrived, nor a part, or a response to HEAD, a larger body of its version. `readHeld` is
 * called only where that depends on what is stored; undefined: nothing that can be served. */
export function givesWayToHeld(entry: Entry, isHeldLater: boolean, readHeld: () => Entry | undefined): boolean
export function givesWayToHeld(
  entry: Entry,
  isHeldLater: boolean,
  readHeld: () => MaybePromise<Entry | undefined>
): MaybePromise<boolean>
export function givesWayToHeld(
  entry: Entry,
  isHeldLater: boolean,
  readHeld: () => MaybePromise<Entry | undefined>
): MaybePromise<boolean> {
  if (!isHeldLater && !isLesser(entry)) return false
  return mapMaybe(readHeld(), held => held !== undefined && givesWay(entry, held, isHeldLater))
}
