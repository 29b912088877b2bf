// npm test [-- name ...] [--concurrency=4] [--test-name-pattern=...] [--node-test-option ...]
//
// Runs every test/**/*.test.ts, or those whose path under test/ contains one of the names, and none of those with an
// exclamation mark; with --internals those that need the sources, see public-tests.ts:
//   npm test -- vary --test-name-pattern=Accept-Language
//   npm test -- '!stores/'
// Prints a line for each file, and each failure with its error in full. The files run beside each other, the longest first;
// those of test/performance/, which measure, run after them, one at a time. With any other option of Node's test runner, that
// runs the files: npm test -- --test-reporter=spec
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isPublic, testFiles } from './public-tests.ts'
import { runTestFile } from './test-file.ts'

const root = dirname(import.meta.dirname)
const args = process.argv.slice(2)
const isForInternals = args.includes('--internals')
const options = args.filter(arg => arg.startsWith('-') && arg !== '--internals' && !arg.startsWith('--concurrency='))
const names = args.filter(arg => !/^[-!]/.test(arg))
const excluded = args.flatMap(arg => (arg.startsWith('!') ? [arg.slice(1)] : []))
// Tests wait for timers and other processes for about half of their time.
const concurrency = Number(
  args.find(arg => arg.startsWith('--concurrency='))?.slice('--concurrency='.length) ??
    Math.min(2 * Math.max(availableParallelism(), 2), 8)
)

const files = testFiles()
  .filter(file => names.length === 0 || names.some(name => file.includes(name)))
  .filter(file => !excluded.some(name => file.includes(name)))
  .filter(file => !isForInternals || !isPublic(file))
if (files.length === 0) {
  console.error(`no test file matches ${names.join(', ')}`)
  process.exit(3)
}
const measuring = files.filter(file => file.startsWith('performance/'))
const others = files.filter(file => !measuring.includes(file))

const cache = join(root, 'node_modules/.cache')
// Each file is a process of its own, and Node 22 and later remember what the others compiled; coverage would suffer.
const compiled = process.env['NODE_V8_COVERAGE'] ? undefined : join(cache, 'compiled')
const env = { ...process.env, NODE_COMPILE_CACHE: compiled }

const isOwnForm = options.every(option => /^--test-(name|skip)-pattern=/.test(option))
process.exitCode = isOwnForm ? await runFiles() : runByNode(others, concurrency) || runByNode(measuring, 1)

function runByNode(some: readonly string[], concurrency: number): number {
  if (some.length === 0) return 0
  const runner = ['--test', `--test-concurrency=${concurrency}`, '--test-timeout=120000']
  const paths = some.map(file => `test/${file}`)
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', ...runner, ...options, ...paths], {
    cwd: root,
    env,
    stdio: 'inherit'
  })
  return status ?? 1
}

async function runFiles(): Promise<number> {
  const startedMs = performance.now()
  const directory = mkdtempSync(join(tmpdir(), 'undici-http-cache-tests-'))
  const totals = { passed: 0, failed: 0, skipped: 0, todo: 0 }
  const failed: string[] = []
  const seconds = readSeconds()
  const run = async (file: string) => {
    const result = await runTestFile({ root, file: `test/${file}`, options, env, directory })
    for (const key of ['passed', 'failed', 'skipped', 'todo'] as const) totals[key] += result[key]
    seconds[file] = Math.round(result.seconds * 10) / 10
    const words = [`${result.passed} passed`]
    for (const key of ['failed', 'skipped', 'todo'] as const) if (result[key] > 0) words.push(`${result[key]} ${key}`)
    console.log(`${result.failed > 0 ? 'FAIL' : 'ok  '}  ${file}: ${words.join(', ')}, ${result.seconds.toFixed(1)} s`)
    for (const failure of result.failures) console.log(`\n${failure.replaceAll(/^/gm, '    ')}\n`)
    if (result.failed > 0) failed.push(file)
  }
  const longestFirst = others.toSorted((a, b) => (seconds[b] ?? Infinity) - (seconds[a] ?? Infinity))
  try {
    await Promise.all(Array.from({ length: concurrency }, () => work(longestFirst, run)))
    await work(measuring.slice(), run)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  if (options.length === 0) writeSeconds(seconds)
  if (failed.length > 0) console.log(`\nfailed: ${failed.join(', ')}`)
  const inAll = `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped, ${totals.todo} todo`
  console.log(`\n${inAll}, in ${files.length} files, ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
  return totals.failed > 0 ? 1 : 0
}

/** Takes files off the front of the queue until it is empty. */
async function work(queue: string[], run: (file: string) => Promise<void>): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) await run(file)
}

/** How long each file took when it last ran. */
function readSeconds(): Record<string, number> {
  try {
    return JSON.parse(readFileSync(join(cache, 'test-seconds.json'), 'utf8'))
  } catch {
    return {}
  }
}

function writeSeconds(seconds: Record<string, number>): void {
  mkdirSync(cache, { recursive: true })
  writeFileSync(join(cache, 'test-seconds.json'), JSON.stringify(seconds))
}
