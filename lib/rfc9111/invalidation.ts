import { sameOriginUri } from './cache-key.ts'
import { fieldsOf, firstValue } from './fields.ts'
import type { CacheKey, Request, Response } from './types.ts'

/** What an answer to an unsafe request makes invalid: its target URI, and what Location and Content-Location name at the
 * same origin. Only a non-error status, 2xx or 3xx, does. §4.4 */
export function invalidatedKeys(request: Request, response: Response): readonly CacheKey[] {
  if (response.statusCode < 200 || response.statusCode >= 400) return []
  const keys = new Set([request.key])
  for (const name of ['location', 'content-location']) {
    const reference = firstValue(fieldsOf(response.lines), name)
    const uri = reference === undefined ? undefined : sameOriginUri(reference, request.targetUri)
    if (uri !== undefined) keys.add(keyAtSameOrigin(request, uri))
  }
  return [...keys]
}

/** Whether Content-Location says that the response is what a GET of the target URI would bring; only a 2xx can be.
 * RFC 9110 §8.7, §9.3.3 */
export function describesItsTarget(request: Request, response: Response): boolean {
  if (response.statusCode < 200 || response.statusCode >= 300) return false
  const reference = firstValue(fieldsOf(response.lines), 'content-location')
  return reference !== undefined && sameOriginUri(reference, request.targetUri) === request.targetUri
}

function keyAtSameOrigin(request: Request, uri: string): CacheKey {
  const pathLength = request.targetUri.length - pathStart(request.targetUri)
  return request.key.slice(0, request.key.length - pathLength) + uri.slice(pathStart(uri))
}

function pathStart(uri: string): number {
  return uri.indexOf('/', uri.indexOf('//') + 2)
}
