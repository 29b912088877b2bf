import { once } from 'node:events'
import { createServer, type OutgoingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Reply {
  readonly status?: number
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Buffer
}

const FRESH = { 'cache-control': 'max-age=60' }
const STALE = { 'cache-control': 'max-age=0' }

/** What the hosts of the README answer, by host and path; a list is answered in turn, its last member for good. */
const REPLIES: Readonly<Record<string, Reply | readonly Reply[]>> = {
  'api.example.com/items': { headers: FRESH, body: '[1, 2, 3]' },
  'api.example.com/me': { headers: FRESH, body: '{}' },
  'legacy.example.com/report': { body: 'a report' },
  'legacy.example.com/no-store': { headers: { 'cache-control': 'no-store' }, body: 'a report' },
  'news.example.com/headlines': { headers: STALE, body: 'news' },
  'weather.example.com/today': [{ headers: STALE, body: 'sunny' }, { status: 503 }],
  'shop.example.com/basket': { headers: { 'cache-control': 'no-store' }, body: 'empty' },
  'cdn.example.com/logo': {
    headers: { 'cache-control': 'no-store', 'cdn-cache-control': 'max-age=600' },
    body: 'a logo'
  },
  'files.example.com/film.bin': { headers: FRESH, body: Buffer.alloc(6 * 1024 * 1024, 'film') },
  'www.example.org/': { body: 'a page' },
  'elsewhere.example.com/': { body: 'a page' }
}

/** A server on loopback that answers for all hosts of the README. */
export async function startExampleOrigin(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const asked = new Map<string, number>()
  const server = createServer((request, response) => {
    const name = `${request.headers.host}${request.url}`
    const replies = [REPLIES[name] ?? { status: 404 }].flat() as readonly Reply[]
    const count = asked.get(name) ?? 0
    asked.set(name, count + 1)
    const { status = 200, headers = {}, body = '' } = replies[Math.min(count, replies.length - 1)] ?? {}
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => closeServer(server) }
}

async function closeServer(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}
