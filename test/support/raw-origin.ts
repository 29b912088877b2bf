// An origin that writes what it likes on the wire.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface RawOrigin extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** How many requests have come. */
  readonly requestCount: number
}

/** Calls `answer` for each request, which must have no content; `await using` closes it, open connections as well. */
export async function startRawOrigin(
  answer: (socket: Socket, number: number, head: string) => void
): Promise<RawOrigin> {
  let requestCount = 0
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    let received = ''
    socket.setEncoding('latin1')
    socket.on('data', chunk => {
      received += chunk
      for (let end = received.indexOf('\r\n\r\n'); end !== -1; end = received.indexOf('\r\n\r\n')) {
        const head = received.slice(0, end)
        received = received.slice(end + 4)
        answer(socket, ++requestCount, head)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get requestCount() {
      return requestCount
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    }
  }
}
