// npm run conformance -- [--suite <directory>] [--type private|shared] [option ...]
//
// Runs the public HTTP cache test suite, shown at cache-tests.fyi, through the built package. The status is 0 if every
// required and optimal test that passed in results/ still does, or as many as --min-required and --min-optimal say, or,
// with --store, if each test ends as it does in memory; 1 if not; 2 where it could not run.
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import manifest from '../../package.json' with { type: 'json' }
import { undiciPackage, undiciVersion } from '../../scripts/registry.ts'
import { publish, shownBy } from './publish.ts'
import { readRecord, writeRecord } from './record.ts'
import type { StoreUnderTest } from './stores/store-under-test.ts'
import { applies, KINDS, type Kind, kindOf, type Mode, type Results, STATUSES, type Status, Suite } from './suite.ts'

const { values: options } = parseArgs({
  options: {
    suite: { type: 'string', default: process.env.CACHE_TESTS ?? '' },
    type: { type: 'string', default: 'private' },
    mode: { type: 'string' }, // browser or proxy, the suite's two; by default browser for a private cache
    cache: { type: 'string', default: 'ours' }, // undici: the one of undici itself; none: no cache
    defaults: { type: 'boolean', default: false }, // the package's default options
    cdn: { type: 'boolean', default: false }, // with a target list, and the cdn_only tests count
    id: { type: 'string' }, // this test only, and all of its messages
    chunk: { type: 'string', default: '25' }, // tests side by side
    undici: { type: 'string', default: '7' }, // 8: the other supported one
    store: { type: 'string' }, // one of stores/, in place of the memory store
    json: { type: 'string' }, // where to write every result, with its reason
    update: { type: 'boolean', default: false }, // writes results/
    publish: { type: 'string' }, // a directory for the results in the suite's own format
    'min-required': { type: 'string' },
    'min-optimal': { type: 'string' }
  }
})
const { type } = options
const mode = options.mode ?? (type === 'private' ? 'browser' : 'proxy')
if ((type !== 'private' && type !== 'shared') || (mode !== 'browser' && mode !== 'proxy')) {
  exit('--type is private or shared, --mode is browser or proxy')
}
if (!['ours', 'undici', 'none'].includes(options.cache)) exit('--cache is ours, undici or none')
if (options.store !== undefined && options.update) exit('--update is for the memory store')
/** Of the results that are kept; `undefined` for a run that is not one of those. */
const recordName = nameRecord()
if (options.publish !== undefined && (recordName === undefined || options.cache !== 'ours' || options.store)) {
  exit('--publish is for a whole run of this package with the memory store')
}
const suite = await Suite.load(resolve(options.suite))
if (suite === undefined) {
  exit('no checkout: git clone https://github.com/http-tests/cache-tests, then name it with --suite or $CACHE_TESTS')
}
if (options.id !== undefined && !suite.tests.has(options.id)) exit(`the suite has no test ${options.id}`)
checkBuild()

interface Row {
  id: string
  kind: Kind
  status: Status
  /** Without regard to the tests it depends on. */
  alone: Status
  reason: string
}

/** What the store did wrong: then a test that fails says nothing of the cache. */
const faults: string[] = []
const startedMs = performance.now()
const results = await measure(suite, mode)
const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
const rows = [...suite.tests.values()].map((test): Row => {
  const result = results[test.id]
  return {
    id: test.id,
    kind: kindOf(test),
    status: suite.statusOf(test.id, results, options.id !== undefined),
    alone: suite.statusOf(test.id, results, true),
    reason: result === undefined || result === true ? '' : result.join(': ')
  }
})
printTotals(suite, mode)
printFailures()

for (const fault of faults.slice(0, 10)) console.log(`the store failed ${faults.length} times: ${fault}`)

const recorded = recordName === undefined ? undefined : readRecord(recordName)?.tests
const changed = rows.filter(({ id, status }) => recorded !== undefined && (recorded[id] ?? 'skipped') !== status)
if (changed.length > 0) {
  console.log(`\nNot as in ${recordName}.json:`)
  for (const { id, status } of changed) console.log(`  ${id}: ${recorded?.[id] ?? 'skipped'}, now ${status}`)
}
if (options.update && recordName !== undefined) writeRecord(recordName, suite, measuredBy(), rows)
if (options.publish !== undefined) await publishTo(suite, resolve(options.publish))
if (options.json !== undefined) {
  const meta = { type, mode, undici: options.undici, node: process.versions.node, seconds: Number(seconds) }
  writeFileSync(options.json, `${JSON.stringify({ meta, results, rows }, null, 2)}\n`)
}
process.exit(isGood() ? 0 : 1)

function exit(message: string): never {
  console.error(message)
  process.exit(2)
}

/** What is measured is the build: it must be there, and of these sources. */
function checkBuild(): void {
  const root = join(import.meta.dirname, '../..')
  const built = fileURLToPath(import.meta.resolve('undici-http-cache'))
  if (dirname(built) !== join(root, 'dist')) throw new Error(`measuring ${built}`)
  const newestMs = ['lib', 'interceptors', 'stores', 'serializers']
    .flatMap(folder => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(f => join(folder, f)))
    .reduce((latestMs, file) => Math.max(latestMs, statSync(join(root, file)).mtimeMs), 0)
  if (!existsSync(built) || statSync(built).mtimeMs < newestMs) exit('dist/ is missing or old: npm run build')
}

async function measure(suite: Suite, mode: Mode): Promise<Results> {
  const { cacheInterceptor } = await import('undici-http-cache')
  const undici: typeof import('undici') = createRequire(import.meta.url)(undiciPackage(options.undici))
  const other = options.store === undefined ? undefined : await startStore(options.store)
  const cache = cacheInterceptor({
    type: type === 'private' ? 'private' : 'shared',
    ...(!options.defaults && { storeSetCookie: true, whenDisconnected: 'stale' }),
    ...(options.cdn && { targetList: ['CDN-Cache-Control'] }),
    ...(other && { store: other.store }),
    onStoreError: (error, operation) => faults.push(`${operation}: ${error}`)
  })
  const agent = new undici.Agent()
  const theirs = undici.interceptors.cache({ type: type === 'private' ? 'private' : 'shared' })
  const dispatcher = options.cache === 'none' ? agent : agent.compose(options.cache === 'undici' ? theirs : cache)
  Object.assign(globalThis, { dispatcherUnderTest: dispatcher }) // for undici-for-suite.mjs

  const selected = [...suite.tests.values()].filter(test =>
    options.id === undefined ? applies(test, mode, type === 'private' ? 'private' : 'shared') : test.id === options.id
  )
  for (const test of selected) test.dump = options.id !== undefined
  const { log, error } = console
  if (options.id === undefined) console.log = console.error = () => {} // the suite logs each anomaly
  try {
    return await suite.run(
      selected,
      (url, init) => undici.fetch(url, { dispatcher, ...init }).catch(explain),
      mode,
      Number(options.chunk)
    )
  } finally {
    Object.assign(console, { log, error })
    await agent.close()
    await cache.close()
    await other?.store.close()
    await other?.remove()
  }
}

async function startStore(name: string): Promise<StoreUnderTest> {
  const names = readdirSync(join(import.meta.dirname, 'stores'))
    .map(file => basename(file, '.ts'))
    .filter(file => file !== 'store-under-test')
  if (!names.includes(name)) exit(`--store is one of ${names.join(', ')}`)
  return (await import(`./stores/${name}.ts`)).start()
}

/** The suite keeps an error's name and message alone; fetch puts the reason in its cause. */
function explain(error: Error): never {
  if (error.cause instanceof Error) error.message += ` (${error.cause.name}: ${error.cause.message})`
  throw error
}

function printTotals(suite: Suite, mode: Mode): void {
  const what = [
    type,
    options.cache === 'ours' ? 'cache' : `cache: ${options.cache}`,
    options.store && `on the ${options.store} store`,
    options.defaults && '(default options)',
    options.cdn && '(target list)'
  ]
  console.log(
    `${what.filter(Boolean).join(' ')}, ${mode} mode, undici ${options.undici}, Node ${process.versions.node}`
  )
  console.log(`${Object.keys(results).length} of ${suite.tests.size} tests in ${seconds} s\n`)
  const line = (title: string, cells: readonly (string | number)[]) =>
    console.log(title.padEnd(13) + cells.map(cell => String(cell).padStart(11)).join(''))
  line('', ['run', ...STATUSES])
  for (const kind of KINDS) {
    const mine = rows.filter(row => row.kind === kind)
    const counts = STATUSES.map(status => mine.filter(row => row.status === status).length)
    line(kind, [mine.filter(row => row.status !== 'skipped').length, ...counts])
  }
}

function printFailures(): void {
  console.log('\nNot passed (for a check, "fail" is the answer no):')
  for (const { id, kind, status, alone, reason } of rows) {
    if (status === 'pass' || status === 'skipped') continue
    const note = status === 'dependency' ? `[alone: ${alone}] ` : ''
    console.log(`  ${kind.padEnd(12)} ${status.padEnd(10)} ${id}  ${note}${reason}`)
  }
}

function nameRecord(): string | undefined {
  if (options.id !== undefined || options.mode !== undefined) return undefined
  const parts = [options.cache !== 'ours' && options.cache, type, options.defaults && 'defaults', options.cdn && 'cdn']
  return parts.filter(Boolean).join('-')
}

function measuredBy() {
  const undici = undiciVersion(options.undici)
  const caches: Record<string, string> = { undici: `undici ${undici}`, none: 'none' }
  const cache = caches[options.cache] ?? `${manifest.name} ${manifest.version}`
  return { cache, undici, node: process.versions.node }
}

/** Writes the results, and has the suite read them: it must show what was counted here. */
async function publishTo(suite: Suite, directory: string): Promise<void> {
  const what = [type, options.defaults && 'default options', options.cdn && 'target list'].filter(Boolean).join(', ')
  const { undici, node } = measuredBy()
  const file = `${manifest.name}-${recordName}.json`
  const version = `${manifest.version} (undici ${undici}, Node ${node})`
  const kind = mode === 'browser' ? 'browser' : 'rev-proxy'
  await publish(directory, { file, name: `${manifest.name} (${what})`, type: kind, version }, results)
  const shown = await shownBy(suite.directory, directory, file)
  const wrong = rows.filter(row => shown.get(row.id) !== suite.symbolOf(row.id, row.status))
  if (wrong.length > 0) throw new Error(`the suite shows otherwise: ${wrong.map(({ id }) => id).join(', ')}`)
  console.log(`\nWritten to ${join(directory, file)}, and read by the suite's own code.`)
}

function isGood(): boolean {
  if (options.store !== undefined && recorded !== undefined) return changed.length === 0
  const counted: readonly Kind[] = options.cdn
    ? ['required', 'optimal', 'cdn-required', 'cdn-optimal']
    : ['required', 'optimal']
  const gated = options['min-required'] !== undefined || options['min-optimal'] !== undefined
  return counted.every(kind => {
    const mine = rows.filter(row => row.kind === kind && row.status !== 'skipped')
    const passed = mine.filter(row => row.status === 'pass').length
    if (gated && kind === 'required') return passed >= Number(options['min-required'] ?? mine.length)
    if (gated && kind === 'optimal') return passed >= Number(options['min-optimal'] ?? mine.length)
    if (recorded === undefined || gated) return passed === mine.length
    return mine.every(row => row.status === 'pass' || recorded[row.id] !== 'pass')
  })
}
