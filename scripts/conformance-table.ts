// npx tsx scripts/conformance-table.ts
//
// Fills in the table of conformance in README.md, between its markers, from test/conformance/results/.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { OtherCaches } from '../test/conformance/other-caches.ts'
import { type Recorded, readRecord, recordPath, type Totals } from '../test/conformance/record.ts'

export const START = '<!-- conformance -->'
export const END = '<!-- /conformance -->'

/** Names in full for those that the suite abbreviates. */
const NAMES: Readonly<Record<string, string>> = { ATS: 'Apache Traffic Server', httpd: 'Apache httpd', caddy: 'Caddy' }

interface Row {
  readonly cache: string
  readonly private?: Totals
  readonly shared?: Totals
}

/** The Markdown of the table, with a line about its sources. */
export function conformanceTable(): string {
  const ours = { private: record('private'), shared: record('shared') }
  const undici = { private: record('undici-private'), shared: record('undici-shared') }
  const others: OtherCaches = JSON.parse(readFileSync(recordPath('other-caches'), 'utf8'))
  const rows: Row[] = [
    row('**undici-http-cache**', ours.private, ours.shared),
    row('the same with its default options', record('private-defaults'), record('shared-defaults')),
    row(`undici's own cache, ${undici.private.measured.undici}`, undici.private, undici.shared),
    ...others.caches
      .map(
        ({ name, version, type, totals }): Row => ({
          cache: `${NAMES[name] ?? name} ${shortVersion(version)}`,
          [type]: totals
        })
      )
      .sort((a, b) => Number(isShared(a)) - Number(isShared(b)) || required(b) - required(a)),
    row('no cache', record('none-private'), record('none-shared'))
  ]
  const { date, node, undici: version } = ours.private.measured
  const whole = (totals: Totals, kind: 'required' | 'optimal') => totals[kind]?.run ?? 0
  const of = (kind: 'required' | 'optimal') => [whole(ours.private.totals, kind), whole(ours.shared.totals, kind)]
  const [privateRequired, sharedRequired] = of('required')
  const [privateOptimal, sharedOptimal] = of('optimal')
  return [
    `| | private: required, of ${privateRequired} | optimal, of ${privateOptimal} | shared: required, of ${sharedRequired} | optimal, of ${sharedOptimal} |`,
    '|---|---:|---:|---:|---:|',
    ...rows.map(line),
    '',
    `The first three rows and the last were measured on ${date} with undici ${version} on Node ${node}; the others are`,
    `[the suite's own results](${others.source}) of ${others.date}. The first row sets \`storeSetCookie: true\` and`,
    "`whenDisconnected: 'stale'`, which the suite expects."
  ].join('\n')
}

/** A text with the table between its markers; `undefined` where it has no markers. */
export function withConformanceTable(text: string): string | undefined {
  const start = text.indexOf(START)
  const end = text.indexOf(END)
  if (start === -1 || end < start) return undefined
  return `${text.slice(0, start + START.length)}\n${conformanceTable()}\n${text.slice(end)}`
}

function record(name: string): Recorded {
  const recorded = readRecord(name)
  if (recorded === undefined) throw new Error(`${name} has not been recorded`)
  return recorded
}

function row(cache: string, recordedPrivate: Recorded, recordedShared: Recorded): Row {
  return { cache, private: recordedPrivate.totals, shared: recordedShared.totals }
}

function line({ cache, private: privateTotals, shared }: Row): string {
  const cells = [privateTotals, shared].flatMap(totals => [totals?.required?.passed, totals?.optimal?.passed])
  const isOurs = cache.startsWith('**')
  return `| ${[cache, ...cells.map(cell => (cell === undefined ? '' : isOurs ? `**${cell}**` : cell))].join(' | ')} |`
}

function isShared(row: Row): boolean {
  return row.shared !== undefined
}

function required(row: Row): number {
  return (row.private ?? row.shared)?.required?.passed ?? 0
}

/** Major and minor version; a date stays as it is. */
function shortVersion(version: string): string {
  return /^\d{4}-\d\d-\d\d$/.test(version) ? version : (/^\d+\.\d+/.exec(version)?.[0] ?? version)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(import.meta.dirname, '../README.md')
  const filled = withConformanceTable(readFileSync(path, 'utf8'))
  if (filled === undefined) throw new Error(`README.md has no ${START} and ${END}`)
  writeFileSync(path, filled)
}
