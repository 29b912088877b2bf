/** Why a store takes a response that may be stored no further: it answered that it does not want it; it, or what it was asked
 * before, has failed; or it was not asked or waited for any longer. */
export type StoreRefusal = 'store-refused' | 'store-failed' | 'store-given-up'

const STORE_REFUSALS: ReadonlySet<string> = new Set<StoreRefusal>(['store-refused', 'store-failed', 'store-given-up'])

/** Whether the store is the reason, and not the response, which others may be served with all the same. */
export function isStoreRefusal(reason: string): reason is StoreRefusal {
  return STORE_REFUSALS.has(reason)
}
