// What each thing costs, in requests to the storage.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { entryOf, find, get, KEY, put, read } from '../../support/file-store.ts'
import { noise, VARIANT } from '../../support/responses.ts'
import { watchedStore } from './support.ts'

it('a hit takes one request, one more for a body above 64 KiB', async () => {
  const { store, driver } = watchedStore()
  await put(store, {}, noise(65_536))
  driver.taken()
  assert.equal((await read(store))?.byteLength, 65_536)
  assert.deepEqual(driver.taken(), ['get e'])
  await put(store, {}, noise(65_537))
  driver.taken()
  assert.equal((await read(store))?.byteLength, 65_537)
  assert.deepEqual(driver.taken(), ['get e', 'get e'])
})

it('a miss takes one request, and another before the origin is asked', async () => {
  const { store, driver } = watchedStore()
  await (await get(store)).asOf()
  assert.deepEqual(driver.taken(), ['get e', 'get d', 'list m'], 'the marks for the first time')
  await (await get(store)).asOf()
  assert.deepEqual(driver.taken(), ['get e', 'get d'])
})

it('storing takes five requests, and one for the body', async () => {
  const { store, driver } = watchedStore()
  const asOf = await (await get(store)).asOf()
  driver.taken()
  await put(store, {}, noise(1000), asOf)
  assert.deepEqual(driver.taken(), ['get e', 'get d', 'put e', 'get d', 'list m'])
  await put(store, {}, noise(100_000), asOf)
  assert.deepEqual(driver.taken(), ['put e', 'get e', 'get d', 'put e', 'get d', 'list m'])
})

it('freshening takes six requests', async () => {
  const { store, driver } = watchedStore()
  const stored = await put(store, {}, noise(100_000))
  const asOf = await (await get(store)).asOf()
  driver.taken()
  assert.equal(await store.update({ ...(stored ?? entryOf()), statusText: 'New' }, { asOf }), true)
  assert.deepEqual(driver.taken(), ['get e', 'get d', 'put e', 'get d', 'list m'])
})

it('deleting takes two requests, and one for each object', async () => {
  const { store, driver } = watchedStore()
  await put(store, {}, noise(100_000))
  driver.taken()
  await store.delete(KEY)
  assert.deepEqual(driver.taken(), ['put d', 'list e', 'delete e', 'delete e'])
})

it('another variant takes one request more than the first', async () => {
  const { store, driver } = watchedStore()
  for (const accept of ['a', 'b', 'c'])
    await put(store, { vary: ['accept'], variantKey: `${VARIANT}\naccept:${accept}` })
  driver.taken()
  assert.ok(await find(store, KEY, 'a'))
  assert.deepEqual(driver.taken(), ['get e'])
  assert.ok(await find(store, KEY, 'c'))
  assert.deepEqual(driver.taken(), ['get e', 'get e'])
})

it('those who store at the same time share the listing of marks', async () => {
  const { store, driver } = watchedStore()
  await put(store)
  driver.taken()
  await Promise.all(Array.from({ length: 40 }, (_, i) => put(store, { key: `https://store.test/${i}` })))
  const lists = driver.taken().filter(call => call === 'list m').length
  assert.ok(lists < 20, `${lists} lists for 40 responses`)
})
