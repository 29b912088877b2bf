// Deletions beside what is being stored, in one process and among several.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { entryOf, find, get, KEY, put, read } from '../../support/file-store.ts'
import { finished, noise, TAG } from '../../support/responses.ts'
import { gate, objectsOf, removeObject, type WatchedDriver, watchedStore, writeObject } from './support.ts'

const DELETIONS = {
  delete: (store: Stored['store']) => store.delete(KEY),
  deleteByTag: (store: Stored['store']) => store.deleteByTag(TAG),
  clear: (store: Stored['store']) => store.clear()
}
type Stored = ReturnType<typeof watchedStore>

/** Has the next call of that kind wait; returns what lets it go on, and a promise of its having come. */
function hold(driver: WatchedDriver, wanted: string): { readonly come: Promise<void>; open(): void } {
  const come = gate()
  const held = gate()
  driver.watcher = async (call, name) => {
    if (`${call} ${name[0]}` !== wanted) return
    driver.watcher = () => undefined
    come.open()
    await held.passed
  }
  return { come: come.passed, open: held.open }
}

for (const [what, run] of Object.entries(DELETIONS)) {
  describe(`${what} wins`, () => {
    for (const at of ['put e', 'list m', 'get d', 'get e']) {
      it(`over a commit of the same process, held up at "${at}"`, async () => {
        const { store, driver } = watchedStore()
        const asOf = await (await get(store)).asOf()
        const held = hold(driver, at)
        const storing = put(store, {}, noise(1000), asOf)
        await held.come
        const deleting = run(store)
        held.open()
        await Promise.all([storing, deleting])
        assert.equal(await find(store), undefined)
        assert.deepEqual(await objectsOf(driver, 'e/'), [])
      })

      it(`over a commit of another process, held up at "${at}"`, async () => {
        const { store, driver, another } = watchedStore()
        const other = another()
        const asOf = await (await get(store)).asOf()
        const held = hold(driver, at)
        const storing = put(store, {}, noise(100_000), asOf)
        await held.come
        await run(other.store)
        held.open()
        const stored = await storing
        // Past its last look for deletions of the key it was stored, and deleted then.
        if (what !== 'delete' || at !== 'list m') assert.equal(stored, undefined)
        assert.equal(await find(store), undefined)
        assert.equal(await find(other.store), undefined)
        assert.deepEqual(
          (await objectsOf(driver, 'e/')).filter(name => !name.includes('~')),
          []
        )
      })
    }

    it('over an update of another process', async () => {
      const { store, driver, another } = watchedStore()
      const stored = (await put(store)) ?? assert.fail()
      const asOf = await (await get(store)).asOf()
      const held = hold(driver, 'put e')
      const updating = store.update({ ...stored, statusText: 'New' }, { asOf })
      await held.come
      await run(another().store)
      held.open()
      assert.equal(await updating, false)
      assert.equal(await find(another().store), undefined)
    })

    it('over a body that comes afterwards, and leaves no object behind', async () => {
      const { store, driver, another } = watchedStore()
      const entry = entryOf()
      const writer = (await store.put(entry)) ?? assert.fail()
      await writer.write(noise(300_000))
      await run(another().store)
      await writer.write(noise(300_000))
      assert.equal(await writer.commit(finished(entry, 600_000)), false)
      await store.close()
      assert.deepEqual(await objectsOf(driver, 'e/'), [])
    })

    it('and what another process asks for afterwards is stored, after one that may not be', async () => {
      const { store, another } = watchedStore()
      const { store: other } = another()
      await put(other)
      await run(store)
      // The other may not have been told yet.
      await put(other, {}, Buffer.from('first'), await (await get(other)).asOf())
      assert.ok(await put(other, {}, Buffer.from('second'), await (await get(other)).asOf()))
      assert.equal(String(await read(store)), 'second')
    })
  })
}

it('a process that ends between the two looks for deletions leaves a response that a sweep removes', async () => {
  const { store, driver, another } = watchedStore()
  const asOf = await (await get(store)).asOf()
  const held = hold(driver, 'put e')
  const storing = put(store, {}, noise(10), asOf).catch(() => undefined)
  await held.come
  const { store: other } = another()
  await other.delete(KEY)
  driver.watcher = call => {
    if (call !== 'put') throw new Error('the process is at its end')
  }
  held.open()
  await storing
  assert.ok(await find(other), 'found, since nobody took it back')
  await other.sweep()
  assert.equal(await find(other), undefined)
})

it('a response whose confirmation fails is taken back', async () => {
  const { store, driver } = watchedStore()
  const asOf = await (await get(store)).asOf()
  driver.watcher = (call, name) => {
    if (call === 'list' && name === 'm/') throw new Error('no list')
  }
  await assert.rejects(put(store, {}, noise(10), asOf), { message: 'no list' })
  assert.equal(await find(store), undefined)
})

it('a response under way while the trace of its deletion is forgotten is not stored', async () => {
  const { store, driver } = watchedStore()
  await store.delete(KEY)
  const asOf = await (await get(store)).asOf()
  await removeObject(driver, `d/${(await objectsOf(driver, 'd/'))[0]?.slice(2)}`)
  assert.equal(await put(store, {}, noise(10), asOf), undefined)
  assert.ok(await put(store))
})

it('a position of another store, of another key, or none at all stores nothing', async () => {
  const { store } = watchedStore()
  const ofOther = await (await get(store, 'https://store.test/other')).asOf()
  for (const asOf of [ofOther, 17, {}, null]) {
    assert.equal(await store.put(entryOf(), { asOf }), undefined)
    assert.equal(await store.update(entryOf(), { asOf }), false)
  }
})

it('a record of which nobody knows whether it was put is taken back', async () => {
  const { store, driver, plain } = watchedStore()
  driver.watcher = async (call, name) => {
    if (call !== 'put' || !name.startsWith('e/')) return
    await writeObject(plain, name, noise(10))
    throw new Error('the answer is lost')
  }
  await assert.rejects(put(store), { message: 'the answer is lost' })
  assert.deepEqual(await objectsOf(plain, 'e/'), [])
})
