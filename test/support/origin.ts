// A real HTTP/1 server on loopback that counts what reaches it.
//
//   await using origin = await startOrigin()                         // 200, fresh for 60 s, body '#1', '#2', ...
//   await using origin = await startOrigin({ headers: { etag: '"1"' }, body: 'x' })      // the same reply every time
//   await using origin = await startOrigin([{ status: 500 }, { body: 'x' }])             // in turn; the last repeats
//   await using origin = await startOrigin((request, response) => { ... })               // a Reply, or write it yourself
//   await using origin = await startOrigin({ body: 'x' }, 'h2')                          // TLS: connect with { ca: origin.ca }
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse
} from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** A request as it came in. */
export interface SeenRequest {
  readonly method: string
  /** Path and query, as sent. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Name, value, name, value, ... as sent. */
  readonly rawHeaders: readonly string[]
  readonly body: string
  /** 1 for the server's first request. */
  readonly number: number
}

/** What to answer. Nothing is added but Date and the framing: Content-Length, or chunks where `chunked` or `trailers`. */
export interface Reply {
  /** 200 by default. */
  readonly status?: number
  readonly headers?: OutgoingHttpHeaders
  /** '' by default. */
  readonly body?: string | Uint8Array
  /** Without a Content-Length, in chunks. */
  readonly chunked?: boolean
  readonly trailers?: Record<string, string>
}

/** Returns what to answer, or undefined where it answers by itself. */
export type Responder = (
  request: SeenRequest,
  response: ServerResponse
) => Reply | undefined | void | Promise<Reply | undefined | void>

export interface Origin extends AsyncDisposable {
  /** 'http://127.0.0.1:port' */
  readonly url: string
  /** '127.0.0.1:port' */
  readonly host: string
  readonly port: number
  /** All that has reached the server, in order. */
  readonly requests: SeenRequest[]
  readonly server: Server
  /** The certificate to trust where the protocol is 'https' or 'h2'. */
  readonly ca: string
  /** Breaks open connections, and settles once the port is free. */
  close(): Promise<void>
}

export type Protocol = 'http' | 'https' | 'h2'

/** Self-signed, for 127.0.0.1, localhost, one.test and two.test, until 2120. */
const TLS = {
  key: readFileSync(new URL('fixtures/loopback-key.pem', import.meta.url), 'utf8'),
  cert: readFileSync(new URL('fixtures/loopback-cert.pem', import.meta.url), 'utf8')
}

const freshReply: Responder = ({ number }) => ({ headers: { 'cache-control': 'max-age=60' }, body: `#${number}` })

/** Starts an origin server; `await using` closes it. */
export async function startOrigin(
  handler: Responder | Reply | readonly Reply[] = freshReply,
  protocol: Protocol = 'http'
): Promise<Origin> {
  const respond = responderOf(handler)
  const requests: SeenRequest[] = []
  const server = createServerOf(protocol, (message, response) => {
    response.on('error', () => {})
    answer(message, response).catch(error => response.destroy(error))
  })
  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers, rawHeaders } = message
    const number = requests.length + 1
    const place = requests.push({ method, path, headers, rawHeaders, body: '', number }) - 1
    const body = await text(message)
    const request: SeenRequest = { method, path, headers, rawHeaders, body, number }
    requests[place] = request
    const reply = await respond(request, response)
    if (reply !== undefined) send(response, reply, method)
  }
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', session => sessions.add(session))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const host = `127.0.0.1:${port}`
  async function close(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const session of sessions) session.destroy()
    if (protocol !== 'h2') server.closeAllConnections()
    await closed
  }
  const url = `${protocol === 'http' ? 'http' : 'https'}://${host}`
  return { url, host, port, requests, server, ca: TLS.cert, close, [Symbol.asyncDispose]: close }
}

type Listener = (message: IncomingMessage, response: ServerResponse) => void

/** Node's HTTP/2 server speaks to its listener as its HTTP/1 server does. */
function createServerOf(protocol: Protocol, listener: Listener): Server {
  if (protocol === 'http') return createServer(listener)
  if (protocol === 'https') return createTlsServer(TLS, listener)
  const server: Http2SecureServer = createSecureServer(TLS, listener as never)
  return server as unknown as Server
}

/** A Responder of fixed replies, in turn; the last repeats. */
export function responderOf(handler: Responder | Reply | readonly Reply[]): Responder {
  if (typeof handler === 'function') return handler
  const replies = Array.isArray(handler) ? (handler as readonly Reply[]) : [handler as Reply]
  let next = 0
  return () => replies[Math.min(next++, replies.length - 1)]
}

function send(response: ServerResponse, reply: Reply, method: string): void {
  const { status = 200, headers = {}, body = '', trailers } = reply
  const content = Buffer.from(body)
  const bodyless = status < 200 || status === 204 || status === 304
  const framed = bodyless || reply.chunked || trailers !== undefined
  response.writeHead(status, framed ? headers : { 'content-length': content.byteLength, ...headers })
  if (method === 'HEAD' || bodyless) {
    response.end()
    return
  }
  // Written apart from the end, so that Node frames it in chunks.
  if (content.byteLength > 0) response.write(content)
  if (trailers !== undefined) response.addTrailers(trailers)
  response.end()
}
