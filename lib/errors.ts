/** Every code that an error of this package carries, and what it means. */
export const ERROR_CODES = {
  ERR_CACHE_OPTION: 'an option is not what it may be; the message names it and what it got',
  ERR_CACHE_ORIGIN: 'a request names no origin, and the client has none of its own',
  ERR_CACHE_RECORD: 'what a store holds is no record, or one of another version',
  ERR_CACHE_BODY: 'a stored body ended early, or is not the one that was stored',
  ERR_CACHE_TIMEOUT: 'a store did not answer within storeTimeoutMs',
  ERR_CACHE_STORE: 'a store answered with something its contract does not allow, or could not be read',
  ERR_CACHE_CLOSED: 'a store was used after close()',
  ERR_CACHE_UNSUPPORTED: 'a store cannot do what it was asked for; its capabilities say so'
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
