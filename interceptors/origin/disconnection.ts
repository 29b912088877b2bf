/** Errors by which undici refuses a request, and those that the caller causes, tell nothing about the origin. */
const NOT_DISCONNECTIONS = new Set([
  'UND_ERR_ABORTED',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'
])

const ERROR_STATUSES = new Set([500, 502, 503, 504])

/** Whether an error means that the origin could not be reached. undici's responseError turns statuses into errors. */
export function isDisconnection(error: Error & { code?: string; statusCode?: unknown }): boolean {
  if (typeof error.statusCode === 'number') return ERROR_STATUSES.has(error.statusCode)
  return error.name !== 'AbortError' && !NOT_DISCONNECTIONS.has(error.code ?? '')
}
