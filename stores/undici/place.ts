import type { CacheKey, VariantKey } from '../store.ts'
import type { UndiciKey } from './contract.ts'

/** Methods that no request has: undici's own cache, on the same store, never finds what is kept here. */
const RESPONSES = 'UNDICI-HTTP-CACHE'
const LISTS = 'UNDICI-HTTP-CACHE-LISTS'

/** The field by which undici's stores tell variants apart. */
export const VARIANT = 'undici-http-cache-variant'

const URI = /^(https?:\/\/[^/|]+)(\/.*)$/s

/** Where one variant of a key is kept. */
export function placeOfResponse(key: CacheKey, variantKey: VariantKey): UndiciKey {
  return { ...uriOf(key), method: RESPONSES, headers: { [VARIANT]: variantKey } }
}

/** Where a key's lists of Vary field names are kept. */
export function placeOfLists(key: CacheKey): UndiciKey {
  return { ...uriOf(key), method: LISTS, headers: {} }
}

/** The URI itself where the key is one: undici's stores delete by URI, so that an invalidation by undici's own cache, on
 * the same store, reaches what is kept here. */
function uriOf(key: CacheKey): Pick<UndiciKey, 'origin' | 'path'> {
  const [, origin, path] = URI.exec(key) ?? []
  return origin === undefined || path === undefined ? { origin: 'undici-http-cache', path: key } : { origin, path }
}
