// npm run test:matrix [-- --node 24] [--undici 8] [name ...]
//
// Runs the tests of public behaviour (or those whose path contains a name) on the packed package, on every supported pair of
// Node and undici; what tests internals runs on the sources, once on each Node. `--undici` takes an exact version too:
// --undici 7.30.0. `--format cjs` or `esm` is for all pairs. `--others` leaves out the pairs that CI runs whole, and what
// `npm test` runs. `--short` leaves out the tests that have next to nothing to do with the pair, and runs those that depend on
// Node alone once for each. What is not installed comes from the registry, and is kept in node_modules/.cache.
import { spawnSync } from 'node:child_process'
import { delimiter, dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { type Format, PackedProject } from './packed-project.ts'
import { nodeBinary, undiciVersion } from './registry.ts'

/** The exit status of scripts/test.ts where there is nothing to run. */
const NO_TEST_FILES = 3

interface Pair {
  /** A major version: its newest release, or the running Node where that is one. */
  readonly node: string
  /** A major version: the one that is installed; or an exact version. */
  readonly undici: string
  readonly format: Format
}
interface Run {
  readonly title: string
  readonly program: string
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
  /** For scripts/test.ts. */
  readonly args: readonly string[]
}

/** undici 8 does not load on Node 20. Each format meets each undici. */
const PAIRS: readonly Pair[] = [
  { node: '20', undici: '7', format: 'esm' },
  { node: '22', undici: '7', format: 'cjs' },
  { node: '22', undici: '8', format: 'esm' },
  { node: '24', undici: '7', format: 'esm' },
  { node: '24', undici: '8', format: 'cjs' },
  { node: '26', undici: '7', format: 'cjs' },
  { node: '26', undici: '8', format: 'esm' }
]
/** By `npm run test:packed`. */
const WHOLE_IN_CI = new Set(['20 7', '24 8'])

const root = dirname(import.meta.dirname)
const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string' },
    undici: { type: 'string' },
    format: { type: 'string' },
    others: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false }
  }
})
const { format: onlyFormat } = options
if (onlyFormat !== undefined && onlyFormat !== 'esm' && onlyFormat !== 'cjs') {
  console.error('--format is esm or cjs')
  process.exit(2)
}
/** What depends on a server of another kind, on a document, or on nothing but the rules of the engine. */
const OF_NO_PAIR = [
  '!stores/object/',
  '!stores/redis/',
  '!examples/',
  '!docs/',
  '!serializers/',
  '!rfc9111/',
  '!performance/linear'
]
/** What depends on Node, and not on undici or next to nothing: once for each Node. */
const OF_NODE_ALONE = [
  '!stores/clock',
  '!stores/contract',
  '!performance/large-body',
  '!stores/lmdb-contract',
  '!stores/lmdb-exclusion',
  '!stores/lmdb-processes',
  '!stores/memory',
  '!stores/tiered',
  ...['contract', 'damage', 'deletions', 'endings', 'faults', 'files', 'limit', 'processes', 'sweep'].map(
    name => `!stores/file/${name}`
  )
]
const pairs = PAIRS.filter(
  ({ node, undici }) =>
    (options.node ?? node) === node &&
    (options.undici ?? undici).split('.')[0] === undici &&
    !(options.others && WHOLE_IN_CI.has(`${node} ${undici}`))
).map(pair => ({ ...pair, undici: options.undici ?? pair.undici, format: onlyFormat ?? pair.format }))
if (pairs.length === 0) {
  console.error(`no such pair of Node and undici: ${PAIRS.map(({ node, undici }) => `${node}/${undici}`).join(', ')}`)
  process.exit(2)
}

const totals = { passed: 0, failed: 0 }
for (const version of new Set(pairs.map(pair => pair.undici))) {
  using project = new PackedProject(version)
  for (const pair of pairs) if (pair.undici === version) run(packedRun(pair, project))
}
for (const node of new Set(pairs.map(pair => pair.node))) {
  const isInCi = options.others && process.versions.node.startsWith(`${node}.`)
  if (!isInCi) run(sourceRun(node))
}
console.log(`${totals.passed} passed, ${totals.failed} failed`)
process.exitCode = totals.failed > 0 ? 1 : 0

function packedRun({ node, undici, format }: Pair, project: PackedProject): Run {
  // Of the pairs with one Node, the one with undici 8 runs what depends on Node alone; in CI that may be test:packed.
  const isInCi = options.others && WHOLE_IN_CI.has(`${node} 8`)
  const isTwice = undici === '7' && (isInCi || pairs.some(pair => pair.node === node && pair.undici === '8'))
  const left = options.short ? [...OF_NO_PAIR, ...(isTwice ? OF_NODE_ALONE : [])] : []
  const program = nodeBinary(node)
  const env = project.environment(program, format)
  const title = `Node ${versionOf(program, node)}, undici ${undiciVersion(undici)}, packed as ${format}`
  return { title, program, directory: project.directory, env, args: [...names, ...left] }
}

/** What tests internals; undici is the one of package.json, for which next to none of it asks. */
function sourceRun(node: string): Run {
  const program = nodeBinary(node)
  const env = { ...process.env, PATH: dirname(program) + delimiter + process.env['PATH'] }
  const args = ['--internals', ...names, ...(options.short ? OF_NO_PAIR : [])]
  const title = `Node ${versionOf(program, node)}, internals on the sources`
  return { title, program, directory: root, env, args }
}

function run({ title, program, directory, env, args }: Run): void {
  const startedMs = performance.now()
  const { status, stdout, stderr } = spawnSync(program, ['--import', 'tsx', 'scripts/test.ts', ...args], {
    cwd: directory,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28
  })
  const seconds = (performance.now() - startedMs) / 1000
  const isNothing = status === NO_TEST_FILES && names.length > 0
  const failures = tally(stdout, 'failed')
  // A run may end badly without naming a test.
  const failed = status === 0 || isNothing ? failures : Math.max(failures, 1)
  const passed = tally(stdout, 'passed')
  if (failed > 0) console.log(stdout + stderr)
  console.log(`${failed > 0 ? 'FAIL' : 'ok  '}  ${title}: ${passed} passed, ${failed} failed, ${seconds.toFixed(0)} s`)
  totals.passed += passed
  totals.failed += failed
}

/** A figure of the closing line of scripts/test.ts. */
function tally(output: string, name: string): number {
  const [totals = ''] = output.match(/^\d+ passed, .*$/m) ?? []
  return Number(totals.match(new RegExp(`(\\d+) ${name}\\b`))?.[1] ?? 0)
}

/** Throws where the program is another Node. */
function versionOf(program: string, major: string): string {
  const version = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.trim().slice(1)
  if (!version.startsWith(`${major}.`)) throw new Error(`wanted Node ${major}, got ${version}`)
  return version
}
