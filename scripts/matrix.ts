// npm run test:matrix [-- --node 24] [--undici 8] [name ...]
//
// Runs the tests (or those whose path contains a name) on every supported pair of Node and undici. `--undici` takes an
// exact version too: --undici 7.30.0. `--others` leaves out the pair that `npm test` runs on. `--short` leaves out the tests
// that have next to nothing to do with the pair, and runs those that depend on Node alone once for each. What is not
// installed comes from the registry, and is kept in node_modules/.cache.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { fetchPackage, undiciPackage } from './registry.ts'

interface Pair {
  /** A major version: its newest release, or the running Node where that is one. */
  node: string
  /** A major version: the one that is installed; or an exact version. */
  undici: string
}
interface Outcome {
  title: string
  seconds: number
  passed: number
  failed: number
  output: string
}

/** undici 8 does not load on Node 20. */
const PAIRS: readonly Pair[] = [
  { node: '20', undici: '7' },
  { node: '22', undici: '7' },
  { node: '22', undici: '8' },
  { node: '24', undici: '7' },
  { node: '24', undici: '8' },
  { node: '26', undici: '7' },
  { node: '26', undici: '8' }
]

const root = dirname(import.meta.dirname)
const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string' },
    undici: { type: 'string' },
    others: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false }
  }
})
/** What depends on a server of another kind, on a document, or on nothing but the rules of the engine. */
const OF_NO_PAIR = ['!stores/object/', '!stores/redis/', '!examples/', '!docs/', '!serializers/', '!rfc9111/']
/** What depends on Node, and not on undici or next to nothing: once for each Node. */
const OF_NODE_ALONE = [
  '!stores/contract',
  '!stores/large-body',
  '!stores/lmdb-contract',
  '!stores/lmdb-exclusion',
  '!stores/lmdb-processes',
  '!stores/memory',
  ...['contract', 'damage', 'deletions', 'endings', 'faults', 'files', 'limit', 'processes', 'sweep'].map(
    name => `!stores/file/${name}`
  )
]
const pairs = PAIRS.filter(
  ({ node, undici }) =>
    (options.node ?? node) === node &&
    (options.undici ?? undici).split('.')[0] === undici &&
    !(options.others && undici === '7' && isRunning(node))
)
if (pairs.length === 0) {
  console.error(`no such pair of Node and undici: ${PAIRS.map(({ node, undici }) => `${node}/${undici}`).join(', ')}`)
  process.exit(2)
}

const totals = { passed: 0, failed: 0 }
for (const { node, undici } of pairs) {
  const { title, seconds, passed, failed, output } = runPair({ node, undici: options.undici ?? undici })
  if (failed > 0) console.log(output)
  console.log(`${failed > 0 ? 'FAIL' : 'ok  '}  ${title}: ${passed} passed, ${failed} failed, ${seconds.toFixed(0)} s`)
  totals.passed += passed
  totals.failed += failed
}
console.log(`${totals.passed} passed, ${totals.failed} failed`)
process.exit(totals.failed > 0 ? 1 : 0)

function runPair(pair: Pair): Outcome {
  const isTwice = pair.undici === '7' && pairs.some(({ node, undici }) => node === pair.node && undici === '8')
  const left = options.short ? [...OF_NO_PAIR, ...(isTwice ? OF_NODE_ALONE : [])] : []
  const node = nodeBinary(pair.node)
  const tree = pair.undici === '7' ? root : treeWith(undiciPackage(pair.undici))
  try {
    const title = describeRuntime(node, tree, pair)
    const startedMs = performance.now()
    const { status, stdout, stderr } = spawnNode(node, tree, ['--import', 'tsx', 'scripts/test.ts', ...names, ...left])
    const failed = tally(stdout, 'fail') + tally(stdout, 'cancelled')
    return {
      title,
      seconds: (performance.now() - startedMs) / 1000,
      passed: tally(stdout, 'pass'),
      failed: status === 0 ? failed : Math.max(failed, 1), // a run may end badly without naming a test
      output: stdout + stderr
    }
  } finally {
    if (tree !== root) rmSync(tree, { recursive: true })
  }
}

/** A figure of the test runner's closing lines. */
function tally(output: string, name: string): number {
  return Number(output.match(new RegExp(`^ℹ ${name} (\\d+)$`, 'm'))?.[1] ?? 0)
}

/** Names the versions that are found from inside the tree; throws where they are not those of the pair. */
function describeRuntime(node: string, tree: string, pair: Pair): string {
  const script = `
    import { createRequire } from 'node:module'
    const { version } = createRequire(process.cwd() + '/tree.js')('undici/package.json')
    console.log('Node ' + process.versions.node + ', undici ' + version)`
  const { stdout, stderr } = spawnNode(node, tree, ['--input-type=module', '--eval', script])
  const title = stdout.trim()
  if (!title.startsWith(`Node ${pair.node}.`) || !`${title}.`.includes(` undici ${pair.undici}.`)) {
    throw new Error(`wanted Node ${pair.node} and undici ${pair.undici}, got "${title}" ${stderr}`)
  }
  return title
}

function spawnNode(node: string, tree: string, args: string[]): SpawnSyncReturns<string> {
  const env = { ...process.env, PATH: dirname(node) + delimiter + process.env.PATH }
  return spawnSync(node, args, { cwd: tree, env, encoding: 'utf8', maxBuffer: 1 << 28 })
}

function isRunning(major: string): boolean {
  return process.versions.node.startsWith(`${major}.`)
}

function nodeBinary(major: string): string {
  if (isRunning(major)) return process.execPath
  const windows = process.platform === 'win32'
  const name = `node-${windows ? 'win' : process.platform}-${process.arch}`
  return join(fetchPackage(name, major), windows ? 'bin/node.exe' : 'bin/node')
}

/** A copy of the sources in which `undici` is the given package. */
function treeWith(undici: string): string {
  const tree = mkdtempSync(join(tmpdir(), 'undici-http-cache-'))
  const left = new Set(['.git', 'node_modules', 'dist', 'coverage'])
  cpSync(root, tree, { recursive: true, filter: source => dirname(source) !== root || !left.has(basename(source)) })
  mkdirSync(join(tree, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name.startsWith('.')) continue
    const target = name === 'undici' ? undici : join(root, 'node_modules', name)
    symlinkSync(target, join(tree, 'node_modules', name), 'junction')
  }
  return tree
}
