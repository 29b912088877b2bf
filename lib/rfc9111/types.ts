/** One field line as it was received: the name's case kept, the value without surrounding white space. */
export type FieldLine = readonly [name: string, value: string]

/** Field lines in the order received (RFC 9110 §5.2). */
export type FieldLines = readonly FieldLine[]

/** Field values by lower-case name; several lines of one name are an array, in order. Has no prototype. */
export type Fields = { readonly [name: string]: string | readonly string[] | undefined }

/** What names a stored response's resource: the target URI, with the request's Host where it differs. §2 */
export type CacheKey = string

/** What tells the responses stored under one CacheKey apart: method class, partition and selecting fields. §4.1 */
export type VariantKey = string

/** Names one stored response and its body, whatever becomes of its metadata. */
export type EntryId = string

/** A request as the engine sees it. */
export interface Request {
  /** Upper case. */
  readonly method: string
  readonly key: CacheKey
  /** An absolute URI without a fragment. */
  readonly targetUri: string
  readonly fields: Fields
  /** Whose responses may answer it: '' for everybody's. */
  readonly partition: string
}

/** A response as it came from the origin; the times are those of §4.2.3, in milliseconds since the epoch. */
export interface Response {
  readonly statusCode: number
  readonly statusText: string
  readonly lines: FieldLines
  readonly requestTimeMs: number
  readonly responseTimeMs: number
}

/** Bytes `start` up to, but not including, `end` of the representation. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** A stored response: facts only, so that a change of policy takes effect on what is already stored. */
export interface Entry extends Response {
  readonly id: EntryId
  readonly key: CacheKey
  readonly variantKey: VariantKey
  /** Lower-case names of the selecting fields, sorted, without duplicates. §4.1 */
  readonly vary: readonly string[]
  /** The method it can answer as a whole: a response to HEAD has no body to give. */
  readonly method: 'GET' | 'HEAD'
  readonly trailers: FieldLines
  /** Bytes in the whole representation; undefined until its length is known. */
  readonly completeLength: number | undefined
  /** What of it is stored: all of it, from 0 to `completeLength`, or parts, in order and apart. The stored body is their
   * bytes, one after the other. A part has the status and the fields of the whole. */
  readonly segments: readonly ByteRange[]
  /** Names for removing entries together; the origin of the target URI is always one of them. */
  readonly tags: readonly string[]
  /** When a store may drop it, in milliseconds since the epoch; Infinity for never. For eviction alone. */
  readonly expiresAtMs: number
}

/** How a cache judges; everything §3 and §4 leave to it. Numbers are seconds. */
export interface Policy {
  readonly shared: boolean
  /** What is marked private answers only requests with the same Cookie, or without one, as that which brought it. */
  readonly privateByCookie: boolean
  /** Methods looked up and stored under their own key. */
  readonly methods: ReadonlySet<string>
  /** Only these may be stored; undefined: every status the RFC permits. */
  readonly statusCodes: ReadonlySet<number> | undefined
  /** Stores in spite of no-store in the request or the response. */
  readonly alwaysCache: boolean
  /** Lifetime of a response that says nothing; undefined: the heuristic of §4.2.2. */
  readonly defaultFreshnessSeconds: number | undefined
  readonly maxHeuristicSeconds: number
  /** How long an entry that can be validated is kept after it went stale. */
  readonly retainSeconds: number
  /** RFC 5861 §3, as if each response had said so. */
  readonly staleWhileRevalidateSeconds: number | undefined
  /** RFC 5861 §4, as if each response had said so. */
  readonly staleIfErrorSeconds: number | undefined
  /** What a client gets when the origin cannot be reached: the error, or what §4.2.4 permits. */
  readonly whenDisconnected: 'error' | 'stale'
  /** Lets a shared cache store Set-Cookie without an explicit permission. §7.3 */
  readonly storeSetCookie: boolean
  /** Lower-case names of targeted fields, most specific first. RFC 9213 §2.2 */
  readonly targetList: readonly string[]
}

/** Where a decision rests: 'RFC 9111 §4.2' is written '§4.2', other documents in full. */
export type Section = string
