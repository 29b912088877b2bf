// npm test [-- name ...] [--node-test-option ...]
//
// Runs every test/**/*.test.ts, or those whose path under test/ contains one of the names, and none of those with an
// exclamation mark; with --internals those that need the sources, see public-tests.ts. What measures time or memory, in
// test/performance/, runs after the others, a file at a time. Anything else that starts with a dash goes to Node's test
// runner:
//   npm test -- vary --test-name-pattern=Accept-Language
//   npm test -- '!stores/' --test-reporter=spec
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isPublic, testFiles } from './public-tests.ts'

const root = dirname(import.meta.dirname)
const isForInternals = process.argv.includes('--internals')
const options = process.argv.slice(2).filter(argument => argument.startsWith('-') && argument !== '--internals')
const names = process.argv.slice(2).filter(argument => !/^[-!]/.test(argument))
const excluded = process.argv.slice(2).flatMap(argument => (argument.startsWith('!') ? [argument.slice(1)] : []))

// Node 20's runner knows no globs, so the files are listed here.
const files = testFiles()
  .filter(file => names.length === 0 || names.some(name => file.includes(name)))
  .filter(file => !excluded.some(name => file.includes(name)))
  .filter(file => !isForInternals || !isPublic(file))
  .map(file => `test/${file}`)
if (files.length === 0) {
  console.error(`no test file matches ${names.join(', ')}`)
  process.exit(3)
}

// The time limit is that of a whole file: on a hang, or a handle left open, the runner kills it and reports a failure.
const runner = ['--test', '--test-timeout=120000']
if (!options.some(option => option.startsWith('--test-reporter'))) {
  runner.push(`--test-reporter=${pathToFileURL(join(import.meta.dirname, 'test-reporter.mjs')).href}`)
}
// Each file is a process of its own, and Node 22 and later remember what the others compiled; coverage would suffer.
const compiled = process.env.NODE_V8_COVERAGE ? undefined : join(root, 'node_modules/.cache/compiled')
const env = { ...process.env, NODE_COMPILE_CACHE: compiled }
const isMeasurement = (file: string) => file.startsWith('test/performance/')
// Most files wait more than they work: two to a core.
const statuses = [
  run(
    files.filter(file => !isMeasurement(file)),
    Math.max(2, 2 * availableParallelism())
  ),
  run(files.filter(isMeasurement), 1)
]
process.exit(statuses.find(status => status !== 0) ?? 0)

function run(some: readonly string[], concurrency: number): number {
  if (some.length === 0) return 0
  const args = ['--import', 'tsx', ...runner, `--test-concurrency=${concurrency}`, ...options, ...some]
  return spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' }).status ?? 1
}
