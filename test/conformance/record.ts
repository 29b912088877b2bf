// The recorded results of the suite: what every test did, and how many passed of each kind.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Kind, Status, Suite } from './suite.ts'

/** How many tests of a kind were run, and how many of them passed. */
export interface Total {
  readonly run: number
  readonly passed: number
}
export type Totals = Readonly<Partial<Record<Kind, Total>>>

export interface Recorded {
  /** The suite at the commit that was run. */
  readonly suite: string
  readonly measured: { readonly date: string; readonly cache: string; readonly undici: string; readonly node: string }
  readonly totals: Totals
  readonly tests: Readonly<Record<string, Status>>
}

/** What a test did in one run. */
export interface Outcome {
  readonly id: string
  readonly kind: Kind
  readonly status: Status
}

export function recordPath(name: string): string {
  return join(import.meta.dirname, 'results', `${name}.json`)
}

/** `undefined` for a run that has not been recorded. */
export function readRecord(name: string): Recorded | undefined {
  const path = recordPath(name)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

export function writeRecord(
  name: string,
  suite: Suite,
  measured: Omit<Recorded['measured'], 'date'>,
  outcomes: readonly Outcome[]
): void {
  const run = outcomes.filter(({ status }) => status !== 'skipped')
  const content: Recorded = {
    suite: `https://github.com/http-tests/cache-tests/tree/${headOf(suite.directory)}`,
    measured: { date: new Date().toISOString().slice(0, 10), ...measured },
    totals: totalsOf(run),
    tests: Object.fromEntries(run.map(({ id, status }) => [id, status]))
  }
  const path = recordPath(name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`)
}

/** Counts the tests that were run. A kind of which none was run is left out. */
export function totalsOf(outcomes: readonly Outcome[]): Totals {
  const totals: Partial<Record<Kind, { run: number; passed: number }>> = {}
  for (const { kind, status } of outcomes) {
    if (status === 'skipped') continue
    const total = totals[kind] ?? { run: 0, passed: 0 }
    totals[kind] = { run: total.run + 1, passed: total.passed + (status === 'pass' ? 1 : 0) }
  }
  return totals
}

/** The commit of a checkout. */
export function headOf(directory: string): string {
  return execFileSync('git', ['-C', directory, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim()
}
