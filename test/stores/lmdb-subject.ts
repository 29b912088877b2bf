import type { LmdbStore } from 'undici-http-cache/stores/lmdb'
import type { Stored } from '../../stores/store.ts'
import { variantOf } from '../support/responses.ts'

/** At once, as a LmdbStore does. */
export function find(source: LmdbStore, key: string): Stored | undefined {
  return source.get(key, variantOf).stored[0]
}
