import type { CacheStore } from '../stores/store.ts'
import type { RequestToPartition } from './request/partition.ts'
import type { StoreOperation } from './store-access/store-calls.ts'

/** The options of cacheInterceptor(). Every number carries its unit in its name; a bad value is a TypeError with code
 * ERR_CACHE_OPTION that names the option. */
export interface CacheOptions {
  /** Where responses are kept. Whoever makes a store closes it.
   * @default a `MemoryStore` of its own */
  store?: CacheStore
  /** `'shared'` where several users' requests pass, `'private'` where all are one user's, or carry their user's
   * credential. RFC 9111 §1
   * @default `'shared'` */
  type?: 'shared' | 'private'
  /** Methods that are looked up and stored.
   * @default `['GET', 'HEAD']` */
  methods?: readonly ('GET' | 'HEAD')[]
  /** Only these statuses are stored; `defaultFreshnessSeconds` applies to each of them.
   * @default what RFC 9111 §3 allows */
  statusCodes?: readonly number[]
  /** Only requests to these origins are cached: `'https://host[:port]'`, without a path, or a regular expression that is
   * tested against that.
   * @default all */
  origins?: readonly (string | RegExp)[]
  /** Stores in spite of `no-store` in the request or the response, against RFC 9111 §5.2.1.5 and §5.2.2.5. What a server
   * marks so is often meant for one user, or for one moment: use it only on servers that you know.
   * @default `false` */
  alwaysCache?: boolean
  /** Lifetime of responses that do not state theirs, in place of the heuristic of RFC 9111 §4.2.2, for heuristically
   * cacheable statuses and those in `statusCodes`. Seconds, >= 0; `Infinity` is possible.
   * @default none */
  defaultFreshnessSeconds?: number
  /** Upper bound of a heuristic lifetime, which is a tenth of the time since `Last-Modified`. RFC 9111 §4.2.2. Seconds,
   * >= 0.
   * @default `86400` (24 hours) */
  maxHeuristicSeconds?: number
  /** How long a response that can be validated is kept after it has gone stale. Seconds, >= 0.
   * @default `604800` (7 days) */
  retainSeconds?: number
  /** Serves stale responses and revalidates them in the background, as if each response without the directive had said
   * `stale-while-revalidate`. RFC 5861 §3. Seconds, >= 0.
   * @default what responses say */
  staleWhileRevalidateSeconds?: number
  /** Serves stale responses in place of errors, as if each response without the directive had said `stale-if-error`. RFC
   * 5861 §4. Seconds, >= 0.
   * @default what responses say */
  staleIfErrorSeconds?: number
  /** What happens when the origin cannot be reached. `'error'` passes the error on, unless `stale-if-error` allows a
   * stale response; `'stale'` serves what RFC 9111 §4.2.4 permits, and 504 where it forbids that, as a gateway should.
   * @default `'error'` */
  whenDisconnected?: 'error' | 'stale'
  /** Lets a shared cache store responses with `Set-Cookie` that say neither `public` nor `s-maxage`.
   * @default `false` */
  storeSetCookie?: boolean
  /** Whether a response by HTTP/2 without `Content-Length` is stored where its end cannot be told from a reset, as below
   * an interceptor that passes the header section on later.
   * @default `true` */
  storeUnverifiedHttp2?: boolean
  /** Whose responses may answer whom. `'authorization'`: the response to one credential never answers another.
   * `'authorization+cookie'`: nor that to one cookie. `false`: everybody's, which RFC 9111 §3.5 guards in a shared
   * cache. A function gets the request's fields by lower-case name, and names the partition; a request for which it
   * returns anything else than a string or undefined fails with `ERR_CACHE_OPTION`. In a private cache without this
   * option, responses marked `private` are selected by `Cookie` as well.
   * @default `'authorization'` if private, `false` if shared */
  partition?: 'authorization' | 'authorization+cookie' | false | RequestToPartition
  /** Targeted fields that are obeyed in place of `Cache-Control`, most specific first, such as `['CDN-Cache-Control']`.
   * RFC 9213
   * @default `[]` */
  targetList?: readonly string[]
  /** The origin of requests that name none, for a composed `Client` or `Pool`.
   * @default none */
  origin?: string | URL
  /** How long a store may hold up a request before its first byte, with all that it is asked for; then how long each
   * further piece of a body may take, and each write. Memory, LMDB and Redis suggest 250, files 1,000, object storage
   * 2,000, tiers the longest of theirs; a store of your own its `suggestedTimeoutMs`, at most 2,000, or 250.
   * Milliseconds, > 0.
   * @default what the store suggests */
  storeTimeoutMs?: number
  /** How long a request waits for another's response to be stored, where it cannot read along with it because it came
   * too late, has to validate it, or has fallen behind. Milliseconds, >= 0.
   * @default `1000` */
  coalesceTimeoutMs?: number
  /** Which concurrent requests for the same thing wait for one request to the origin: those of one process, or, with
   * `'fleet'`, those of all processes that share a store with leases, such as `RedisStore`.
   * @default `'process'` */
  coalesce?: 'process' | 'fleet'
  /** How long other processes wait for one that died while it was fetching for them. Milliseconds, > 0.
   * @default `2000` */
  leaseMs?: number
  /** How long `close()` and `settled()` wait for what is being stored. Milliseconds, >= 0.
   * @default `5000` */
  closeTimeoutMs?: number
  /** How much of a response waits for a slow store before its origin is paused; and how far one of several readers may
   * fall behind before the others go on without it, and it has the rest in another way. Bytes, > 0.
   * @default `1048576` (1 MiB) */
  maxBufferedBytes?: number
  /** Called with each fault of a store or serializer; requests go on without it. By default the first fault of each
   * operation and error code is a warning of the process, with the code `UNDICI_HTTP_CACHE_STORE`, at most 20 in all.
   * @default a warning of the process */
  onStoreError?: (error: unknown, operation: StoreOperation) => void
  /** The name in the `Cache-Status` field of responses (RFC 9211), a token or any string; `false` sends no such field.
   * @default `'undici-http-cache'` */
  cacheStatus?: string | false
  /** The cache's clock, in milliseconds since the epoch. It decides what is fresh, and for how long what is stored is
   * kept; what processes share is swept in real time.
   * @default `() => Date.now()`, which sees a replaced `Date` */
  now?: () => number
}
