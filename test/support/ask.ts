// One request through a dispatcher, its body read.
import { type Dispatcher, request } from 'undici'
import { type CacheInfo, cacheInfo } from 'undici-http-cache'

export interface Asked {
  readonly statusCode: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly trailers: Record<string, string>
  readonly body: string
  readonly context: { readonly fromCache?: boolean; readonly history?: readonly URL[] }
  readonly info: CacheInfo | undefined
  readonly outcome: CacheInfo['outcome'] | undefined
}

export type AskOptions = Partial<Omit<Dispatcher.RequestOptions, 'origin' | 'path'>> & { cache?: boolean }

/** undici's request() of a URL, read to its end. */
export async function ask(dispatcher: Dispatcher, url: string | URL, options: AskOptions = {}): Promise<Asked> {
  return read(await request(url, { ...options, dispatcher }))
}

/** The dispatcher's own request(), read to its end: the only way without an origin. */
export async function askPath(dispatcher: Dispatcher, path: string, options: AskOptions = {}): Promise<Asked> {
  return read(await dispatcher.request({ method: 'GET', ...options, path }))
}

export async function read(response: Dispatcher.ResponseData): Promise<Asked> {
  const { statusCode, headers, trailers, body } = response
  const text = await body.text()
  const info = cacheInfo(response)
  const context = (response.context ?? {}) as Asked['context']
  return { statusCode, headers, trailers, body: text, context, info, outcome: info?.outcome }
}

/** The last member of Cache-Status, this cache's. */
export function cacheStatus(headers: Asked['headers']): string | undefined {
  return [headers['cache-status'] ?? []].flat().at(-1)
}
