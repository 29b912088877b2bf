import { agreesWithHead } from './head.ts'
import { isOfOneVersion } from './parts.ts'
import { isPartial, storedBytes } from './segments.ts'
import type { Entry } from './types.ts'

/** Whether a response says less than one with a whole body: only such a one can give way to what was asked for before. */
export function isLesser(entry: Entry): boolean {
  return entry.method === 'HEAD' || isPartial(entry)
}

/** Whether a response that is complete gives way to what is stored of its variant: to what was asked for later, unless
 * that says less of the same version, and, itself saying less, to what was asked for before. §3.4, §4.3.5 */
export function givesWay(entry: Entry, held: Entry, isHeldLater: boolean): boolean {
  return isHeldLater ? outranks(held, entry) : !outranks(entry, held)
}

/** Of two responses of one variant the later one is kept, with however few bytes, but for a response to HEAD that agrees
 * with one to GET, and a part with fewer bytes than there are of its version. */
function outranks(later: Entry, earlier: Entry): boolean {
  if (earlier.method === 'HEAD' || later.statusCode !== earlier.statusCode) return true
  if (later.method === 'HEAD') return !agreesWithHead(earlier, later)
  if (!isPartial(later) || storedBytes(later) >= storedBytes(earlier)) return true
  return later.completeLength !== earlier.completeLength || !isOfOneVersion(later, earlier)
}
