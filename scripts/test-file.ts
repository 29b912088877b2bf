// Runs one test file in a process of its own.
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers'
import type { TestEvent } from './test-event.ts'

/** A file that takes longer hangs, or has left a handle open. */
const TIME_LIMIT_MS = 120_000
/** Of what a failed file has printed, the last characters. */
const OUTPUT_LIMIT = 20_000

export interface FileResult {
  readonly passed: number
  readonly skipped: number
  readonly todo: number
  readonly failed: number
  /** Each failed test with its error; and what went wrong with the process. */
  readonly failures: readonly string[]
  readonly seconds: number
}

export interface FileRun {
  readonly root: string
  /** Below `root`. */
  readonly file: string
  /** For Node. */
  readonly options: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** A folder for what the reporter writes. */
  readonly directory: string
}

export async function runTestFile({ root, file, options, env, directory }: FileRun): Promise<FileResult> {
  const startedMs = performance.now()
  const destination = join(directory, `${file.replaceAll('/', '+')}.jsonl`)
  const reporter = ['--test-reporter=./scripts/test-reporter.ts', `--test-reporter-destination=${destination}`]
  const child = spawn(process.execPath, ['--import', 'tsx', ...reporter, ...options, file], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  const collect = (chunk: string) => {
    output = (output + chunk).slice(-OUTPUT_LIMIT)
  }
  child.stdout.setEncoding('utf8').on('data', collect)
  child.stderr.setEncoding('utf8').on('data', collect)
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, TIME_LIMIT_MS)
  const ending = await new Promise<string | undefined>(resolve => {
    child.once('error', error => resolve(String(error)))
    child.once('exit', (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`))
  })
  clearTimeout(timer)
  child.stdout.destroy()
  child.stderr.destroy()
  const events = readEvents(destination)
  const count = (kind: TestEvent['kind']) => events.filter(event => event.kind === kind).length
  const failures = events.flatMap(event =>
    event.kind === 'fail' && event.failure !== undefined ? [event.failure] : []
  )
  let failed = count('fail')
  if (ending !== undefined && (failed === 0 || isLate)) {
    failed++
    const limit = isLate ? `did not end within ${TIME_LIMIT_MS / 1000} s` : ending
    const open = openTests(events)
    failures.push(`the process ${limit}${open.length === 0 ? '' : `, in ${open.join(' > ')}`}`)
  }
  if (failed > 0 && output !== '') failures.push(`It printed:\n${output}`)
  const seconds = (performance.now() - startedMs) / 1000
  return { passed: count('pass'), skipped: count('skip'), todo: count('todo'), failed, failures, seconds }
}

function readEvents(destination: string): TestEvent[] {
  let text: string
  try {
    text = readFileSync(destination, 'utf8')
  } catch {
    return [] // the process has not come to its tests
  }
  rmSync(destination, { force: true })
  const lines = text.split('\n').slice(0, -1) // one that was cut off is left
  return lines.map(line => JSON.parse(line))
}

/** The tests that had begun and not ended, outermost first. */
function openTests(events: readonly TestEvent[]): string[] {
  const open: string[] = []
  for (const event of events) {
    if (event.kind === 'begin') open.splice(event.nesting, open.length, event.name)
    else if (event.kind === 'end' && open[event.nesting] === event.name) open.splice(event.nesting, open.length)
  }
  return open
}
