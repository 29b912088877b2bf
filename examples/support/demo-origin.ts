import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Origin, startOrigin } from './origin.ts'

/** How long the server takes for any answer. */
export const LATENCY_MS = 150

/** How long nothing has to happen before the server counts as idle. */
const QUIET_MS = 40

const ARTICLE = 'A long article. '.repeat(1500)
const GREETINGS: Readonly<Record<string, string>> = { en: 'Good morning', de: 'Guten Morgen' }

/** What the demo asks for: a slow server that counts. */
export interface DemoOrigin extends Origin {
  /** Bytes of bodies that it has sent. */
  readonly bodyBytes: number
  /** Waits until no request is under way, those in the background included. */
  idle(): Promise<void>
}

export async function startDemoOrigin(): Promise<DemoOrigin> {
  let bodyBytes = 0
  let underWay = 0
  const origin = await startOrigin(async (request, response) => {
    underWay++
    await sleep(LATENCY_MS)
    bodyBytes += answer(request, response)
    underWay--
  })
  return {
    url: origin.url,
    get requestCount() {
      return origin.requestCount
    },
    get bodyBytes() {
      return bodyBytes
    },
    async idle() {
      do await sleep(QUIET_MS)
      while (underWay > 0)
    },
    [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose]()
  }
}

/** Sends a response; the bytes in its body. */
function answer(request: IncomingMessage, response: ServerResponse): number {
  switch (request.url) {
    case '/article':
      if (request.headers['if-none-match'] === '"v1"') return send(response, 304, { etag: '"v1"' })
      return send(response, 200, { 'cache-control': 'max-age=60', etag: '"v1"' }, ARTICLE)
    case '/ticker':
      return send(response, 200, { 'cache-control': 'max-age=0, stale-while-revalidate=60' }, `${Date.now()}`)
    case '/greeting': {
      const greeting = GREETINGS[request.headers['accept-language'] ?? '']
      return send(response, 200, { 'cache-control': 'max-age=60', vary: 'accept-language' }, greeting)
    }
    case '/popular':
      return send(response, 200, { 'cache-control': 'max-age=60' }, 'what everybody reads')
    default:
      return send(response, 404, {})
  }
}

function send(response: ServerResponse, status: number, headers: OutgoingHttpHeaders, body = ''): number {
  const length = Buffer.byteLength(body)
  response.writeHead(status, status === 304 ? headers : { ...headers, 'content-length': length }).end(body)
  return length
}
