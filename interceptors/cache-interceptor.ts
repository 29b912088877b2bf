import type { Dispatcher } from 'undici'
import type { CacheStore } from '../stores/store.ts'
import type { CacheOptions } from './cache-options.ts'
import { HttpCache } from './http-cache.ts'
import { readOptions } from './options.ts'
import type { CacheInfo } from './outcome/outcome.ts'
import { infoOfResponse } from './outcome/response-info.ts'
import type { PurgeTarget } from './purge.ts'
import type { AnyHandler } from './undici/handler-adapter.ts'

/** An interceptor for `dispatcher.compose()`, and the handle of its cache. */
export interface CacheInterceptor {
  (dispatch: Dispatcher.Dispatch): Dispatcher.Dispatch
  /** Where responses are kept. */
  readonly store: CacheStore
  /** What this cache did for a response of undici's `request()` or `stream()`, or of any `fetch`; undefined where the
   * response did not pass through it, where there is none, and for fetch where `cacheStatus` is false. */
  info(response: object | null | undefined): CacheInfo | undefined
  /** Removes what is stored for a URL, a tag or an origin, or everything. A response under way that it may be about is not
   * stored afterwards, and no later request joins it. Rejects with the store's error where the store fails, and with a
   * TypeError (ERR_CACHE_OPTION) for a bad target. */
  purge(target?: PurgeTarget): Promise<void>
  /** Settles once each response that has come whole by now, and each part that is kept, is stored or refused by the store:
   * another process finds it then. Waits no longer than `closeTimeoutMs`, and never rejects. */
  settled(): Promise<void>
  /** Ends what goes on in the background, and waits as `settled()` does; requests then pass by the cache. Closes the store
   * only if the interceptor made it. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Has an interceptor let go of one dispatcher, which is about to close: for CachedClient alone. */
export const RELEASE = Symbol('release')

/** Makes an interceptor that caches what passes through the dispatchers it is composed into, by RFC 9111: one cache for
 * all of them. Throws a TypeError with code ERR_CACHE_OPTION for a bad option. */
export function cacheInterceptor(options: CacheOptions = {}): CacheInterceptor {
  const settings = readOptions(options)
  const cache = new HttpCache(settings)
  const composed = new WeakMap<Dispatcher.Dispatch, Dispatcher.Dispatch>()
  const interceptor = (dispatch: Dispatcher.Dispatch): Dispatcher.Dispatch => {
    const next = cache.composedInto(dispatch)
    composed.set(dispatch, next)
    return (opts, handler) => cache.handle(next, opts, handler as AnyHandler)
  }
  return Object.assign(interceptor, {
    store: settings.store,
    info: (response: object | null | undefined) => infoOfResponse(response, settings.cacheStatus),
    purge: (target?: PurgeTarget) => cache.purge(target),
    settled: () => cache.settled(),
    close: () => cache.close(),
    [Symbol.asyncDispose]: () => cache.close(),
    [RELEASE]: (dispatch: Dispatcher.Dispatch) => cache.release(composed.get(dispatch) ?? dispatch)
  })
}
