// The store's size is what its entries really occupy.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { Measure, Shape } from './occupy-memory.ts'

const LOWEST = 0.8
const HIGHEST = 1.35

const SHAPES: readonly Shape[] = [
  { name: 'few fields, 100 bytes', lines: 3, bodyBytes: 100, count: 3000 },
  { name: 'the usual fields, 1 KB', lines: 10, bodyBytes: 1024, count: 8000 },
  { name: 'the usual fields and variants, 1 KB', lines: 10, bodyBytes: 1024, vary: true, count: 3000 },
  { name: 'many fields, 1 KB', lines: 25, bodyBytes: 1024, count: 2000 },
  { name: 'a long field value', lines: 10, bodyBytes: 0, valueBytes: 4000, count: 2000 },
  { name: '10 KB in small chunks', lines: 10, bodyBytes: 10_000, chunkBytes: 100, count: 2000 },
  { name: '100 KB in large chunks', lines: 10, bodyBytes: 100_000, chunkBytes: 20_000, count: 500 },
  { name: 'strings', lines: 10, bodyBytes: 1024, serializer: 'json-string', count: 3000 },
  { name: 'strings beyond Latin', lines: 10, bodyBytes: 10_000, body: 'ж', serializer: 'json-string', count: 1000 },
  { name: 'bytes', lines: 10, bodyBytes: 1024, serializer: 'message-pack', count: 3000 }
]

const run = promisify(execFile)

const script = join(import.meta.dirname, 'occupy-memory.ts')
const { stdout } = await run(process.execPath, ['--expose-gc', '--import', 'tsx', script, JSON.stringify(SHAPES)])
const measures = stdout
  .trim()
  .split('\n')
  .map((line): Measure => JSON.parse(line))

describe('MemoryStore.sizeBytes', () => {
  test('was measured for each shape', () => assert.equal(measures.length, SHAPES.length))

  for (const { name, sizeBytes, storedBytes, servedBytes } of measures) {
    test(`is near what is occupied: ${name}`, () => {
      for (const [when, bytes] of [
        ['stored', storedBytes],
        ['served', servedBytes]
      ] as const) {
        const ratio = sizeBytes / bytes
        assert.ok(ratio >= LOWEST && ratio <= HIGHEST, `${when}: counted ${sizeBytes} bytes for ${bytes}, ${ratio}`)
      }
    })
  }
})
