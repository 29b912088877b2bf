// npx tsx benchmarks/chart.ts
//
// Draws docs/benchmarks.svg from benchmarks/results/.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Figures, Report, Scenario, Unit } from './report.ts'

const RESULTS = join(import.meta.dirname, 'results')
/** Where the chart is kept. */
export const CHART = join(import.meta.dirname, '../docs/benchmarks.svg')

/** Scenarios that share a heading and a scale. */
interface Panel {
  readonly title: string
  readonly scenarios: readonly { readonly id: string; readonly label: string }[]
}
const PANELS: readonly Panel[] = [
  {
    title: 'Hit of 1 KB in memory, one URL',
    scenarios: [
      { id: 'hit-1KB-dispatch', label: 'dispatch()' },
      { id: 'hit-1KB-request-arrayBuffer', label: 'request(), body.arrayBuffer()' },
      { id: 'hit-1KB-fetch-arrayBuffer', label: 'fetch(), arrayBuffer()' }
    ]
  },
  {
    title: 'Miss that stores 1 KB, 64 at a time',
    scenarios: [{ id: 'miss-1KB', label: 'dispatch(), to an origin on loopback' }]
  },
  {
    title: 'Hits of 1 KB by store, 64 at a time, 200 URLs',
    scenarios: [{ id: 'stores-hits-1KB-64', label: 'dispatch()' }]
  }
]
const UNITS: Readonly<Record<Unit, { readonly scale: string; readonly short: string; readonly says: string }>> = {
  microseconds: { scale: 'microseconds each, less is better', short: ' µs', says: 'microseconds each' },
  'per second': { scale: 'per second, more is better', short: '', says: 'per second' }
}

const WIDTH = 760
const MARGIN = 20
const NAMES = 240
const LONGEST_BAR = 400
const ROW = 20

/** Colours in a light and in a dark theme. */
const STYLE = `
text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1f2328}
.h{font-size:15px;font-weight:600}.s{fill:#59636e}.p{fill:#fff}
.ours{fill:#0969da}.other{fill:#818b98}.floor{fill:#d1d9e0}.b{font-weight:600}
@media(prefers-color-scheme:dark){
text{fill:#f0f6fc}.s{fill:#9198a1}.p{fill:#0d1117}
.ours{fill:#4493f8}.other{fill:#7d8590}.floor{fill:#3d444d}}
`

/** The reports that are kept, in the order of their names. */
export function readReports(): Report[] {
  const files = readdirSync(RESULTS).sort()
  return files.map(file => JSON.parse(readFileSync(join(RESULTS, file), 'utf8')))
}

/** An SVG with its own background, readable in both themes; its title and description say what it shows. */
export function chart(reports: readonly Report[]): string {
  const scenarios = new Map(reports.flatMap(report => report.scenarios).map(scenario => [scenario.id, scenario]))
  const parts: string[] = []
  const described: string[] = []
  let y = MARGIN
  for (const panel of PANELS) {
    const shown = panel.scenarios.flatMap(({ id, label }) => {
      const scenario = scenarios.get(id)
      return scenario === undefined ? [] : [{ scenario, label }]
    })
    const [first] = shown
    if (first === undefined) continue
    const { scale, says } = UNITS[first.scenario.unit]
    parts.push(text(MARGIN, y + 12, panel.title, 'h'), text(WIDTH - MARGIN, y + 12, scale, 's', 'end'))
    y += 30
    const longest = Math.max(...shown.flatMap(({ scenario }) => scenario.subjects.map(subject => subject.median)))
    for (const { scenario, label } of shown) {
      parts.push(text(MARGIN, y + 9, label, 's'))
      y += 18
      for (const figures of scenario.subjects) {
        parts.push(bar(figures, scenario, longest, y))
        y += ROW
      }
      described.push(`${panel.title}, ${label}, ${says}: ${scenario.subjects.map(inWords).join(', ')}.`)
      y += 8
    }
    y += 12
  }
  for (const line of conditions(reports)) {
    parts.push(text(MARGIN, y + 9, line, 's'))
    y += 18
  }
  const height = y + MARGIN / 2
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title description">`,
    '<title id="title">Benchmarks of undici-http-cache beside undici’s own cache</title>',
    `<desc id="description">${escaped([...described, ...conditions(reports)].join(' '))}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="p" width="${WIDTH}" height="${height}" rx="8"/>`,
    ...parts,
    '</svg>\n'
  ].join('\n')
}

function bar(figures: Figures, { unit }: Scenario, longest: number, y: number): string {
  const width = Math.max(1, (figures.median / longest) * LONGEST_BAR)
  const x = MARGIN + NAMES
  const style = figures.role === 'ours' ? 'b' : ''
  return [
    text(x - 10, y + 12, figures.name, style, 'end'),
    `<rect class="${figures.role}" x="${x}" y="${y + 1}" width="${width.toFixed(1)}" height="${ROW - 5}" rx="2"/>`,
    text(x + width + 8, y + 12, `${shortened(figures.median)}${UNITS[unit].short}`, style)
  ].join('')
}

function conditions(reports: readonly Report[]): string[] {
  const [first] = reports
  if (first === undefined) return []
  const versions = Object.assign({}, ...reports.map(report => report.versions))
  const { node, ...packages } = versions
  const loads = reports.flatMap(({ conditions }) => conditions.loadAverages)
  const { cpu, cores } = first.conditions
  return [
    `Node ${node}, ${Object.entries(packages)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    `${first.date.slice(0, 10)}, ${cores} cores of ${cpu}, load average ${span(loads)}. Medians of interleaved rounds.`
  ]
}

function span(values: readonly number[]): string {
  return `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`
}

function inWords({ name, median }: Figures): string {
  return `${name} ${shortened(median)}`
}

/** Three significant digits. */
function shortened(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en')
}

function text(x: number, y: number, content: string, style: string, anchor?: 'end'): string {
  const attributes = `${style && ` class="${style}"`}${anchor ? ` text-anchor="${anchor}"` : ''}`
  return `<text x="${Number(x.toFixed(1))}" y="${y}"${attributes}>${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CHART, chart(readReports()))
