// The figures of a run as JSON: any number of scenarios, each with any number of subjects, and the conditions they were
// measured under.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { median } from './compare.ts'

export interface Report {
  /** ISO 8601. */
  readonly date: string
  readonly command: string
  readonly conditions: Conditions
  /** Of Node and of every package that takes part. */
  readonly versions: Readonly<Record<string, string>>
  readonly scenarios: readonly Scenario[]
}

export interface Conditions {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  /** The load averages of the last minute, at the start and at the end. Above the number of cores, others competed. */
  readonly loadAverages: readonly [start: number, end: number]
  readonly note?: string
}

export type Unit = 'microseconds' | 'per second'

export interface Scenario {
  /** Unique in a report, such as `hit-1KB-dispatch`. */
  readonly id: string
  readonly title: string
  readonly unit: Unit
  /** What distinguishes the scenario from others, such as bytes, concurrency or URLs. */
  readonly parameters: Readonly<Record<string, string | number>>
  /** In the order in which they took turns. */
  readonly subjects: readonly Figures[]
}

/** `ours` is this package; a `floor` does less than any cache has to do. */
export type Role = 'ours' | 'other' | 'floor'

export interface Figures {
  readonly name: string
  readonly role: Role
  readonly median: number
  /** One figure for each round. Those of the same round were measured next to each other. */
  readonly rounds: readonly number[]
}

/** A figure with four significant digits, or a whole number. */
function rounded(value: number): number {
  return value >= 1000 ? Math.round(value) : Number(value.toPrecision(4))
}

export class ReportWriter {
  readonly #startLoad = loadavg()[0] ?? Number.NaN
  readonly #scenarios: Scenario[] = []

  add(
    scenario: Omit<Scenario, 'subjects'>,
    rounds: ReadonlyMap<string, readonly number[]>,
    roleOf: (subject: string) => Role
  ): void {
    const subjects = [...rounds].map(([name, values]) => ({
      name,
      role: roleOf(name),
      median: rounded(median(values)),
      rounds: values.map(rounded)
    }))
    this.#scenarios.push({ ...scenario, subjects })
  }

  /** Writes the report to `path`; does nothing where that is undefined. */
  write(path: string | undefined, packages: readonly string[], note?: string): void {
    if (path === undefined) return
    const [{ model = 'unknown' } = {}, ...others] = cpus()
    const report: Report = {
      date: new Date().toISOString(),
      command: ['tsx', ...process.argv.slice(1).map(argument => argument.replace(`${process.cwd()}/`, ''))].join(' '),
      conditions: {
        cpu: model,
        cores: others.length + 1,
        memoryBytes: totalmem(),
        system: `${type()} ${release()}`,
        loadAverages: [this.#startLoad, loadavg()[0] ?? Number.NaN],
        ...(note && { note })
      },
      versions: { node: process.versions.node, ...Object.fromEntries(packages.map(name => [name, versionOf(name)])) },
      scenarios: this.#scenarios
    }
    writeFileSync(
      path,
      `${JSON.stringify(report, null, 2).replace(/\[[\s\d.,]+\]/g, list => list.replace(/\s+/g, ' '))}\n`
    )
  }
}

function versionOf(name: string): string {
  const root = join(import.meta.dirname, '..')
  if (name === 'undici-http-cache') return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    try {
      return JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')).version
    } catch {
      // in a folder further up, or nowhere
    }
  }
  return 'not installed'
}
