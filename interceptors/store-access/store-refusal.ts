/** Why a store takes a response that may be stored no further: it answered that it does not want it; it, or what it was asked
 * before, has failed; or it was not asked or waited for any longer. */
export type StoreRefusal = 'store-refused' | 'store-failed' | 'store-given-up'
