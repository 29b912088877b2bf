import { DEFAULT_CACHE_STATUS } from '../interceptors/options.ts'
import type { CacheInfo } from '../interceptors/outcome/outcome.ts'
import { infoOfResponse } from '../interceptors/outcome/response-info.ts'

/** What the cache did for a response of undici's `request()` or `stream()`, or of any `fetch`. For fetch it reads the
 * Cache-Status field under its default name: of a cache that calls itself otherwise, ask `cache.info(response)`.
 * undefined where the response tells nothing, or where there is none, as after a failure. */
export function cacheInfo(response: object | null | undefined): CacheInfo | undefined {
  return infoOfResponse(response, DEFAULT_CACHE_STATUS)
}
