import { optionError } from '../../lib/errors.ts'

/** The bytes of an object: at once, or as they come. Who leaves before the end calls the iterator's `return()`. */
export type ObjectBody = Uint8Array | AsyncIterable<Uint8Array>

/** What a driver can do beyond the least. */
export interface DriverCapabilities {
  /** `get` reads a range without reading the rest. False: it may ignore `start` and `end`. */
  readonly ranges: boolean
  /** Bodies go through piece by piece, in both directions. False: each is held in memory whole. */
  readonly streams: boolean
  /** `put` honours `ifAbsent`, atomically. False: it may ignore it. */
  readonly ifAbsent: boolean
  /** Other processes find what this one has put, once `put` has resolved: by `get`, and by `list`. */
  readonly shared: boolean
}

export interface CallOptions {
  /** Aborted where nobody waits any more. */
  readonly signal: AbortSignal
}

export interface GetObjectOptions extends CallOptions {
  /** The first byte, from 0; the whole object where it is undefined. */
  readonly start?: number | undefined
  /** The byte after the last; given with `start`. What the object does not have is left out. */
  readonly end?: number | undefined
}

export interface PutObjectOptions extends CallOptions {
  /** How many bytes will come, where that is known. Bytes. */
  readonly size: number | undefined
  /** Leaves what is there. */
  readonly ifAbsent?: boolean
}

/** A place for objects: a bucket, a folder, any storage of names and bytes. Names are ASCII, with slashes between their
 * parts, and up to 200 characters longer than the store's prefix. Any method may throw or reject. */
export interface ObjectDriver {
  readonly capabilities: DriverCapabilities
  /** undefined: there is no such object. */
  get(name: string, options: GetObjectOptions): Promise<ObjectBody | undefined>
  /** Makes an object, or takes the place of what is there; visible whole when it is complete, and not at all where the body
   * fails or the signal is aborted. False: left as it was, for `ifAbsent`. */
  put(name: string, body: ObjectBody, options: PutObjectOptions): Promise<boolean>
  /** No error where there is none. */
  delete(name: string, options: CallOptions): Promise<void>
  /** All names that begin with `prefix`, in ascending order. */
  list(prefix: string, options: CallOptions): AsyncIterable<string>
  /** Removes what uploads below `prefix` have left that came to a sudden end, once that is a day old. */
  tidy?(prefix: string, options: CallOptions): Promise<void>
}

const METHODS = ['get', 'put', 'delete', 'list'] as const
const CAPABILITIES = ['ranges', 'streams', 'ifAbsent', 'shared'] as const

/** The option `driver`. Throws a TypeError with ERR_CACHE_OPTION. */
export function acceptDriver(value: unknown): ObjectDriver {
  const driver = Object(value)
  const missing = METHODS.filter(name => typeof driver[name] !== 'function')
  if (missing.length > 0) throw optionError('driver', `an ObjectDriver (it has no ${missing.join(', ')})`, value)
  for (const name of CAPABILITIES) {
    const capability: unknown = Object(driver.capabilities)[name]
    if (typeof capability !== 'boolean') throw optionError(`driver.capabilities.${name}`, 'true or false', capability)
  }
  return driver
}
