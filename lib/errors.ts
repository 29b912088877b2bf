/** Every code that an error of this package carries: where it comes up, and what it means. */
export const ERROR_CODES = {
  ERR_CACHE_OPTION: 'Thrown, as a TypeError: an option is not what it may be. The message names it, and what it got.',
  ERR_CACHE_ORIGIN:
    'Thrown by CachedClient and the fetch of createFetch: the request names no origin, or another than the one given.',
  ERR_CACHE_RECORD: 'Thrown by the decode of a serializer: the data is no stored response, or one of another version.',
  ERR_CACHE_BODY:
    'Ends a response, or goes to onStoreError: a stored body turned out damaged while it was sent, or a slow reader of a shared response needed the rest, and the rest could not be had.',
  ERR_CACHE_TIMEOUT: 'Goes to onStoreError, or ends a response: the store did not answer within storeTimeoutMs.',
  ERR_CACHE_STORE:
    'Goes to onStoreError, or ends a response: the store answered with something its contract does not allow, or could not read a stored body any further, and the rest could not be had.',
  ERR_CACHE_CLOSED: 'Goes to onStoreError: the store was used after it was closed.',
  ERR_CACHE_UNSUPPORTED: 'Thrown by a store: it cannot do what it was asked for. Its capabilities say so.'
} as const

/** One of the keys of ERROR_CODES. */
export type CacheErrorCode = keyof typeof ERROR_CODES

/** A fault of the cache, of a store or of a serializer; `code` tells which. */
export class CacheError extends Error {
  override readonly name = 'CacheError'
  readonly code: CacheErrorCode

  constructor(code: CacheErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The TypeError for a bad option: its `code` is ERR_CACHE_OPTION. */
export function optionError(name: string, expected: string, received: unknown): TypeError & { code: CacheErrorCode } {
  const message = `${name} must be ${expected}, got ${describe(received)}`
  return Object.assign(new TypeError(message), { code: 'ERR_CACHE_OPTION' as const })
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`
  if (Array.isArray(value)) return `[${value.map(describe).join(', ')}]`
  if (typeof value === 'object' && value !== null) return `an instance of ${value.constructor?.name ?? 'Object'}`
  return String(value)
}
