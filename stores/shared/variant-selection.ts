import type { VariantKey } from '../../lib/rfc9111/types.ts'
import { digestOf } from './entry-names.ts'
import type { RecordHead } from './record-format.ts'
import { isSameVaryList } from './vary-lists.ts'

/** Maps a list of Vary field names to the variant that a request selects by them. */
export type VariantOf = (fieldNames: readonly string[]) => VariantKey

/** The variant that a request selects by one list of field names. */
export interface Selection {
  readonly variantKey: VariantKey
  readonly digest: string
}

export function select(list: readonly string[], variantOf: VariantOf): Selection {
  const variantKey = variantOf(list)
  return { variantKey, digest: digestOf(variantKey) }
}

/** The variants that a request selects by the lists in the first record of a key, other than that record's own. `first`
 * is what the request selects by the list that record was stored with. */
export function selectOthers(head: RecordHead, first: Selection, variantOf: VariantOf): readonly Selection[] {
  const selections = new Map<string, Selection>()
  for (const list of head.lists) {
    const selection = isSameVaryList(list, head.vary) ? first : select(list, variantOf)
    if (selection.digest !== head.variantDigest) selections.set(selection.digest, selection)
  }
  return [...selections.values()]
}
