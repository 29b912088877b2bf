import { type Dispatcher, getGlobalDispatcher } from 'undici'
import type { CacheInterceptor } from '../interceptors/cache-interceptor.ts'
import { type CacheOption, interceptorOf } from './cache-option.ts'
import { type Fetch, fetchBy, type Route } from './cached-fetch.ts'
import { optionError } from './errors.ts'
import { originOf, refuseUnknown } from './option-checks.ts'

export interface CreateFetchOptions {
  /** A store, the options of cacheInterceptor(), or an interceptor whose cache is to be shared.
   * @default `{}` */
  cache?: CacheOption
  /** What sends the requests that the cache does not answer. A `dispatcher` in the init of a request comes before it.
   * @default undici's global dispatcher, as it is at each request */
  dispatcher?: Dispatcher
  /** Relative URLs are of this origin, and requests to others are refused with `ERR_CACHE_ORIGIN`.
   * @default any origin */
  origin?: string | URL
}

/** A fetch with a cache. */
export interface CachedFetch extends Fetch {
  /** The cache: purge, info, store. */
  readonly cache: CacheInterceptor
  /** Closes the cache, unless it is an interceptor that was given; requests then pass by it. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Makes a fetch with a cache, without a client: for what takes a function as its `fetch`. Throws a TypeError with code
 * ERR_CACHE_OPTION for a bad option; the fetch rejects with a CacheError, code ERR_CACHE_ORIGIN, for a URL without an
 * origin or of another than `origin`. */
export function createFetch(options: CreateFetchOptions = {}): CachedFetch {
  refuseUnknown('createFetch()', options, ['cache', 'dispatcher', 'origin'])
  const given = options.dispatcher === undefined ? undefined : checkedDispatcher(options.dispatcher)
  const origin = options.origin === undefined ? undefined : originOf('origin', options.origin)
  const { interceptor, owned } = interceptorOf(options.cache)
  const known = new WeakMap<Dispatcher, Dispatcher.Dispatch>()

  function routeOf(named: unknown): Route {
    const dispatcher = named === undefined ? (given ?? getGlobalDispatcher()) : checkedDispatcher(named)
    let dispatch = known.get(dispatcher)
    if (dispatch === undefined) {
      dispatch = interceptor((opts, handler) => dispatcher.dispatch(opts, handler))
      known.set(dispatcher, dispatch)
    }
    return { origin, dispatch, isMockActive: (dispatcher as { isMockActive?: boolean }).isMockActive }
  }

  const fetch = (input: unknown, init?: unknown) => fetchBy(routeOf, input, init)
  const close = async () => {
    if (owned) await interceptor.close()
  }
  return Object.assign(fetch as Fetch, { cache: interceptor, close, [Symbol.asyncDispose]: close })
}

function checkedDispatcher(dispatcher: unknown): Dispatcher {
  const { dispatch } = (dispatcher ?? {}) as Partial<Dispatcher>
  if (typeof dispatch !== 'function') throw optionError('dispatcher', 'a dispatcher of undici', dispatcher)
  return dispatcher as Dispatcher
}
