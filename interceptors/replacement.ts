import { type Replacement, replacementOf } from '../lib/rfc9111/replacement.ts'
import type { Entry, Policy, Request } from '../lib/rfc9111/types.ts'
import { variantKey } from '../lib/rfc9111/vary.ts'
import type { MaybePromise, Position } from '../stores/store.ts'
import { mapMaybe } from './maybe-promise.ts'
import type { StoreGuard } from './store-guard.ts'

/** What parts, and responses to HEAD, are stored for. */
export interface ReplacementOptions {
  readonly guard: StoreGuard
  readonly policy: Policy
  readonly request: Request
  readonly asOf: Position
}

/** Whether a part, or a response to HEAD, may take the place of what is stored by now for its request. Where it may not,
 * what is stored is brought up to date with it. */
export function mayReplace(
  { guard, policy, request, asOf }: ReplacementOptions,
  lesser: Entry,
  isCutOff: boolean
): MaybePromise<boolean> {
  const against = (entry: Entry): Replacement => replacementOf(entry, lesser, isCutOff, request, policy)
  const found = guard.find(
    lesser.key,
    names => variantKey(request, names),
    entry => against(entry).kind === 'keep'
  )
  return mapMaybe(found, inTheWay => {
    if (inTheWay === undefined) return true
    const replacement = against(inTheWay.entry)
    const [freshened] = replacement.kind === 'keep' ? replacement.updates : []
    return freshened === undefined ? false : mapMaybe(guard.update(freshened, asOf), () => false)
  })
}
