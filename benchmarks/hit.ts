// A 1 KB hit in memory: this package beside undici's own cache, interleaved in one process.
//   npm run bench [-- --short] [--json <file>] [--note <conditions>]
import { parseArgs } from 'node:util'
import { Agent, type Dispatcher, fetch, interceptors, request } from 'undici'
import { builtPackage } from './built-package.ts'
import { compare, type Subject } from './compare.ts'
import { dispatchOnce, REQUEST_HEADERS, startOrigin } from './exchange.ts'
import { ReportWriter } from './report.ts'

const { values: options } = parseArgs({
  options: { short: { type: 'boolean', default: false }, json: { type: 'string' }, note: { type: 'string' } }
})

const { cacheInterceptor } = await builtPackage()

const BYTES = 1024
const PATH = `/${BYTES}`
await using origin = await startOrigin()

const agents: Record<string, Dispatcher> = {
  'undici-http-cache': new Agent().compose(cacheInterceptor()),
  'undici interceptors.cache': new Agent().compose(interceptors.cache())
}

async function requestOnce(dispatcher: Dispatcher): Promise<void> {
  const { body } = await request(origin.url + PATH, { dispatcher, headers: REQUEST_HEADERS })
  await body.arrayBuffer()
}

async function fetchOnce(dispatcher: Dispatcher): Promise<void> {
  const response = await fetch(origin.url + PATH, { dispatcher })
  await response.arrayBuffer()
}

const ways = {
  dispatch: (dispatcher: Dispatcher) => dispatchOnce(dispatcher, origin.url, PATH, BYTES),
  'request + arrayBuffer': requestOnce,
  'fetch + arrayBuffer': fetchOnce
}
const report = new ReportWriter()
let failed = false
for (const [way, once] of Object.entries(ways)) {
  const subjects: Subject[] = Object.entries(agents).map(([name, dispatcher]) => ({
    name,
    run: () => once(dispatcher)
  }))
  const iterations = way === 'dispatch' ? 20_000 : 5_000
  const { medians, rounds, ratio } = await compare(subjects, {
    rounds: 5,
    iterations: options.short ? iterations / 10 : iterations
  })
  const parameters = { bytes: BYTES, concurrency: 1, urls: 1, way }
  const id = `hit-1KB-${way.replaceAll(/\W+/g, '-')}`
  report.add({ id, title: `Hit of 1 KB by ${way}`, unit: 'microseconds', parameters }, rounds, name =>
    name === 'undici-http-cache' ? 'ours' : 'other'
  )
  const least = way === 'dispatch' ? 5 : way.startsWith('request') ? 0.97 : undefined
  console.log(`${way}`)
  for (const [name, microseconds] of medians)
    console.log(`  ${name.padEnd(28)}${microseconds.toFixed(2).padStart(8)} us`)
  const verdict = least === undefined ? '' : ratio >= least ? `  (at least ${least}: yes)` : `  (at least ${least}: NO)`
  console.log(`  undici's / ours             ${ratio.toFixed(2).padStart(8)}${verdict}`)
  failed ||= least !== undefined && ratio < least
}
for (const agent of Object.values(agents)) await agent.close()
report.write(options.json, ['undici-http-cache', 'undici'], options.note)
process.exitCode = failed ? 1 : 0
