// A short form of `npm run torture`: some hundred exchanges over each of five stores.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { planOf } from './plan.ts'
import { resourcesOf } from './resource.ts'
import type { StoreName } from './stores.ts'
import { torture } from './torture.ts'

/** Of each store: enough for what is rare to happen in one or the other run. */
const EXCHANGES = 300
/** In so many there is some of everything. */
const MANY = 600
/** For all of them, so that a busy machine does fewer. */
const TIME_LIMIT_MS = 10_000

const STORES: readonly StoreName[] = ['memory', 'file', 'lmdb', 'tiered', 'faulty']

describe('random exchanges through two caches over one store get what the model permits, and leave nothing behind', () => {
  const seen = new Set<string>()
  const timeLimitMs = TIME_LIMIT_MS / STORES.length
  let total = 0

  for (const [i, store] of STORES.entries()) {
    // One that is known, for every other store one that nobody has tried.
    const seed = i % 2 === 0 ? 'short' : randomUUID().slice(0, 8)
    test(`${store}, npm run torture -- --store ${store} --seed ${seed}`, async () => {
      const { violations, tally, exchanges } = await torture({ seed, store, exchanges: EXCHANGES, timeLimitMs })
      assert.deepEqual(violations, [])
      total += exchanges
      for (const name of tally.keys()) seen.add(name)
    })
  }

  test('among them hits, parts, errors, and clients who leave', t => {
    if (total < MANY) return t.skip(`the machine was too busy for more than ${total}`)
    for (const name of ['get hit 200', 'get own 200', 'get own 206', 'left in the midst', 'failed before an answer']) {
      assert.ok(seen.has(name), `${name}, of ${[...seen].join(', ')}`)
    }
  })
})

test('a seed gives the same plans again, another one others', () => {
  const plansOf = (seed: string) => {
    const resources = resourcesOf(seed, 16)
    return JSON.stringify(Array.from({ length: 100 }, (_, i) => planOf(i, { seed, resources, caches: 2 })))
  }
  assert.equal(plansOf('a'), plansOf('a'))
  assert.notEqual(plansOf('a'), plansOf('b'))
})
