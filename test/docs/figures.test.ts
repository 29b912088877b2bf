// What the documentation shows of measurements is what was recorded last.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { CHART, chart, readReports } from '../../benchmarks/chart.ts'
import { END, START, withConformanceTable } from '../../scripts/conformance-table.ts'

const read = (path: string) => readFileSync(path, 'utf8').replaceAll('\r\n', '\n')

describe('the chart of the benchmarks', () => {
  const svg = read(CHART)

  it('is what the script draws from the recorded figures (npx tsx benchmarks/chart.ts)', () => {
    assert.equal(svg, chart(readReports()))
  })

  it('has a title, a description, both themes, and less than 20 KB', () => {
    assert.match(svg, /<svg [^>]*role="img" aria-labelledby="title description">/)
    assert.match(svg, /<title id="title">[^<]+<\/title>/)
    assert.match(svg, /<desc id="description">[^<]+<\/desc>/)
    assert.match(svg, /prefers-color-scheme:dark/)
    assert.ok(Buffer.byteLength(svg) < 20_000)
  })

  it('names every figure in its description, so that none is for sighted readers alone', () => {
    const description = /<desc[^>]*>([^<]*)</.exec(svg)?.[1]
    const figures = [...svg.matchAll(/<text [^>]*>([\d.,]+)(?: µs)?<\/text>/g)].map(([, figure]) => figure)
    assert.notEqual(figures.length, 0)
    for (const figure of figures) assert.ok(description?.includes(` ${figure}`), figure)
  })
})

describe('the table of conformance', () => {
  it('is filled in between its markers, whatever stood there, and nothing else changes', () => {
    const filled = withConformanceTable(`before\n${START}\nold\n${END}\nafter\n`) ?? ''
    assert.ok(filled.startsWith(`before\n${START}\n| |`))
    assert.ok(filled.endsWith(`\n${END}\nafter\n`))
    assert.ok(!filled.includes('old'))
    assert.equal(withConformanceTable(filled), filled)
  })

  it('is in the README what the recorded results say (npx tsx scripts/conformance-table.ts)', () => {
    const readme = read(join(import.meta.dirname, '../../README.md'))
    assert.equal(withConformanceTable(readme), readme)
  })
})
