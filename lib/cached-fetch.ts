import {
  type Dispatcher,
  FormData,
  getGlobalOrigin,
  Headers,
  Request,
  type RequestInfo,
  type RequestInit,
  Response,
  fetch as undiciFetch
} from 'undici'
import { OUTCOME, type Outcome, type OutcomeHolder } from '../interceptors/outcome/outcome.ts'
import { rememberOutcome } from '../interceptors/outcome/response-info.ts'
import { targetUrl } from './target-url.ts'

/** Whether the body came from the store; on what request(), stream(), pipeline() and fetch() of a CachedClient give, and
 * on what a fetch of createFetch() gives. */
export interface FromCache {
  fromCache: boolean
}

/** Takes what the built-in fetch and what undici's fetch take, and gives the Response of the one that does the work. */
export interface Fetch {
  (input: string | URL | globalThis.Request, init?: globalThis.RequestInit): Promise<globalThis.Response & FromCache>
  (input: RequestInfo, init?: RequestInit): Promise<Response & FromCache>
}

/** Where the requests of a fetch go. */
export interface Route {
  /** Relative URLs are of this origin, and no other may be asked; undefined: any. */
  readonly origin: string | undefined
  readonly dispatch: Dispatcher.Dispatch
  /** Set for a MockAgent, which compares bodies as they were given. */
  readonly isMockActive?: boolean | undefined
}

/** The members of a RequestInit, without undici's `dispatcher`. */
type Members = Record<string, unknown>
const MEMBERS = [
  ...['method', 'headers', 'body', 'referrer', 'referrerPolicy', 'mode', 'credentials', 'cache', 'redirect'],
  ...['integrity', 'keepalive', 'signal', 'duplex', 'window', 'priority']
]

/** Of undici, or built in. */
type AnyRequest = Pick<Request, 'url' | 'referrer' | 'referrerPolicy'>
type AnyFetch = (input: unknown, init: unknown) => Promise<Response>

/** undefined where the program had put another fetch in place of Node's own before this module was loaded: that one may
 * lead back here, or leave the dispatcher out. */
const builtInFetch = isBuiltIn(globalThis.fetch) ? (globalThis.fetch as unknown as AnyFetch) : undefined

/** Does what the built-in fetch does, or what undici's does where it gets an object of undici's classes, by way of a
 * route, which `routeOf` makes of the dispatcher in `init`. */
export async function fetchBy(
  routeOf: (dispatcher: unknown) => Route,
  input: unknown,
  init: unknown
): Promise<Response & FromCache> {
  const members = membersOf(init)
  const { dispatch, isMockActive, origin } = routeOf((init as Members | null | undefined)?.['dispatcher'])
  const fetch = fetchFor(input, members)
  const resource = resourceFor(fetch, input, origin)
  if (isRequest(resource) && resource.referrer !== 'about:client' && Object.keys(members).length === 0) {
    // An init that is not empty, as one with a dispatcher, sets the referrer back.
    if (keepsReferrer(fetch === builtInFetch ? globalThis.Request : Request)) {
      members['referrer'] = resource.referrer
      members['referrerPolicy'] = resource.referrerPolicy
    }
  }
  if (members['body'] !== undefined) members['body'] = bodyFor(fetch, members['body'])
  const holder: OutcomeHolder = { outcome: undefined }
  members['dispatcher'] = {
    isMockActive,
    dispatch: (opts: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => {
      // A redirect leads here as well.
      if (origin !== undefined && opts.origin !== undefined && opts.origin !== null) targetUrl(opts.origin, origin)
      const once = Object.assign({}, opts, { [OUTCOME]: holder })
      if (opts.body !== undefined && opts.body !== null)
        once.headers = withOneLength(opts.headers as Record<string, string>)
      return dispatch(once, handler)
    }
  }
  return tellOutcome(await fetch(resource, members), holder.outcome)
}

/** Clones tell it as well: what wraps a fetch often hands out one. */
function tellOutcome(response: Response, outcome: Outcome | undefined): Response & FromCache {
  if (outcome !== undefined) rememberOutcome(response, outcome)
  const { clone } = response
  Object.defineProperty(response, 'clone', {
    value: () => tellOutcome(clone.call(response), outcome),
    writable: true,
    configurable: true
  })
  return Object.assign(response, { fromCache: outcome?.fromCache ?? false })
}

/** The fetch of Node 20 and 22 appends the length of the body to one that the caller has stated. RFC 9110 §8.6 */
function withOneLength(headers: Record<string, string>): Record<string, string> {
  const name = Object.keys(headers).find(key => key.toLowerCase() === 'content-length')
  const length = name === undefined ? undefined : /^(\d+), \1$/.exec(headers[name] ?? '')?.[1]
  return name === undefined || length === undefined ? headers : { ...headers, [name]: length }
}

/** Each read once, as fetch reads them: of any object, inherited ones too. */
function membersOf(init: unknown): Members {
  if (init === undefined || init === null) return {}
  if (typeof init !== 'object' && typeof init !== 'function') throw new TypeError('the init of fetch() is no object')
  const members: Members = {}
  for (const name of MEMBERS) {
    const value = (init as Members)[name]
    if (value !== undefined) members[name] = value
  }
  return members
}

/** The classes of both are alike, and each takes its own alone. */
function fetchFor(input: unknown, { body, headers }: Members): AnyFetch {
  const ofUndici = undiciFetch as AnyFetch
  if (builtInFetch === undefined || input instanceof Request) return ofUndici
  if (isRequest(input)) return builtInFetch
  if (isFormData(body)) return body instanceof FormData ? ofUndici : builtInFetch
  // Its install() puts undici's classes in the place of the built-in ones.
  return headers instanceof Headers || globalThis.Response === (Response as unknown) ? ofUndici : builtInFetch
}

function resourceFor(fetch: AnyFetch, input: unknown, origin: string | undefined): unknown {
  if (!isRequest(input)) return networkUrl(`${input}`, origin)
  networkUrl(input.url, origin)
  // A Request has the members of an init. Its body is a stream, whose length is not to be known any more.
  return fetch !== builtInFetch && !(input instanceof Request) ? new Request(input.url, input as RequestInit) : input
}

/** Checked against the origin, unless it is of a scheme for which fetch asks nobody. */
function networkUrl(url: string, origin: string | undefined): string | URL {
  if (/^\s*(?:about|blob|data):/i.test(url)) return url
  const resolved = targetUrl(url, origin, getGlobalOrigin()?.href)
  return URL.canParse(url) ? url : resolved
}

/** Whether a Request without an init is a Request with an empty one: to undici 7 no init is empty. */
function keepsReferrer(Class: typeof globalThis.Request | typeof Request): boolean {
  const url = 'http://localhost/'
  return new Class(new Class(url, { referrer: url }) as never).referrer === url
}

/** A FormData of the class that the fetch knows; to the other it would be an object like any. */
function bodyFor(fetch: AnyFetch, body: unknown): unknown {
  if (!isFormData(body)) return body
  if (fetch !== builtInFetch) return body instanceof FormData ? body : copyInto(new FormData(), body)
  return body instanceof FormData ? copyInto(new globalThis.FormData(), body) : body
}

function copyInto<T extends FormData | globalThis.FormData>(copy: T, body: FormData): T {
  for (const [name, value] of body) {
    if (typeof value === 'string') copy.append(name, value)
    else copy.append(name, value, value.name)
  }
  return copy
}

function isRequest(value: unknown): value is AnyRequest {
  return tagOf(value) === '[object Request]' && typeof (value as AnyRequest).url === 'string'
}

function isFormData(value: unknown): value is FormData {
  return tagOf(value) === '[object FormData]'
}

/** The name of its class, whichever realm or copy of a package it comes from. */
function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value)
}

/** Whether it is what Node starts with: nobody else loads that module. */
function isBuiltIn(fetch: unknown): boolean {
  return typeof fetch === 'function' && Function.prototype.toString.call(fetch).includes('internal/deps/undici')
}
