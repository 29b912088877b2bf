import { isOfOneVersion } from '../lib/rfc9111/parts.ts'
import { isPartial } from '../lib/rfc9111/segments.ts'
import type { Entry, Request } from '../lib/rfc9111/types.ts'
import { variantKey } from '../lib/rfc9111/vary.ts'
import type { MaybePromise } from '../stores/store.ts'
import { mapMaybe } from './maybe-promise.ts'
import type { StoreGuard } from './store-guard.ts'

/** Whether a part may take the place of what is stored by now for its request: never of a whole of its version, or of a
 * newer one; what is left of a response that broke off, of no whole at all. */
export function mayStorePart(
  guard: StoreGuard,
  request: Request,
  part: Entry,
  isCutOff: boolean
): MaybePromise<boolean> {
  const isInTheWay = (entry: Entry) => {
    if (entry.variantKey !== part.variantKey || isPartial(entry)) return false
    return isCutOff || entry.responseTimeMs > part.requestTimeMs || isOfOneVersion(entry, part)
  }
  const found = guard.find(part.key, names => variantKey(request, names), isInTheWay)
  return mapMaybe(found, inTheWay => inTheWay === undefined)
}
