import assert from 'node:assert/strict'
import { bytesOf } from './bytes.ts'
import { type Check, KEY, OTHER_KEY } from './subject.ts'

const MINUTE_MS = 60_000
const YEAR_MS = 365.25 * 24 * 60 * MINUTE_MS

const CLOCKS = [
  { what: 'years behind', offsetMs: -20 * YEAR_MS },
  { what: 'an hour behind', offsetMs: -60 * MINUTE_MS },
  { what: 'years ahead of', offsetMs: 20 * YEAR_MS }
]

/** The times of an entry are those of the clock of the cache that stores it, which may be far from real time. */
export function testClocks(check: Check, dropsExpired: boolean): void {
  for (const { what, offsetMs } of CLOCKS) {
    check(`finds and lists what is stored by a clock that is ${what} real time`, async subject => {
      const nowMs = Date.now() + offsetMs
      const at = (sinceMs: number) => {
        const responseTimeMs = nowMs + sinceMs
        return { requestTimeMs: responseTimeMs, responseTimeMs, expiresAtMs: responseTimeMs + MINUTE_MS }
      }
      const stored = await subject.put(subject.entry(at(0)), bytesOf(300_000))
      assert.ok(stored)
      const large = (await subject.find()) ?? assert.fail('not found')
      assert.equal((await subject.read(large))?.byteLength, 300_000)
      assert.ok(await subject.put(subject.entry({ ...at(MINUTE_MS / 2), key: OTHER_KEY }), bytesOf(10)))
      assert.notEqual(await subject.find(), undefined, 'half of its time has passed')
      assert.equal(await subject.store.update({ ...stored, ...at(MINUTE_MS / 2) }), true)
      assert.equal((await subject.find())?.entry.expiresAtMs, at(MINUTE_MS / 2).expiresAtMs)
      const keys = []
      for await (const { key } of subject.store.entries?.() ?? []) keys.push(key)
      if (subject.store.entries !== undefined) assert.deepEqual(keys.sort(), [KEY, OTHER_KEY].sort())
      assert.ok(await subject.put(subject.entry({ ...at(1.8 * MINUTE_MS), key: OTHER_KEY })))
      if (dropsExpired) assert.equal(await subject.find(), undefined, 'its time is over')
      assert.notEqual(await subject.find(OTHER_KEY), undefined)
    })

    check(`finds again what was stored by a clock that is ${what} real time`, async subject => {
      const responseTimeMs = Date.now() + offsetMs
      const times = { requestTimeMs: responseTimeMs, responseTimeMs, expiresAtMs: responseTimeMs + MINUTE_MS }
      assert.ok(await subject.put(subject.entry(times), bytesOf(10)))
      await subject.store.close()
      const later = await subject.reopened()
      if (later === undefined) return subject.context.skip('there is no reopening the store')
      assert.notEqual(await later.find(), undefined)
    })
  }
}
