// npx tsx test/conformance/other-caches.ts <checkout>
//
// Writes results/other-caches.json: how many tests each cache passes whose results the public suite publishes.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readIndex } from './publish.ts'
import { headOf, recordPath, type Totals, totalsOf } from './record.ts'
import { kindOf, Suite } from './suite.ts'

export interface OtherCache {
  readonly name: string
  readonly version: string
  readonly type: 'private' | 'shared'
  readonly totals: Totals
}
export interface OtherCaches {
  /** The folder of the suite, at the commit that was read. */
  readonly source: string
  /** When the suite's results were last brought up to date. */
  readonly date: string
  readonly caches: readonly OtherCache[]
}

const directory = resolve(process.argv[2] ?? process.env.CACHE_TESTS ?? '')
const suite = await Suite.load(directory)
if (suite === undefined) throw new Error(`no checkout of the suite in ${directory}`)
const caches: OtherCache[] = []
for (const { file, name, version, type } of await readIndex(join(directory, 'results'))) {
  const results = JSON.parse(readFileSync(join(directory, 'results', file), 'utf8'))
  const outcomes = [...suite.tests.values()].map(test => ({
    id: test.id,
    kind: kindOf(test),
    status: suite.statusOf(test.id, results)
  }))
  caches.push({ name, version, type: type === 'browser' ? 'private' : 'shared', totals: totalsOf(outcomes) })
}
const content: OtherCaches = {
  source: `https://github.com/http-tests/cache-tests/tree/${headOf(directory)}/results`,
  date: execFileSync('git', ['-C', directory, 'log', '-1', '--format=%cs', '--', 'results'], {
    encoding: 'utf8'
  }).trim(),
  caches
}
writeFileSync(recordPath('other-caches'), `${JSON.stringify(content, null, 2)}\n`)
