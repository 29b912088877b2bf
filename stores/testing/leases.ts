import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../../lib/event-loop.ts'
import type { CacheStore, Lease, LeaseAnswer } from '../store.ts'
import { type Check, KEY, OTHER_KEY } from './subject.ts'

const LONG_MS = 600_000
const SHORT_MS = 1500
const WITHIN_MS = 20_000
const NAME = 'a lease'
const NAMES = [
  '',
  ' ',
  KEY,
  'a:b',
  'A:b',
  '{a}',
  '*',
  'a\0b',
  'a\nb',
  '\ud800',
  '\udfff',
  '__proto__',
  'x'.repeat(100_000)
]

/** Leases: one holder at a time, of all who share the store. */
export function testLeases(checkAll: Check): void {
  checkAll('says whether it gives leases', async ({ store }) => {
    assert.equal(store.lease !== undefined, store.capabilities.leases === true)
  })

  const check: Check = (title, run) =>
    checkAll(title, async subject => {
      if (!subject.skipUnless(subject.store.capabilities.leases, 'give leases')) await run(subject)
    })

  check('gives a lease to one of those who ask at once, and to the next once it is released', async ({ store }) => {
    for (let i = 0; i < 3; i++) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(store)))
      const leases = answers.filter(answer => typeof answer === 'object')
      assert.equal(leases.length, 1)
      assert.equal(answers.filter(answer => answer === 'held').length, 49)
      await leases[0]?.release()
    }
  })

  check('gives it to one among several instances', async subject => {
    const { store } = subject
    if (subject.skipUnless(store.capabilities.shared, 'share its data')) return
    const other = (await subject.reopened())?.store
    if (other === undefined) return subject.context.skip('there is no reopening the store')
    const lease = granted(await ask(store))
    assert.equal(await ask(other), 'held')
    await lease.release('unshared', LONG_MS)
    assert.equal(await ask(other), 'unshared')
  })

  check('keeps leases of different names apart, whatever their characters', async ({ store }) => {
    for (const name of NAMES) granted(await ask(store, LONG_MS, name))
    for (const name of NAMES) assert.equal(await ask(store, LONG_MS, name), 'held')
  })

  check('ends a lease whose holder does nothing', async ({ store }) => {
    granted(await ask(store, 50))
    await untilGranted(store)
  })

  check('lets its holder hold it for longer', async ({ store }) => {
    const lease = granted(await ask(store, SHORT_MS))
    assert.equal(await lease.renew(LONG_MS), true)
    await sleep(SHORT_MS + 100)
    assert.equal(await ask(store), 'held')
    assert.equal(await lease.renew(50), true)
    await untilGranted(store)
  })

  check('lets nobody but its holder renew or release it', async ({ store }) => {
    const late = granted(await ask(store, 20))
    const lease = await untilGranted(store)
    assert.equal(await late.renew(20), false)
    await late.release()
    await late.release('unshared', LONG_MS)
    assert.equal(await ask(store), 'held')
    await lease.release()
    assert.equal(await lease.renew(LONG_MS), false)
    granted(await ask(store))
    await lease.release('done', LONG_MS)
    assert.equal(await ask(store), 'held')
  })

  check('tells what a holder has left in its place, for as long as that was to stay', async ({ store }) => {
    for (const mark of ['done', 'unshared'] as const) {
      await granted(await ask(store, LONG_MS, mark)).release(mark, LONG_MS)
      for (let i = 0; i < 3; i++) assert.equal(await ask(store, LONG_MS, mark), mark)
      await granted(await ask(store)).release(mark, 50)
      await (await untilGranted(store)).release()
    }
  })

  check('has leases beside what is stored, and neither in the way of the other', async subject => {
    const { store } = subject
    const lease = granted(await ask(store, LONG_MS, KEY))
    await granted(await ask(store, LONG_MS, OTHER_KEY)).release('done', LONG_MS)
    assert.deepEqual([...(await subject.get()).stored], [])
    assert.ok(await subject.put(subject.entry()))
    assert.ok(await subject.put(subject.entry({ key: OTHER_KEY })))
    const listed = []
    for await (const { key } of store.entries?.() ?? []) listed.push(key)
    assert.deepEqual(listed.sort(), store.entries === undefined ? [] : [KEY, OTHER_KEY])
    await store.delete(KEY)
    assert.equal(await ask(store, LONG_MS, KEY), 'held')
    assert.equal(await ask(store, LONG_MS, OTHER_KEY), 'done')
    await lease.release()
    assert.notEqual(await subject.find(OTHER_KEY), undefined)
  })

  check('ends leases, and removes what was left of them, with clear', async ({ store, context }) => {
    if (store.capabilities.clear === false) return context.skip('the store cannot be cleared')
    const lease = granted(await ask(store))
    await granted(await ask(store, LONG_MS, 'other')).release('unshared', LONG_MS)
    await store.clear()
    assert.equal(await lease.renew(LONG_MS), false)
    granted(await ask(store))
    granted(await ask(store, LONG_MS, 'other'))
  })

  check('gives none once it is closed', async ({ store }) => {
    const lease = granted(await ask(store))
    await store.close()
    await assert.rejects(async () => ask(store))
    await Promise.allSettled([lease.renew(LONG_MS), lease.release()])
  })
}

async function ask(store: CacheStore, ttlMs = LONG_MS, name = NAME): Promise<LeaseAnswer> {
  return store.lease?.(name, ttlMs) ?? assert.fail('there is no lease()')
}

function granted(answer: LeaseAnswer): Lease {
  return typeof answer === 'object' ? answer : assert.fail(`not granted: ${answer}`)
}

async function untilGranted(store: CacheStore): Promise<Lease> {
  for (const end = monotonicMs() + WITHIN_MS; monotonicMs() < end; await sleep(10)) {
    const answer = await ask(store)
    if (typeof answer === 'object') return answer
  }
  assert.fail('it did not end')
}
