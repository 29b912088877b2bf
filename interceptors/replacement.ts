import { givesWay } from '../lib/rfc9111/precedence.ts'
import { isPartial } from '../lib/rfc9111/segments.ts'
import type { Entry, Request } from '../lib/rfc9111/types.ts'
import { variantKey } from '../lib/rfc9111/vary.ts'
import type { MaybePromise } from '../stores/store.ts'
import { mapMaybe } from './maybe-promise.ts'
import type { StoreGuard } from './store-guard.ts'

/** Whether a part, or a response to HEAD, may take the place of what is stored by now for its request: never of a body that
 * says more of its version, or of a newer one; what is left of a response that broke off, of no whole at all. One part
 * may take that of another: they have been compared. */
export function mayReplace(
  guard: StoreGuard,
  request: Request,
  lesser: Entry,
  isCutOff: boolean
): MaybePromise<boolean> {
  const isInTheWay = (held: Entry) => {
    if (held.variantKey !== lesser.variantKey || (isPartial(held) && isPartial(lesser))) return false
    if (isCutOff && held.method === 'GET') return true
    return givesWay(lesser, held, held.responseTimeMs > lesser.requestTimeMs)
  }
  const found = guard.find(lesser.key, names => variantKey(request, names), isInTheWay)
  return mapMaybe(found, inTheWay => inTheWay === undefined)
}
