import { freshen, isKept } from './entry.ts'
import { isOfSameVersion, type Union, unionOf, withRange } from './parts.ts'
import { givesWay } from './precedence.ts'
import { isPartial } from './segments.ts'
import type { Entry, Policy, Request } from './types.ts'

/** What becomes of a stored response when a part, or a response to HEAD, all of which has come, is to take its place:
 * `updates` bring up to date what stays; `entry` is of both, with those bytes of the stored body before, and after, those
 * that came. Where they are not joined, the larger stays. */
export type Replacement =
  | { readonly kind: 'replace' }
  | { readonly kind: 'keep'; readonly updates: readonly Entry[] }
  | ({ readonly kind: 'join'; readonly entry: Entry; readonly updates: readonly Entry[] } & Pick<
      Union,
      'before' | 'after'
    >)

const REPLACE: Replacement = { kind: 'replace' }
const KEEP: Replacement = { kind: 'keep', updates: [] }

/** Neither takes the place of a body that says more of its version, or of one that is newer; nor what is left of a response
 * that broke off that of any whole. Of two parts of a version both are kept, or the larger. §3.3, §3.4, §4.3.5 */
export function replacementOf(
  stored: Entry,
  lesser: Entry,
  isCutOff: boolean,
  request: Request,
  policy: Policy
): Replacement {
  if (stored.variantKey !== lesser.variantKey) return REPLACE
  if (isPartial(stored) && isPartial(lesser)) return besidePart(stored, lesser, request, policy)
  if (isCutOff && stored.method === 'GET') return KEEP
  return byAge(stored, lesser)
}

function byAge(stored: Entry, came: Entry): Replacement {
  return givesWay(came, stored, stored.responseTimeMs > came.requestTimeMs) ? KEEP : REPLACE
}

/** What the later of two responses says of their version holds for both. §3.4 */
function besidePart(stored: Entry, part: Entry, request: Request, policy: Policy): Replacement {
  const { completeLength = 0, segments } = part
  const [came] = segments
  if (came === undefined || !isOfSameVersion(stored, { response: part, completeLength })) return byAge(stored, part)
  const union = unionOf(stored, came)
  if (union === 'new one') return REPLACE
  const isUpToDate = stored.responseTimeMs >= part.responseTimeMs
  const freshened = isUpToDate ? stored : freshen(stored, part, policy)
  if (!isKept(freshened, request, policy)) return REPLACE
  const updates = isUpToDate ? [] : [freshened]
  if (union === 'stored one') return { kind: 'keep', updates }
  const { range, before, after } = union
  if (before === undefined && after === undefined) return REPLACE
  const entry = withRange({ ...freshened, id: part.id }, range, completeLength)
  return { kind: 'join', entry, updates, before, after }
}
