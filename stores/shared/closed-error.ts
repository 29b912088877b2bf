import { CacheError } from '../../lib/errors.ts'

/** The error of a call to a store that is closed: ERR_CACHE_CLOSED. */
export function closedError(storeName: string): CacheError {
  return new CacheError('ERR_CACHE_CLOSED', `the ${storeName} is closed`)
}
