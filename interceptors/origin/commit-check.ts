import type { Union } from '../../lib/rfc9111/parts.ts'
import { type Replacement, replacementOf } from '../../lib/rfc9111/replacement.ts'
import { isPartial, storedBytes } from '../../lib/rfc9111/segments.ts'
import type { Entry, Policy, Request } from '../../lib/rfc9111/types.ts'
import { variantKey } from '../../lib/rfc9111/vary.ts'
import { mapMaybe } from '../../stores/shared/maybe-promise.ts'
import type { MaybePromise, Position, Stored } from '../../stores/store.ts'
import type { StoreGuard } from '../store-access/store-guard.ts'

/** The request that a part, or a response to HEAD, is stored for. */
export interface ReplacementOptions {
  readonly guard: StoreGuard
  readonly policy: Policy
  readonly request: Request
  readonly asOf: Position
}

/** What a part is joined with: the bytes of the stored body before and after its own. */
export interface Joining extends Pick<Union, 'before' | 'after'> {
  readonly stored: Stored
  /** The entry of both together. */
  readonly entry: Entry
}

/** Decides, before the commit, whether a part or a response to HEAD may replace what is stored for its request by now, or is
 * to be joined with it. Where neither is so, it updates the fields of what is stored. */
export function mayReplace(
  { guard, policy, request, asOf }: ReplacementOptions,
  lesser: Entry,
  isCutOff: boolean,
  canJoin: (joining: Joining) => boolean
): MaybePromise<boolean | Joining> {
  const against = (entry: Entry): Replacement => replacementOf(entry, lesser, isCutOff, request, policy)
  const found = guard.find(
    lesser.key,
    names => variantKey(request, names),
    entry => against(entry).kind !== 'replace'
  )
  return mapMaybe(found, stored => {
    if (stored === undefined) return true
    const replacement = against(stored.entry)
    const joining = replacement.kind === 'join' ? { ...replacement, stored } : undefined
    if (joining !== undefined && canJoin(joining)) return joining
    const became = replacement.kind === 'join' ? replacement.otherwise : replacement
    if (became.kind === 'replace') return true
    const [freshened] = became.updates
    return freshened === undefined ? false : mapMaybe(guard.update(freshened, asOf), () => false)
  })
}

/** Whether a part that precedes this one may be stored meanwhile, and this one is small enough to be kept until then. */
export function mayBePreceded(entry: Entry, maxBufferedBytes: number): boolean {
  const [first] = entry.segments
  if (first === undefined || first.start === 0) return false
  return isPartial(entry) && storedBytes(entry) <= maxBufferedBytes
}
