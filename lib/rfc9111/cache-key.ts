import type { CacheKey } from './types.ts'

/** The primary key: the target URI, and the request's Host where it names another authority than the origin does, as
 * where a name was resolved before the cache. `origin` is normalised, `path` starts with a slash. §2 */
export function cacheKey(origin: string, path: string, host?: string): CacheKey {
  return host === undefined || isAuthorityOf(host, origin) ? origin + path : `${origin}|${host.toLowerCase()}${path}`
}

function isAuthorityOf(host: string, origin: string): boolean {
  const start = origin.indexOf('//') + 2
  return host.length === origin.length - start && origin.endsWith(host.toLowerCase())
}

/** The absolute URI, without its fragment, that a Location or Content-Location names, where it has the base's origin;
 * undefined otherwise: one origin has no say over what is stored for another. §4.4 */
export function sameOriginUri(reference: string, baseUri: string): string | undefined {
  if (!URL.canParse(reference, baseUri)) return undefined
  const uri = new URL(reference, baseUri)
  if (uri.origin !== new URL(baseUri).origin || uri.origin === 'null') return undefined
  return uri.origin + uri.pathname + uri.search
}
