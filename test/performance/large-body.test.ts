// STRESS=1 makes it 1 GiB, and counts garbage as well: figures of Node 20.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { largeBodyFigures } from './large-body.ts'

const isStress = process.env['STRESS'] === '1'
const LARGE_MEBIBYTES = isStress ? 1024 : 96

for (const kind of ['file', 'lmdb'] as const) {
  const title = `${LARGE_MEBIBYTES} MiB are stored and replayed in less than 64 MiB of memory, with many readers 32: ${kind}`
  it(title, { timeout: 300_000 }, async context => {
    const directory = await mkdtemp(join(tmpdir(), 'large-body-'))
    context.after(() => rm(directory, { recursive: true }))
    const figures = await largeBodyFigures(kind, directory, LARGE_MEBIBYTES, isStress)
    for (const [name, value] of Object.entries(figures)) context.diagnostic(`${name}: ${value.toFixed(0)}`)
    assert.ok(figures.grownByStore < 64, `it grew by ${figures.grownByStore} MiB`)
    assert.ok(figures.grownByOne < 32, `with one reader, it grew by ${figures.grownByOne} MiB`)
    assert.ok(figures.grownByMany < 32, `with eleven readers, it grew by ${figures.grownByMany} MiB`)
  })
}
