// An undici Agent with a cache, and what its requests brought, read to the end.
//
//   await using cached = new CachedAgent({ type: 'private' })
//   const { status, body, info } = await cached.get(`${origin.url}/a`)
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, type Dispatcher, request } from 'undici'
import { type CacheInfo, type CacheInterceptor, type CacheOptions, cacheInterceptor } from 'undici-http-cache'
import type { Origin, Reply, Responder } from './origin.ts'

/** A response, read to its end. */
export interface Received {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly bytes: Buffer
  readonly trailers: Record<string, string | string[] | undefined>
  readonly fromCache: boolean
  readonly info: CacheInfo
}

export type RequestOptions = Omit<NonNullable<Parameters<typeof request>[1]>, 'dispatcher'> & { cache?: unknown }

/** A clock that stands still until it is told. It begins with the present second. */
export class Clock {
  nowMs = Math.floor(Date.now() / 1000) * 1000
  readonly now = (): number => this.nowMs

  advance(seconds: number): void {
    this.nowMs += seconds * 1000
  }
}

export class CachedAgent implements AsyncDisposable {
  readonly cache: CacheInterceptor
  readonly agent: Dispatcher

  constructor(options: CacheOptions = {}, agentOptions: Agent.Options = {}) {
    this.cache = cacheInterceptor(options)
    this.agent = new Agent(agentOptions).compose(this.cache)
  }

  async get(url: string, options: RequestOptions = {}): Promise<Received> {
    return readWhole(this.cache, await this.open(url, options))
  }

  /** The response with its body unread. */
  open(url: string, options: RequestOptions = {}): Promise<Dispatcher.ResponseData> {
    return request(url, { ...(options as object), dispatcher: this.agent })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cache.close()
    await this.agent.destroy()
  }
}

export async function readWhole(cache: CacheInterceptor, response: Dispatcher.ResponseData): Promise<Received> {
  const bytes = Buffer.from(await response.body.arrayBuffer())
  const { statusCode: status, headers, trailers } = response
  const info = cache.info(response)
  if (info === undefined) throw new Error('the response says nothing of a cache')
  const { fromCache } = info
  return {
    status,
    headers,
    /** Not before it is asked for: large bodies are too long for it. */
    get body() {
      return bytes.toString()
    },
    bytes,
    trailers,
    fromCache,
    info
  }
}

/** Keeps Node from dating the origin's responses: the clock of the test counts alone. */
export function withoutDates(origin: Origin): Origin {
  origin.server.prependListener('request', (_request, response) => {
    response.sendDate = false
  })
  return origin
}

/** Settles once `condition` holds, looked at each turn of the event loop; fails after ten seconds. */
export async function until(condition: () => boolean, what = 'the condition'): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come about`)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}

/** A promise and what settles it. */
export interface Gate<T = void> {
  readonly opened: Promise<T>
  open(value: T): void
}

export function gate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => {}
  const opened = new Promise<T>(resolve => {
    open = resolve
  })
  return { opened, open }
}

/** Answers as `respond` does, the first request only once the gate is open. */
export function firstBehind(first: Gate, respond: Responder | Reply): Responder {
  return async (request, response) => {
    if (request.number === 1) await first.opened
    return typeof respond === 'function' ? respond(request, response) : respond
  }
}
