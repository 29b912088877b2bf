import { digestOf } from '../shared/digest.ts'
import type { CacheKey, VariantKey } from '../store.ts'
import type { UndiciKey } from './contract.ts'

/** Begins the methods under which all is kept: no request has them, so that undici's own cache, on the same store, never
 * finds what is kept here, nor is ever in its way. */
const METHOD = 'UNDICI-HTTP-CACHE'

const URI = /^(https?:\/\/[^/|]+)(\/.*)$/s

/** The key, for undici's store, of one variant of a cache key. A digest, for the selecting fields may be credentials; as a
 * method, for stores look at all the variants that one method has. */
export function responseKeyOf(key: CacheKey, variantKey: VariantKey): UndiciKey {
  const digest = digestOf(variantKey, 'hex')
  return { ...uriOf(key), method: `${METHOD}-${digest}`, headers: {} }
}

/** The key, for undici's store, of a cache key's lists of Vary field names. */
export function listsKeyOf(key: CacheKey): UndiciKey {
  return { ...uriOf(key), method: `${METHOD}-LISTS`, headers: {} }
}

/** The URI itself where the key is one: undici's stores delete by URI, so that an invalidation by undici's own cache, on
 * the same store, reaches what is kept here. */
function uriOf(key: CacheKey): Pick<UndiciKey, 'origin' | 'path'> {
  const [, origin, path] = URI.exec(key) ?? []
  return origin === undefined || path === undefined ? { origin: 'undici-http-cache', path: key } : { origin, path }
}
