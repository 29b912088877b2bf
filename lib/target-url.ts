import { CacheError } from './errors.ts'

/** An absolute URL, or one relative to the origin, or else to the base. A CacheError with code ERR_CACHE_ORIGIN for what
 * names no origin, or another than the one given. */
export function targetUrl(url: string | URL, origin: string | undefined, base = origin): URL {
  const from = origin ?? base
  if (!URL.canParse(String(url), from)) {
    throw new CacheError('ERR_CACHE_ORIGIN', `${JSON.stringify(String(url))} is no URL that names an origin`)
  }
  const resolved = new URL(url, from)
  if (origin !== undefined && resolved.origin !== origin) {
    throw new CacheError('ERR_CACHE_ORIGIN', `only ${origin} may be asked here, not ${resolved.origin}`)
  }
  return resolved
}
