// Results in the form of the suite's own results/ folder: a file of each implementation's results, and index.mjs, which
// names and describes them.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Results } from './suite.ts'

/** What the suite's index says of an implementation, in the order in which it says it. */
export interface IndexEntry {
  readonly file: string
  readonly name: string
  readonly type: 'browser' | 'rev-proxy' | 'cdn'
  readonly version: string
  readonly link?: string
}

/**
 * Writes the results to `directory`, and an entry to its index.mjs: in the place of the one of the same file, else at the
 * end. The directory may be the suite's own results/, or a new one.
 */
export async function publish(directory: string, entry: IndexEntry, results: Results): Promise<void> {
  const index = await readIndex(directory)
  const place = index.findIndex(({ file }) => file === entry.file)
  const entries = place === -1 ? [...index, entry] : index.with(place, entry)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, entry.file), resultsText(results))
  writeFileSync(join(directory, 'index.mjs'), indexText(entries))
}

/** As the suite's command-line client prints them: sorted by test. */
export function resultsText(results: Results): string {
  const sorted = Object.entries(results).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`
}

/** The entries of a results folder; none where there is no index. */
export async function readIndex(directory: string): Promise<IndexEntry[]> {
  const path = join(directory, 'index.mjs')
  if (!existsSync(path)) return []
  // Each content has a URL of its own, as a module is loaded once.
  const content = Buffer.from(readFileSync(path)).toString('base64')
  return (await import(`data:text/javascript;base64,${content}`)).default
}

/** In the style of the suite, so that a commit to it changes no other entry. */
export function indexText(entries: readonly IndexEntry[]): string {
  const items = entries.map(entry => {
    const members = Object.entries(entry).map(([name, value]) => `    ${name}: ${quoted(value)}`)
    return `  {\n${members.join(',\n')}\n  }`
  })
  return `\nexport default [\n${items.join(',\n')}\n]\n`
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

/** The symbol of each test, by the code with which the suite shows a results folder. */
export async function shownBy(suiteDirectory: string, directory: string, file: string): Promise<Map<string, string>> {
  const load = async (path: string) => await import(pathToFileURL(join(suiteDirectory, path)).href)
  const { determineTestResult } = await load('test-engine/lib/results.mjs')
  const { default: groups } = await load('tests/index.mjs')
  if (!(await readIndex(directory)).some(entry => entry.file === file)) throw new Error(`${file} is not in the index`)
  const results = JSON.parse(readFileSync(join(directory, file), 'utf8'))
  const tests: { id: string }[] = groups.flatMap((group: { tests: { id: string }[] }) => group.tests)
  return new Map(tests.map(({ id }) => [id, determineTestResult(groups, id, results)[2]]))
}
