import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server on loopback for an example to talk to. In a program of your own, it is somebody else's. */
export interface Origin extends AsyncDisposable {
  /** Such as 'http://127.0.0.1:53124'. */
  readonly url: string
  /** Requests that have reached it. */
  readonly requestCount: number
}

export async function startOrigin(listener: RequestListener): Promise<Origin> {
  let requestCount = 0
  const server = createServer((request, response) => {
    requestCount++
    listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    get requestCount() {
      return requestCount
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    }
  }
}
