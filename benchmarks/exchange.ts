import { createServer } from 'node:http'
import type { Dispatcher } from 'undici'

/** What fetch sends. */
export const REQUEST_HEADERS = {
  accept: '*/*',
  'accept-language': '*',
  'sec-fetch-mode': 'cors',
  'user-agent': 'undici',
  'accept-encoding': 'gzip, deflate'
}

/** Twelve header fields, as an API behind a proxy sends them. */
export function responseHeaders(byteLength: number) {
  return {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(byteLength),
    'Cache-Control': 'public, max-age=86400',
    ETag: '"5d8c72a5edda8d6a3b1c"',
    'Last-Modified': 'Wed, 01 Jan 2025 00:00:00 GMT',
    Server: 'nginx',
    'X-Request-Id': '3f2b1c9e-8d7a-4c6b-9e5f-1a2b3c4d5e6f',
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
    'Access-Control-Allow-Origin': '*'
  } // and Date
}

export interface BenchmarkOrigin extends AsyncDisposable {
  readonly url: string
}

/** A server whose response to `/<bytes>/...` has a body of so many bytes. */
export async function startOrigin(): Promise<BenchmarkOrigin> {
  const server = createServer((request, response) => {
    const byteLength = Number(request.url?.split('/')[1])
    response.writeHead(200, responseHeaders(byteLength)).end(Buffer.alloc(byteLength, 'x'))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
}

/** Reads the whole response by the dispatcher's own interface; rejects where it is not what it should be. */
export function dispatchOnce(dispatcher: Dispatcher, origin: string, path: string, byteLength: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(_controller, statusCode, headers) {
        if (statusCode !== 200 || headers['etag'] === undefined) reject(new Error('not the response'))
      },
      onResponseData(_controller, chunk) {
        bytes += chunk.length
      },
      onResponseEnd() {
        if (bytes === byteLength) resolve()
        else reject(new Error('not the body'))
      },
      onResponseError(_controller, error) {
        reject(error)
      }
    }
    dispatcher.dispatch({ origin, path, method: 'GET', headers: REQUEST_HEADERS }, handler)
  })
}
