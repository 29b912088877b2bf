// A miss that stores 1 KB, 64 at a time from an origin on loopback: no cache, undici's own cache and this package,
// interleaved in one process.
//   npm run build && npx tsx benchmarks/miss.ts [--short] [--json <file>] [--note <conditions>]
import { parseArgs } from 'node:util'
import { Agent, cacheStores, type Dispatcher, interceptors } from 'undici'
import { builtPackage } from './built-package.ts'
import { compare, type Subject } from './compare.ts'
import { dispatchOnce, startOrigin } from './exchange.ts'
import { ReportWriter, type Role } from './report.ts'

const { values: options } = parseArgs({
  options: { short: { type: 'boolean', default: false }, json: { type: 'string' }, note: { type: 'string' } }
})
const { cacheInterceptor } = await builtPackage()

const BYTES = 1024
const CONCURRENCY = 64
await using origin = await startOrigin()

/** Beyond the 1,024 entries of its default, undici's store would go through all of them for each one that it stores. */
const store = new cacheStores.MemoryCacheStore({ maxCount: 1_000_000 })
const agents: Record<string, Dispatcher> = {
  'undici-http-cache': new Agent().compose(cacheInterceptor()),
  'undici interceptors.cache': new Agent().compose(interceptors.cache({ store })),
  'no cache': new Agent()
}
let urls = 0
const subjects: Subject[] = Object.entries(agents).map(([name, dispatcher]) => ({
  name,
  operations: CONCURRENCY,
  run: () =>
    Promise.all(
      Array.from({ length: CONCURRENCY }, () => dispatchOnce(dispatcher, origin.url, `/${BYTES}/${urls++}`, BYTES))
    )
}))
const { medians, rounds } = await compare(subjects, { rounds: 5, iterations: options.short ? 10 : 60 })
console.log(`miss that stores ${BYTES} bytes, ${CONCURRENCY} at a time`)
for (const [name, microseconds] of medians) console.log(`  ${name.padEnd(28)}${microseconds.toFixed(2).padStart(8)} us`)

const roles: Record<string, Role> = { 'undici-http-cache': 'ours', 'no cache': 'floor' }
const title = `Miss that stores 1 KB, ${CONCURRENCY} at a time, from an origin in the same process`
const parameters = { bytes: BYTES, concurrency: CONCURRENCY, way: 'dispatch' }
const report = new ReportWriter()
report.add({ id: 'miss-1KB', title, unit: 'microseconds', parameters }, rounds, name => roles[name] ?? 'other')
for (const agent of Object.values(agents)) await agent.close()
report.write(options.json, ['undici-http-cache', 'undici'], options.note)
