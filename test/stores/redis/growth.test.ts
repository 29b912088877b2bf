// What a lookup costs beside much else: takes a minute, and a machine with little else to do.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { RedisStore } from 'undici-http-cache/stores/redis'
import { missingRedis, RedisServer } from '../../support/redis/server.ts'
import { isStress, PATIENT } from '../../support/redis/settings.ts'
import { entryOf, store } from '../../support/responses.ts'

const LOOKUPS = 2000
const AT_ONCE = 64
const ROUNDS = 41
const VARIANTS = 1000
const MAX_RATIO = 1.1

const skip = missingRedis || (isStress ? false : 'REDIS_STRESS is not set')

it('a lookup costs the same beside 1,000,000 other keys, and among 1,000 variants', { skip }, async context => {
  await using small = await RedisServer.start()
  await using large = await RedisServer.start({ args: ['--enable-debug-command', 'yes'] })
  await large.with(client => client.call('DEBUG', 'POPULATE', '1000000', 'unrelated', '20'))
  const few = new RedisStore({ url: small.url, options: PATIENT })
  const many = new RedisStore({ url: large.url, options: PATIENT, maxVariants: VARIANTS })
  const variant = (i: number) => ({ vary: ['x'], variantKey: `GET\n\nx:${i}` })
  await store(few, entryOf('https://store.test/', variant(0)), [Buffer.alloc(1024)])
  await store(many, entryOf('https://store.test/one', variant(0)), [Buffer.alloc(1024)])
  for (let i = 0; i < VARIANTS; i++) await store(many, entryOf('https://store.test/', variant(i)), [Buffer.alloc(1024)])

  const alone = () => hit(few, 'https://store.test/', 0)
  const others: Readonly<Record<string, () => Promise<void>>> = {
    'alone, once more': alone,
    'beside a million': () => hit(many, 'https://store.test/one', 0),
    'among a thousand': () => hit(many, 'https://store.test/', VARIANTS / 2)
  }
  const times: number[] = []
  const ratios = new Map<string, number[]>(Object.keys(others).map(name => [name, []]))
  for (let round = 0; round < ROUNDS; round++) {
    const time = await timeOf(alone)
    times.push(time)
    for (const [name, run] of Object.entries(others)) {
      ratios.get(name)?.push((await timeOf(run)) / time)
    }
  }
  context.diagnostic(`alone: ${medianOf(times).toFixed(1)} us a lookup`)
  for (const [name, values] of ratios) {
    context.diagnostic(`${name}: ${medianOf(values).toFixed(3)} of that`)
    assert.ok(medianOf(values) < MAX_RATIO, name)
  }
  await few.close()
  await many.close()
})

async function hit(target: RedisStore, key: string, i: number): Promise<void> {
  const { stored } = await target.get(key, names => (names.length === 0 ? 'GET\n' : `GET\n\nx:${i}`))
  assert.equal(stored.length, 1)
  await stored[0]?.open()
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** Microseconds of one, where many are under way at once. */
async function timeOf(run: () => Promise<void>): Promise<number> {
  let left = LOOKUPS
  const start = performance.now()
  const one = async () => {
    while (left-- > 0) await run()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  return ((performance.now() - start) / LOOKUPS) * 1000
}
