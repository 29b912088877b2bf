import { freshen, isKeptInPlace } from './entry.ts'
import { isOfSameVersion, type Union, unionOf, withRange } from './parts.ts'
import { givesWay } from './precedence.ts'
import { isPartial, storedBytes } from './segments.ts'
import type { Entry, Policy, Request } from './types.ts'

/** What becomes of a stored response when a part, or a response to HEAD, all of which has come, is to take its place. */
export type Replacement = ReplaceOrKeep | Joined

type ReplaceOrKeep =
  | { readonly kind: 'replace' }
  /** `updates` bring it up to date. */
  | { readonly kind: 'keep'; readonly updates: readonly Entry[] }

/** Two parts become one. */
interface Joined extends Pick<Union, 'before' | 'after'> {
  readonly kind: 'join'
  readonly entry: Entry
  /** Where that cannot be done: the larger of them. */
  readonly otherwise: ReplaceOrKeep
}

const REPLACE: ReplaceOrKeep = { kind: 'replace' }
const KEEP: ReplaceOrKeep = { kind: 'keep', updates: [] }

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
  const freshened = isUpToDate ? stored : freshen(stored, request, part, policy)
  if (!isKeptInPlace(freshened, stored, request, policy)) return REPLACE
  const keep: ReplaceOrKeep = { kind: 'keep', updates: isUpToDate ? [] : [freshened] }
  if (union === 'stored one') return keep
  const { range, before, after } = union
  if (before === undefined && after === undefined) return REPLACE
  const entry = withRange({ ...freshened, id: part.id }, range, completeLength)
  const otherwise = storedBytes(part) > storedBytes(stored) ? REPLACE : keep
  return { kind: 'join', entry, before, after, otherwise }
}
