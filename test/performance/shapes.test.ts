// What every hit looks at has one shape, whichever response it was made of: else each look takes V8 ten times as long.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

test('what is made of each response has one shape to V8', async () => {
  const script = join(import.meta.dirname, 'shapes.ts')
  const options = ['--allow-natives-syntax', '--import', 'tsx', script]
  const { stdout } = await promisify(execFile)(process.execPath, options)
  const made = stdout
    .trim()
    .split('\n')
    .map((line): { what: string; objects: number; shapes: number } => JSON.parse(line))
  assert.deepEqual(
    made.map(({ what }) => what),
    ['entry', 'directives', 'headers', 'context of a miss']
  )
  // The first of all may have one that V8 has given up since.
  for (const { what, objects, shapes } of made) assert.ok(objects === 20 && shapes <= 2, `${what}: ${shapes}`)
})
