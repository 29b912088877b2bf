// What is given up half-way, and a store that is closed.
import assert from 'node:assert/strict'
import { rmdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import {
  bodiesOf,
  entryOf,
  find,
  KEY,
  openStore,
  put,
  read,
  recordsOf,
  temporariesOf
} from '../../support/file-store.ts'
import { finished, noise } from '../../support/responses.ts'
import { watchFs } from './watching-fs.ts'

describe('a body that is given up', () => {
  it('while it waits to be written is not written to a file that has been closed', async () => {
    const calls: string[] = []
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const fs = watchFs(async (call, path) => {
      if (!path.endsWith('.tmp')) return
      if (call === 'write') await held
      calls.push(call)
    })
    await using opened = await openStore({ fs })
    const writer = (await opened.store.put(entryOf())) ?? assert.fail()
    const written = writer.write(noise(1_000_000))
    const aborted = writer.abort()
    release()
    await Promise.all([written, aborted])
    assert.deepEqual(calls, ['open', 'write', 'close', 'unlink'])
    assert.deepEqual(temporariesOf(opened.store), [])
  })

  it('takes nothing more, and leaves nothing', async () => {
    await using opened = await openStore()
    const entry = entryOf()
    const writer = (await opened.store.put(entry)) ?? assert.fail()
    await writer.write(noise(200_000))
    await writer.abort()
    await writer.write(noise(200_000))
    assert.equal(await writer.commit(finished(entry, 400_000)), false)
    assert.deepEqual([temporariesOf(opened.store), await find(opened.store)], [[], undefined])
  })
})

describe('a folder that is cleared away', () => {
  it('just when another is made in it is made again', async () => {
    let clearings = 0
    const fs = watchFs((call, path) => {
      if (call === 'mkdir' && dirname(path).endsWith('entries') && clearings++ < 3) rmdirSync(dirname(path))
    })
    await using opened = await openStore({ fs })
    assert.ok(await put(opened.store))
    assert.equal(clearings, 4)
    assert.ok(await find(opened.store))
  })

  it('just when a record in it is deleted leaves nothing to delete', async () => {
    let isDeleting = false
    const fs = watchFs((call, path) => {
      if (isDeleting && call === 'read' && path.includes('entries')) rmSync(dirname(dirname(path)), { recursive: true })
    })
    await using opened = await openStore({ fs })
    assert.ok(await put(opened.store))
    isDeleting = true
    await opened.store.delete(KEY)
    isDeleting = false
    assert.equal(await find(opened.store), undefined)
    assert.ok(await put(opened.store))
    assert.ok(await find(opened.store))
  })
})

describe('a store that is closed', () => {
  for (const size of [10, 300_000]) {
    it(`stores what is being committed, before it is closed (${size} bytes)`, async () => {
      await using opened = await openStore()
      const { store } = opened
      const entry = entryOf()
      const writer = (await store.put(entry)) ?? assert.fail()
      await writer.write(noise(size))
      const committed = writer.commit(finished(entry, size))
      await store.close()
      assert.equal(recordsOf(store).length, 1)
      assert.deepEqual(temporariesOf(store), [])
      assert.equal(await committed, true)
      assert.deepEqual(await read(opened.reopen()), noise(size))
    })
  }

  it('forgets what is not complete', async () => {
    await using opened = await openStore()
    const { store } = opened
    const entry = entryOf()
    const writer = (await store.put(entry)) ?? assert.fail()
    await writer.write(noise(300_000))
    await store.close()
    assert.deepEqual([temporariesOf(store), recordsOf(store), bodiesOf(store)], [[], [], []])
    assert.equal(await writer.commit(finished(entry, 300_000)), false)
  })

  it('refuses a sweep that has yet to begin', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store)
    const sweeps = [store.sweep(), store.sweep()]
    const results = Promise.allSettled(sweeps)
    await store.close()
    const [first, second] = await results
    assert.equal(first?.status, 'fulfilled')
    assert.equal(second?.status === 'rejected' && second.reason.code, 'ERR_CACHE_CLOSED')
  })
})
