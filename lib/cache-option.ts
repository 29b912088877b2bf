import { type CacheInterceptor, cacheInterceptor } from '../interceptors/cache-interceptor.ts'
import type { CacheOptions } from '../interceptors/cache-options.ts'
import type { CacheStore } from '../stores/store.ts'
import { optionError } from './errors.ts'

/** A store, the options of cacheInterceptor(), or an interceptor whose cache is to be shared. */
export type CacheOption = CacheStore | CacheOptions | CacheInterceptor

/** The interceptor that the option `cache` stands for; `owned` where it was made here, and is to be closed here. A
 * TypeError with code ERR_CACHE_OPTION for anything else. */
export function interceptorOf(cache: CacheOption | undefined): { interceptor: CacheInterceptor; owned: boolean } {
  if (isInterceptor(cache)) return { interceptor: cache, owned: false }
  if (cache === undefined) return { interceptor: cacheInterceptor(), owned: true }
  if (typeof cache !== 'object' || cache === null) {
    throw optionError('cache', 'a store, the options of cacheInterceptor() or an interceptor', cache)
  }
  return { interceptor: cacheInterceptor(isStore(cache) ? { store: cache } : cache), owned: true }
}

/** Of any copy of this package. */
function isInterceptor(cache: unknown): cache is CacheInterceptor {
  return typeof cache === 'function' && typeof (cache as Partial<CacheInterceptor>).purge === 'function'
}

function isStore(cache: CacheStore | CacheOptions): cache is CacheStore {
  return 'get' in cache && typeof cache.get === 'function'
}
