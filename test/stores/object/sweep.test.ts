// What a sweep removes, and what it leaves.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { entryOf, find, KEY, put, read } from '../../support/file-store.ts'
import { finished, noise, TAG, VARIANT } from '../../support/responses.ts'
import { objectsOf, watchedStore, writeObject } from './support.ts'

const HOUR_MS = 3_600_000
const EXPIRED = { expiresAtMs: Date.now() - 1 }

function idAt(timeMs: number): string {
  return timeMs.toString(16).padStart(12, '0') + 'ab'.repeat(10)
}

function variant(accept: string) {
  return { vary: ['accept'], variantKey: `${VARIANT}\naccept:${accept}` }
}

it('removes what has expired, body and all, and leaves the rest', async () => {
  const { store, plain } = watchedStore()
  await put(store, { ...EXPIRED, key: 'https://store.test/small' })
  await put(store, { ...EXPIRED, key: 'https://store.test/large' }, noise(100_000))
  await put(store, {}, noise(100_000))
  assert.equal((await objectsOf(plain)).length, 5)
  await store.sweep()
  assert.equal((await objectsOf(plain)).length, 2)
  assert.deepEqual(await read(store), noise(100_000))
})

it('removes bodies without records after a day, and none that is being stored', async () => {
  const { store, plain } = watchedStore()
  const key = `${'0'.repeat(63)}1`
  await writeObject(plain, `e/00/${key}~${idAt(Date.now() - 25 * HOUR_MS)}`, noise(10))
  await writeObject(plain, `e/00/${key}~${idAt(Date.now() - 23 * HOUR_MS)}`, noise(10))
  const entry = entryOf()
  const writer = (await store.put(entry)) ?? assert.fail()
  await writer.write(noise(300_000))
  await store.sweep()
  assert.deepEqual(
    (await objectsOf(plain, 'e/')).map(name => name.slice(0, 69)),
    [`e/00/${key}`]
  )
  await store.clear()
  const again = (await store.put(entry)) ?? assert.fail()
  await again.write(noise(300_000))
  await store.sweep()
  assert.equal(await again.commit(finished(entry, 300_000)), true)
  assert.equal((await read(store))?.byteLength, 300_000)
})

it('forgets deletions after a day', async () => {
  const { store, plain } = watchedStore()
  const old = Date.now() - 25 * HOUR_MS
  const mark = (timeMs: number) => `m/${String(timeMs).padStart(15, '0')}-all--00000000`
  const key = `${'0'.repeat(63)}1`
  await writeObject(plain, mark(old), noise(0))
  await writeObject(plain, mark(Date.now()), noise(0))
  await writeObject(plain, `d/00/${key}`, Buffer.from(idAt(old)))
  await store.delete(KEY)
  assert.equal((await objectsOf(plain)).length, 4)
  await store.sweep()
  const left = await objectsOf(plain)
  assert.equal(left.length, 2)
  assert.ok(!left.includes(`d/00/${key}`) && !left.includes(mark(old)))
})

it('keeps the way to the other variants when the first is gone, and no more of it', async () => {
  for (const isTagged of [true, false]) {
    const { store, plain, another } = watchedStore()
    const expiresAtMs = Date.now() + (isTagged ? HOUR_MS : 200)
    await put(store, { ...variant('a'), expiresAtMs, tags: ['gone'] }, noise(100_000))
    await put(store, variant('b'), noise(100_000, 2))
    if (isTagged) await store.deleteByTag('gone')
    else {
      await sleep(250)
      await store.sweep()
    }
    assert.equal((await objectsOf(plain, 'e/')).length, 3, 'two records and a body')
    // Whatever becomes of the marks.
    for (const name of await objectsOf(plain, 'm/'))
      await plain.delete(`test/message-pack/${name}`, { signal: AbortSignal.timeout(1000) })
    const { store: other } = another()
    assert.equal(await find(other, KEY, 'a'), undefined)
    assert.ok(await find(other, KEY, 'b'))
    await put(other, variant('a'))
    assert.ok(await find(other, KEY, 'a'))
    assert.ok(await find(other, KEY, 'b'))
  }
})

it('removes variants that nothing leads to', async () => {
  const { store, plain } = watchedStore()
  await put(store, variant('a'))
  await put(store, variant('b'), noise(100_000))
  const [first = ''] = await objectsOf(plain, 'e/')
  await plain.delete(`test/message-pack/${first}`, { signal: AbortSignal.timeout(1000) })
  await store.sweep()
  assert.deepEqual(await objectsOf(plain), [])
})

it('leaves what it does not know', async () => {
  const { store, plain } = watchedStore()
  const names = ['e/00/note', 'e/x', 'm/note', 'other']
  for (const name of names) await writeObject(plain, name, noise(10))
  await put(store)
  await store.sweep()
  await store.deleteByTag(TAG)
  const left = await objectsOf(plain)
  assert.deepEqual(
    names.filter(name => !left.includes(name)),
    []
  )
  assert.equal(await find(store), undefined)
})

it('goes through many keys, and rejects with the first failure', async () => {
  const { store, driver, plain } = watchedStore()
  for (let i = 0; i < 100; i++) await put(store, { ...(i % 2 && EXPIRED), key: `https://store.test/${i}` })
  driver.watcher = call => {
    if (call === 'delete') throw new Error('no deleting')
  }
  await assert.rejects(store.sweep(), { message: 'no deleting' })
  driver.watcher = () => undefined
  await store.sweep()
  assert.equal((await objectsOf(plain, 'e/')).length, 50)
})
