// A 1 KB hit in memory: this package beside undici's own cache, interleaved in one process.
//   npm run bench
import { createServer } from 'node:http'
import { Agent, type Dispatcher, fetch, interceptors, request } from 'undici'
import { builtPackage } from './built-package.ts'
import { compare, type Subject } from './compare.ts'

const { cacheInterceptor } = await builtPackage()

const BODY = Buffer.alloc(1024, 'x')

/** Twelve header fields, as an API behind a proxy sends them. */
const RESPONSE_HEADERS = {
  'Content-Type': 'application/json; charset=utf-8',
  'Content-Length': String(BODY.length),
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

/** What fetch sends. */
const REQUEST_HEADERS = {
  accept: '*/*',
  'accept-language': '*',
  'sec-fetch-mode': 'cors',
  'user-agent': 'undici',
  'accept-encoding': 'gzip, deflate'
}

const server = createServer((_request, response) => {
  response.writeHead(200, RESPONSE_HEADERS).end(BODY)
})
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
const address = server.address()
const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`

const agents: Record<string, Dispatcher> = {
  'undici-http-cache': new Agent().compose(cacheInterceptor()),
  'undici interceptors.cache': new Agent().compose(interceptors.cache())
}

/** Reads the whole body and the headers by the dispatcher's own interface. */
function dispatchOnce(dispatcher: Dispatcher): Promise<void> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    const handler = {
      onRequestStart() {},
      onResponseStart(_controller: unknown, statusCode: number, headers: Record<string, unknown>) {
        if (statusCode !== 200 || headers['etag'] === undefined) reject(new Error('not the response'))
      },
      onResponseData(_controller: unknown, chunk: Buffer) {
        bytes += chunk.length
      },
      onResponseEnd() {
        if (bytes === BODY.length) resolve()
        else reject(new Error('not the body'))
      },
      onResponseError(_controller: unknown, error: Error) {
        reject(error)
      }
    }
    dispatcher.dispatch(
      { origin, path: '/', method: 'GET', headers: REQUEST_HEADERS },
      handler as Dispatcher.DispatchHandler
    )
  })
}

async function requestOnce(dispatcher: Dispatcher): Promise<void> {
  const { body } = await request(origin, { dispatcher, headers: REQUEST_HEADERS })
  await body.arrayBuffer()
}

async function fetchOnce(dispatcher: Dispatcher): Promise<void> {
  const response = await fetch(origin, { dispatcher })
  await response.arrayBuffer()
}

const ways = { dispatch: dispatchOnce, 'request + arrayBuffer': requestOnce, 'fetch + arrayBuffer': fetchOnce }
const short = process.argv.includes('--short')
let failed = false
for (const [way, once] of Object.entries(ways)) {
  const subjects: Subject[] = Object.entries(agents).map(([name, dispatcher]) => ({
    name,
    run: () => once(dispatcher)
  }))
  const iterations = way === 'dispatch' ? 20_000 : 5_000
  const { medians, ratio } = await compare(subjects, { rounds: 5, iterations: short ? iterations / 10 : iterations })
  const least = way === 'dispatch' ? 5 : way.startsWith('request') ? 0.97 : undefined
  console.log(`${way}`)
  for (const [name, microseconds] of medians)
    console.log(`  ${name.padEnd(28)}${microseconds.toFixed(2).padStart(8)} us`)
  const verdict = least === undefined ? '' : ratio >= least ? `  (at least ${least}: yes)` : `  (at least ${least}: NO)`
  console.log(`  undici's / ours             ${ratio.toFixed(2).padStart(8)}${verdict}`)
  failed ||= least !== undefined && ratio < least
}
for (const agent of Object.values(agents)) await agent.close()
server.close()
process.exitCode = failed ? 1 : 0
