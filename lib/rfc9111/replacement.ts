import { freshen, isKept } from './entry.ts'
import { isOfSameVersion } from './parts.ts'
import { givesWay } from './precedence.ts'
import { isPartial, storedBytes } from './segments.ts'
import type { Entry, Policy, Request } from './types.ts'

/** What becomes of a stored response when a part, or a response to HEAD, all of which has come, is to take its place:
 * `updates` bring up to date what stays. */
export type Replacement = { readonly kind: 'replace' } | { readonly kind: 'keep'; readonly updates: readonly Entry[] }

const REPLACE: Replacement = { kind: 'replace' }
const KEEP: Replacement = { kind: 'keep', updates: [] }

/** Neither takes the place of a body that says more of its version, or of one that is newer; nor a part that of one with as
 * many bytes, nor what is left of a response that broke off that of any whole. §3.3, §4.3.5 */
export function replacementOf(
  stored: Entry,
  lesser: Entry,
  isCutOff: boolean,
  request: Request,
  policy: Policy
): Replacement {
  if (stored.variantKey !== lesser.variantKey) return REPLACE
  if (isPartial(stored) && isPartial(lesser)) {
    return storedBytes(stored) < storedBytes(lesser) ? REPLACE : afterSmaller(stored, lesser, request, policy)
  }
  if (isCutOff && stored.method === 'GET') return KEEP
  return givesWay(lesser, stored, stored.responseTimeMs > lesser.requestTimeMs) ? KEEP : REPLACE
}

/** What the later of two responses says of their version holds for the part that stays. §3.4 */
function afterSmaller(stored: Entry, part: Entry, request: Request, policy: Policy): Replacement {
  const { completeLength } = part
  if (!isOfSameVersion(stored, { response: part, completeLength })) return REPLACE
  if (stored.responseTimeMs >= part.responseTimeMs) return KEEP
  const freshened = freshen(stored, part, policy)
  return isKept(freshened, request, policy) ? { kind: 'keep', updates: [freshened] } : REPLACE
}
