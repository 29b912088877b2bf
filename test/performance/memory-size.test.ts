// The store's size is what its entries really occupy.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { Measure, Shape } from './occupy-memory.ts'

/** What is counted, as a share of what is held. Too little breaks the bound. Too much is counted of what is only stored, since
 * what the engine will remember is counted in advance, and of what responses share, as if each had its own. */
const LOWEST = 0.87
const HIGHEST = 1.45
const HIGHEST_SERVED = 1.4
const MEBIBYTE = 1_048_576

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
  { name: 'bytes', lines: 10, bodyBytes: 1024, serializer: 'message-pack', count: 3000 },
  { name: 'bodies of one byte', lines: 4, bodyBytes: 1, count: 5000 },
  { name: 'bodies of no bytes', lines: 4, bodyBytes: 0, count: 5000 },
  { name: 'bodies in chunks of one byte', lines: 4, bodyBytes: 1500, chunkBytes: 1, count: 2000 },
  { name: 'one field', lines: 0, bodyBytes: 1, count: 5000 },
  { name: 'hundreds of fields', lines: 300, bodyBytes: 1, count: 300 },
  { name: 'long field names of its own', lines: 20, nameBytes: 700, own: true, bodyBytes: 1, count: 500 },
  { name: 'an origin of its own', lines: 4, own: true, bodyBytes: 1, count: 3000 },
  {
    name: 'thousands of names of its own in Vary, of 4 characters',
    lines: 4,
    varyNames: [3000, 4],
    own: true,
    bodyBytes: 1,
    count: 60
  },
  {
    name: 'thousands of names of its own in Vary, of 8 characters',
    lines: 4,
    varyNames: [1666, 8],
    own: true,
    bodyBytes: 1,
    count: 60
  },
  { name: 'long names of its own in Vary', lines: 4, varyNames: [75, 200], own: true, bodyBytes: 1, count: 300 },
  { name: 'a hundred variants of each key', lines: 10, vary: true, variants: 100, bodyBytes: 100, count: 3000 },
  { name: 'two variants of each key', lines: 10, vary: true, variants: 2, bodyBytes: 100, count: 3000 },
  { name: 'long URLs', lines: 4, pathBytes: 8000, bodyBytes: 1, count: 1000 },
  { name: 'URLs that are parts of long strings', lines: 4, pathBytes: 100, cutFrom: 65_536, bodyBytes: 1, count: 1000 },
  { name: 'long partitions', lines: 4, partitionBytes: 4000, bodyBytes: 1, count: 1000 },
  { name: 'long partitions beyond Latin', lines: 4, partitionBytes: 4000, partition: 'ж', bodyBytes: 1, count: 1000 },
  { name: 'many tags', lines: 4, tags: [100, 12], bodyBytes: 1, count: 300 },
  { name: 'long tags', lines: 4, tags: [10, 1000], bodyBytes: 1, count: 300 },
  { name: 'many trailers', lines: 4, trailers: 100, bodyBytes: 1, count: 500 },
  { name: 'many segments', lines: 4, segments: 500, bodyBytes: 4500, count: 300 },
  {
    name: 'many directives',
    lines: 4,
    directives: Array.from({ length: 1000 }, (_, i) => `, x-${i}=${i}`).join(''),
    bodyBytes: 1,
    count: 300
  }
]

/** Those that have in common what is counted for each: names that V8 keeps once. */
const SHARING: readonly Shape[] = [
  { name: 'long names in Vary', lines: 4, varyNames: [75, 200], bodyBytes: 1, count: 300 },
  { name: 'thousands of names in Vary, of 4 characters', lines: 4, varyNames: [3000, 4], bodyBytes: 1, count: 60 },
  { name: 'thousands of names in Vary, of 8 characters', lines: 4, varyNames: [1666, 8], bodyBytes: 1, count: 60 },
  {
    name: 'many names in directives',
    lines: 4,
    directives: `, no-cache="${Array.from({ length: 2000 }, (_, i) => `x${i}`).join()}"`,
    bodyBytes: 1,
    count: 200
  }
]

/** More than fits: what is evicted leaves nothing. */
const BOUNDED: readonly Shape[] = [
  { name: 'thousands of names in Vary', lines: 4, varyNames: [1666, 8], own: true, bodyBytes: 1, count: 400 },
  { name: 'the same names in Vary', lines: 4, varyNames: [3000, 4], bodyBytes: 1, count: 400 },
  { name: 'variants, many of one key', lines: 10, vary: true, variants: 500, bodyBytes: 1, count: 5000 },
  { name: 'bodies of one byte', lines: 4, bodyBytes: 1, count: 10_000 },
  { name: 'many tags', lines: 4, tags: [100, 12], bodyBytes: 1, count: 1000 }
].map(shape => ({ ...shape, maxSizeBytes: 8 * MEBIBYTE }) as Shape)

const run = promisify(execFile)

const script = join(import.meta.dirname, 'occupy-memory.ts')
const { stdout } = await run(process.execPath, [
  '--expose-gc',
  '--import',
  'tsx',
  script,
  JSON.stringify([...SHAPES, ...SHARING, ...BOUNDED])
])
const measures = stdout
  .trim()
  .split('\n')
  .map((line): Measure => JSON.parse(line))
const unbounded = measures.slice(0, SHAPES.length + SHARING.length)

describe('MemoryStore.sizeBytes', () => {
  test('was measured for each shape', () =>
    assert.equal(measures.length, SHAPES.length + SHARING.length + BOUNDED.length))

  for (const [i, { name, sizeBytes, storedBytes, servedBytes }] of unbounded.entries()) {
    test(`is near what is occupied: ${name}`, () => {
      const isSharing = i >= SHAPES.length
      for (const [when, bytes, highest] of [
        ['stored', storedBytes, HIGHEST],
        ['served', servedBytes, HIGHEST_SERVED]
      ] as const) {
        const ratio = sizeBytes / bytes
        const isNear = ratio >= LOWEST && (isSharing || ratio <= highest)
        assert.ok(isNear, `${when}: counted ${sizeBytes} bytes for ${bytes}, ${ratio}`)
      }
    })
  }

  for (const { name, sizeBytes, storedBytes } of measures.slice(unbounded.length)) {
    test(`bounds what is occupied where there is more than fits: ${name}`, () => {
      assert.ok(sizeBytes <= 8 * MEBIBYTE && sizeBytes > 4 * MEBIBYTE, `counted ${sizeBytes}`)
      const ratio = storedBytes / (8 * MEBIBYTE)
      assert.ok(ratio <= 1.15, `${storedBytes} bytes, ${ratio} of the bound`)
    })
  }
})
