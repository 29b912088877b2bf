// What the cache does, on a server that takes its time. Three ways to use it, and the same requests through each.
//
//   npm run demo
import { Agent, getGlobalDispatcher, request, setGlobalDispatcher } from 'undici'
import { CachedClient, cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { type DemoOrigin, LATENCY_MS, startDemoOrigin } from './support/demo-origin.ts'
import { bold, green, Table, yellow } from './support/table.ts'

/** Asks for a URL and reads the response to its end; that response. */
type Ask = (url: string, headers: Record<string, string>) => Promise<object>

interface Step {
  readonly title: string
  readonly path: string
  readonly headers?: Record<string, string>
  /** How many requests at once; 1 by default. */
  readonly times?: number
}

const STEPS: readonly Step[] = [
  { title: 'a miss', path: '/article' },
  { title: 'a hit', path: '/article' },
  { title: 'revalidation by 304', path: '/article', headers: { 'cache-control': 'no-cache' } },
  { title: 'a miss, stale at once', path: '/ticker' },
  { title: 'stale-while-revalidate', path: '/ticker' },
  { title: 'Vary: in English', path: '/greeting', headers: { 'accept-language': 'en' } },
  { title: 'Vary: in German', path: '/greeting', headers: { 'accept-language': 'de' } },
  { title: 'Vary: in English again', path: '/greeting', headers: { 'accept-language': 'en' } },
  { title: 'a stampede of 100', path: '/popular', times: 100 }
]

const table = new Table([
  { title: 'request', width: 22 },
  { title: 'time', width: 7, align: 'right' },
  { title: 'origin', width: 6, align: 'right' },
  { title: 'body', width: 7, align: 'right' },
  { title: 'what the cache said', width: 30 }
])
const totals = { requests: 0, originRequests: 0, savedMs: 0 }
const startedMs = performance.now()

console.log(
  `Each answer of this server takes ${LATENCY_MS} ms. "origin" counts the requests that reach it, those in the`
)
console.log('background included, and "body" the bytes of body that it sends for them.')

await demonstrate('agent.compose(cacheInterceptor())', async origin => {
  const agent = new Agent().compose(cacheInterceptor())
  await runSteps(origin, async (url, headers) => {
    const response = await request(url, { dispatcher: agent, headers })
    await response.body.text()
    return response
  })
  await agent.close()
})

await demonstrate('setGlobalDispatcher(agent), then the built-in fetch', async origin => {
  setGlobalDispatcher(new Agent().compose(cacheInterceptor()))
  await runSteps(origin, async (url, headers) => {
    const response = await fetch(url, { headers })
    await response.text()
    return response
  })
  await getGlobalDispatcher().close()
})

await demonstrate('new CachedClient()', async origin => {
  await using client = new CachedClient()
  await runSteps(origin, async (url, headers) => {
    const response = await client.get(url, { headers })
    await response.body.text()
    return response
  })
})

const { requests, originRequests, savedMs } = totals
const tookSeconds = ((performance.now() - startedMs) / 1000).toFixed(1)
console.log(`\n${bold('All in all')}, in ${tookSeconds} s:`)
console.log(`${requests} requests, of which ${originRequests} reached the server: ${requests - originRequests} saved;`)
console.log(
  `${(savedMs / 1000).toFixed(1)} s of waiting saved, by answers in less time than the server's ${LATENCY_MS} ms.`
)

/** A section of its own, with a server of its own. */
async function demonstrate(title: string, run: (origin: DemoOrigin) => Promise<void>): Promise<void> {
  console.log(`\n${bold(title)}\n`)
  table.printHead()
  await using origin = await startDemoOrigin()
  await run(origin)
}

async function runSteps(origin: DemoOrigin, ask: Ask): Promise<void> {
  await ask(`${origin.url}/warm-up`, {}) // not found, not stored: it only opens a connection
  for (const { title, path, headers = {}, times = 1 } of STEPS) {
    const before = { requestCount: origin.requestCount, bodyBytes: origin.bodyBytes }
    const askedMs = performance.now()
    const responses = await Promise.all(Array.from({ length: times }, () => ask(origin.url + path, headers)))
    const tookMs = performance.now() - askedMs
    await origin.idle()

    const originRequests = origin.requestCount - before.requestCount
    const [said = '', ...more] = whatWasSaid(responses)
    const time = `${tookMs.toFixed(tookMs < 10 ? 1 : 0)} ms`
    const cells = [title, time, `${originRequests}`, `${origin.bodyBytes - before.bodyBytes} B`, said]
    table.printRow(cells, tookMs < LATENCY_MS ? green : yellow)
    for (const line of more) table.printRow(['', '', '', '', line])

    totals.requests += times
    totals.originRequests += originRequests
    totals.savedMs += Math.max(0, LATENCY_MS - tookMs)
  }
}

/** 'hit: fresh'; of several responses, each thing that was said, with its count. */
function whatWasSaid(responses: readonly object[]): string[] {
  const counts = new Map<string, number>()
  for (const response of responses) {
    const info = cacheInfo(response)
    const said = `${info?.outcome}: ${info?.reason}`
    counts.set(said, (counts.get(said) ?? 0) + 1)
  }
  return [...counts].map(([said, count]) => (responses.length === 1 ? said : `${count} × ${said}`))
}
