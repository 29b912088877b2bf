// A real forward proxy on loopback: CONNECT tunnels, and requests with an absolute URI.
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface ForwardProxy extends AsyncDisposable {
  readonly url: string
  /** 'CONNECT host:port' or 'GET http://host:port/path', in order. */
  readonly requests: string[]
  close(): Promise<void>
}

export async function startProxy(): Promise<ForwardProxy> {
  const requests: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming
    requests.push(`${method} ${url}`)
    const forwarded = request(url, { method, headers, agent: false }, response => {
      outgoing.writeHead(response.statusCode ?? 502, response.statusMessage, response.rawHeaders)
      response.pipe(outgoing)
    })
    forwarded.on('error', error => outgoing.destroy(error))
    incoming.pipe(forwarded)
  })
  server.on('connect', ({ url = '' }, client: Socket) => {
    requests.push(`CONNECT ${url}`)
    const [host = '', port = ''] = url.split(':')
    const origin = connect(Number(port), host, () => client.write('HTTP/1.1 200 Connection Established\r\n\r\n'))
    for (const [from, to] of [
      [client, origin],
      [origin, client]
    ] as const) {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  async function close(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, requests, close, [Symbol.asyncDispose]: close }
}
