// A reporter for Node's test runner: a line for each file; of what has failed, the whole error, and what its file printed.
//
//   ok    interceptor/stale.test.ts: 47 passed, 0 failed, 3.1 s
//   ℹ 47 passed, 0 failed, 3.2 s
//
// The runner loads it without tsx, so it is JavaScript.
import { join, relative, resolve } from 'node:path'
import { inspect } from 'node:util'

const MAX_PRINTED_CHARACTERS = 100_000
const tests = join(process.cwd(), 'test')

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* report(events) {
  const results = new Map()
  /** The names of the suites that a test is in. */
  const path = []
  const totals = {}
  let last
  for await (const { type, data } of events) {
    if (data.file === undefined) {
      const [, name, figure] = /^([a-z_]+) ([\d.]+)$/.exec(data.message ?? '') ?? []
      if (name !== undefined) totals[name] = Number(figure)
      else if (type === 'test:diagnostic') yield `ℹ ${data.message}\n`
      continue
    }
    const result = resultOf(results, resolve(data.file))
    if (type === 'test:stdout' || type === 'test:stderr' || type === 'test:diagnostic') {
      if (result.printed.length < MAX_PRINTED_CHARACTERS) result.printed += data.message
      if (type === 'test:diagnostic') result.printed += '\n'
    } else if (type === 'test:start') {
      path[data.nesting] = data.name
    } else if (type === 'test:pass' || type === 'test:fail') {
      // The runner tells one file after the other.
      if (last !== undefined && last !== result) yield summary(last)
      last = result
      count(result, type === 'test:pass', data, path)
    }
  }
  if (last !== undefined) yield summary(last)
  const { pass = 0, fail = 0, cancelled = 0, skipped = 0, duration_ms = 0 } = totals
  yield `ℹ ${figures(pass, fail + cancelled, skipped, duration_ms)}\n`
}

function resultOf(results, file) {
  let result = results.get(file)
  if (result === undefined) {
    result = { file, passed: 0, failed: 0, skipped: 0, durationMs: 0, failures: [], printed: '' }
    results.set(file, result)
  }
  return result
}

function count(result, hasPassed, { name, nesting, skip, todo, details }, path) {
  if (nesting === 0) result.durationMs += details.duration_ms
  if (hasPassed) {
    if (details.type === 'suite') return
    if (skip === undefined && todo === undefined) result.passed++
    else result.skipped++
    return
  }
  const { error } = details
  if (error.failureType === 'subtestsFailed') return
  result.failed++
  const names = [...path.slice(0, nesting), name].join(' > ')
  const cause = error.cause ?? error
  const text = typeof cause === 'string' ? cause : inspect(cause)
  result.failures.push(`✖ ${names}\n${indented(text)}\n`)
}

function summary({ file, passed, failed, skipped, durationMs, failures, printed }) {
  const told = figures(passed, failed, skipped, durationMs)
  const line = `${failed > 0 ? 'FAIL' : 'ok  '}  ${displayed(file)}: ${told}\n`
  if (failed === 0) return line
  const output = printed === '' ? '' : `the file printed:\n${indented(printed)}\n`
  return `${line}\n${failures.join('\n')}\n${output}`
}

function figures(passed, failed, skipped, durationMs) {
  const told = skipped > 0 ? `${skipped} skipped, ` : ''
  return `${passed} passed, ${failed} failed, ${told}${(durationMs / 1000).toFixed(1)} s`
}

function displayed(file) {
  return relative(tests, file)
}

function indented(text) {
  return text.replace(/^/gm, '  ')
}
