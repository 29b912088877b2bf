import type { Duplex } from 'node:stream'
import { Agent, Client, type Dispatcher, errors, type RequestInfo, type RequestInit, type Response } from 'undici'
import { type CacheInterceptor, RELEASE } from '../interceptors/cache-interceptor.ts'
import { outcomeOfContext } from '../interceptors/outcome/response-info.ts'
import { type CacheOption, interceptorOf } from './cache-option.ts'
import { type FromCache, fetchBy } from './cached-fetch.ts'
import { CacheError } from './errors.ts'
import { isUrl } from './foreign-values.ts'
import { targetUrl } from './target-url.ts'

export interface CachedClientOptions extends Client.Options {
  /** A store, the options of `cacheInterceptor()`, or an interceptor whose cache is to be shared.
   * @default `{}` */
  cache?: CacheOption
}

/** Options of get(): those of request() but for what the URL says. */
export type GetOptions = Omit<Dispatcher.RequestOptions, 'origin' | 'path' | 'method' | 'body'> & OptOut

/** `cache: false` sends this one request past the cache. */
export interface OptOut {
  cache?: boolean
}

type Callback = (error: Error | null, data: unknown) => void

/** Where a client without an origin of its own seems to go. The name can never be resolved (RFC 6761 §6.4). */
const ANY_ORIGIN = 'http://any-origin.invalid'

/** Not private fields: `compose()` puts a Proxy around the client, and private fields do not reach through one. */
const STATE = Symbol('state')
const CLOSE = Symbol('close')

interface State {
  readonly cache: CacheInterceptor
  readonly ownsCache: boolean
  /** undefined: any origin. */
  readonly origin: string | undefined
  /** Does the work of a client for any origin. */
  readonly agent: Agent | undefined
  readonly dispatch: Dispatcher.Dispatch
  /** Without the cache. */
  readonly inner: Dispatcher.Dispatch
  /** Closing or destroyed: every request gets the error that undici has for that. */
  ended: boolean
  closing: Promise<void> | undefined
}

/** An undici Client that caches, for one origin or, without one, for any: `request`, `stream`, `pipeline`, `compose`,
 * `close`, `destroy` and `await using` are inherited. Without an origin, a request that names none is refused with a
 * CacheError, code ERR_CACHE_ORIGIN. */
export class CachedClient extends Client {
  readonly [STATE]: State

  constructor(options?: CachedClientOptions)
  constructor(origin: string | URL, options?: CachedClientOptions)
  constructor(first?: string | URL | CachedClientOptions, second?: CachedClientOptions) {
    const named = typeof first === 'string' || isUrl(first)
    const { cache, ...clientOptions } = (named ? second : first) ?? {}
    const { interceptor, owned } = interceptorOf(cache)
    super(named ? first : ANY_ORIGIN, clientOptions)
    const origin = named ? new URL(first).origin : undefined
    const agent = named ? undefined : new Agent(clientOptions as Agent.Options)
    const inner: Dispatcher.Dispatch =
      agent === undefined
        ? (opts, handler) => super.dispatch(opts, handler)
        : (opts, handler) => agent.dispatch(opts, handler)
    this[STATE] = {
      cache: interceptor,
      ownsCache: owned,
      origin,
      agent,
      dispatch: interceptor(inner),
      inner,
      ended: false,
      closing: undefined
    }
    Object.defineProperty(this, 'fetch', { value: boundFetch(this), writable: true, configurable: true })
  }

  /** The cache: purge, info, store. */
  get cache(): CacheInterceptor {
    return this[STATE].cache
  }

  override dispatch(opts: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { origin, agent, inner, ended } = this[STATE]
    if (ended) {
      const { closed, destroyed } = agent ?? (this as Client)
      // Those who waited as close() was called go first.
      if (!closed && !destroyed) throw new errors.ClientClosedError()
    }
    const dispatch = ended ? inner : this[STATE].dispatch
    if (origin !== undefined)
      return dispatch(opts.origin === origin ? opts : Object.assign({}, opts, { origin }), handler)
    if (opts.origin === undefined || opts.origin === null || String(opts.origin).startsWith(ANY_ORIGIN)) {
      throw new CacheError('ERR_CACHE_ORIGIN', 'the request names no origin, and the client was made without one')
    }
    return dispatch(opts, handler)
  }

  override request<T = null>(
    options: Dispatcher.RequestOptions<T> & OptOut,
    callback: (error: Error | null, data: Dispatcher.ResponseData<T> & FromCache) => void
  ): void
  override request<T = null>(
    options: Dispatcher.RequestOptions<T> & OptOut
  ): Promise<Dispatcher.ResponseData<T> & FromCache>
  override request(options: Dispatcher.RequestOptions, callback?: unknown): unknown {
    if (callback !== undefined) return super.request(options, marking(callback as Callback))
    return super.request(options).then(markFromCache)
  }

  override stream<T = null>(
    options: Dispatcher.RequestOptions<T> & OptOut,
    factory: (data: Dispatcher.StreamFactoryData<T> & FromCache) => NodeJS.WritableStream,
    callback: (error: Error | null, data: Dispatcher.StreamData<T>) => void
  ): void
  override stream<T = null>(
    options: Dispatcher.RequestOptions<T> & OptOut,
    factory: (data: Dispatcher.StreamFactoryData<T> & FromCache) => NodeJS.WritableStream
  ): Promise<Dispatcher.StreamData<T>>
  override stream(options: Dispatcher.RequestOptions, factory: unknown, callback?: unknown): unknown {
    const make = factory as (data: object) => NodeJS.WritableStream
    const marked = (data: object) => make(markFromCache(data)) as never
    if (callback !== undefined) return super.stream(options, marked, callback as never)
    return super.stream(options, marked)
  }

  override pipeline<T = null>(
    options: Dispatcher.PipelineOptions<T>,
    handler: (data: Dispatcher.PipelineHandlerData<T> & FromCache) => ReturnType<Dispatcher.PipelineHandler<T>>
  ): Duplex {
    return super.pipeline(options, data => handler(markFromCache(data)))
  }

  /** GET, by URL: absolute, or relative to the client's origin. undici's response data, with `fromCache`. */
  async get(url: string | URL, options: GetOptions = {}): Promise<Dispatcher.ResponseData & FromCache> {
    const { origin, pathname, search } = targetUrl(url, this[STATE].origin)
    return await this.request({ ...options, origin, path: pathname + search, method: 'GET' })
  }

  /** The built-in fetch through this client, or undici's where it gets an object of undici's classes; the Response has
   * `fromCache`. A relative URL is one of the client's origin. Bound to the client: it may be called without it. */
  fetch(
    input: string | URL | globalThis.Request,
    init?: globalThis.RequestInit
  ): Promise<globalThis.Response & FromCache>
  fetch(input: RequestInfo, init?: RequestInit): Promise<Response & FromCache>
  fetch(input: unknown, init?: unknown): Promise<unknown> {
    const { origin } = this[STATE]
    return fetchBy(() => ({ origin, dispatch: (opts, handler) => this.dispatch(opts, handler) }), input, init)
  }

  override close(): Promise<void>
  override close(callback: () => void): void
  override close(callback?: (error?: Error | null) => void): Promise<void> | void {
    if (callback === undefined) return new Promise((resolve, reject) => this.close(settling(resolve, reject)))
    const state = this[STATE]
    // undici's own error.
    if (this.destroyed) return super.close(callback)
    state.closing ??= this[CLOSE](() => new Promise((resolve, reject) => super.close(settling(resolve, reject))))
    state.closing.then(() => callback(), callback)
  }

  override destroy(): Promise<void>
  override destroy(error: Error | null): Promise<void>
  override destroy(callback: () => void): void
  override destroy(error: Error | null, callback: () => void): void
  override destroy(first?: unknown, second?: unknown): Promise<void> | void {
    const error = typeof first === 'function' ? null : ((first ?? null) as Error | null)
    const callback = (typeof first === 'function' ? first : second) as ((error?: Error | null) => void) | undefined
    if (callback === undefined) {
      return new Promise((resolve, reject) => this.destroy(error, settling(resolve, reject)))
    }
    const state = this[STATE]
    state.ended = true
    const own = new Promise<void>((resolve, reject) => super.destroy(error, settling(resolve, reject)))
    Promise.all([own, state.agent?.destroy(error)])
      .then(() => closeCache(state))
      .then(() => callback(), callback)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.destroyed) await this.close()
  }

  /** Requests under way are waited for, but not those that nobody waits for. `closeOwn` destroys the client in the end. */
  async [CLOSE](closeOwn: () => Promise<void>): Promise<void> {
    const state = this[STATE]
    state.ended = true
    const { [RELEASE]: release } = state.cache as Partial<Releasing>
    await release?.(state.inner)
    if (state.agent !== undefined) await state.agent.close()
    await closeOwn()
    await closeCache(state)
  }
}

interface Releasing {
  [RELEASE](dispatch: Dispatcher.Dispatch): Promise<void>
}

/** A cache that others share goes on, once it has stored what has come. */
async function closeCache({ cache, ownsCache }: State): Promise<void> {
  if (ownsCache) await cache.close()
  // One of an earlier copy of this package has no such method.
  else await (cache as Partial<CacheInterceptor>).settled?.()
}

function markFromCache<T extends object>(data: T): T & FromCache {
  // Not context.fromCache: redirect copies the context before the response has come.
  const { context } = data as { context?: unknown }
  return Object.assign(data, { fromCache: outcomeOfContext(context)?.fromCache ?? false })
}

function marking(callback: Callback): Callback {
  return (error, data) =>
    callback(error, error === null && typeof data === 'object' && data !== null ? markFromCache(data) : data)
}

/** The client's fetch, or that of a class that extends it: of whichever view of the client it is called on, such as
 * `compose()` makes, and else of the client itself. */
function boundFetch(client: CachedClient): unknown {
  const { fetch } = client
  return function (this: unknown, ...args: unknown[]): unknown {
    return Reflect.apply(fetch, isViewOf(client, this) ? this : client, args)
  }
}

function isViewOf(client: CachedClient, object: unknown): boolean {
  return typeof object === 'object' && object !== null && (object as Partial<CachedClient>)[STATE] === client[STATE]
}

function settling(resolve: () => void, reject: (error: Error) => void): (error?: Error | null) => void {
  return error => (error == null ? resolve() : reject(error))
}
