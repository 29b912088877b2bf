/** undici's own refusals, and what the caller did itself, say nothing of the origin. */
const NOT_DISCONNECTIONS = new Set([
  'UND_ERR_ABORTED',
  'UND_ERR_CLOSED',
  'UND_ERR_DESTROYED',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'
])

const ERROR_STATUSES = new Set([500, 502, 503, 504])

/** Whether the origin could not be reached, or said so: undici's responseError turns statuses into errors. */
export function isDisconnection(error: Error & { code?: string; statusCode?: unknown }): boolean {
  if (typeof error.statusCode === 'number') return ERROR_STATUSES.has(error.statusCode)
  return error.name !== 'AbortError' && !NOT_DISCONNECTIONS.has(error.code ?? '')
}
