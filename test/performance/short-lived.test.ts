// What a request leaves is gone with the next collection of the new generation, as if there were no cache: what is kept
// longer is copied, and has to be found by a collection of everything.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { Kept } from './short-lived.ts'

/** A few may be, where such a collection came while they were on their way. */
const MOST_KEPT = 0.15

const script = join(import.meta.dirname, 'short-lived.ts')
const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--import', 'tsx', script])
const ways = stdout
  .trim()
  .split('\n')
  .map((line): Kept => JSON.parse(line))

describe('memory of a request that is over', () => {
  test('was looked at for each way of being served', () => assert.equal(ways.length, 9))

  for (const { way, requests, kept } of ways) {
    test(`is not kept among old objects: ${way}`, () =>
      assert.ok(kept <= requests * MOST_KEPT, `${kept} of ${requests}`))
  }
})
