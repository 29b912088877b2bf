// The limit of what the files occupy: what was not used for longest goes.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  BLOCK_BYTES,
  bodiesOf,
  find,
  KEY,
  keyOf,
  keysOfOneFolder,
  occupiedBytes,
  openStore,
  put,
  recordsOf,
  until
} from '../../support/file-store.ts'
import { noise } from '../../support/responses.ts'
import { watchFs } from './watching-fs.ts'

describe('what is too much', () => {
  it('goes, what was not used for longest first', async () => {
    await using opened = await openStore({ maxSizeBytes: 50 * BLOCK_BYTES })
    const { store } = opened
    for (let i = 0; i < 40; i++) await put(store, { key: keyOf(i) })
    await store.sweep()
    assert.equal(recordsOf(store).length, 40, 'there is room')
    for (const i of [0, 1, 2]) assert.ok(await find(store, keyOf(i)))
    for (let i = 40; i < 60; i++) await put(store, { key: keyOf(i) })
    await store.sweep()
    const left: number[] = []
    for (let i = 0; i < 60; i++) if ((await find(store, keyOf(i))) !== undefined) left.push(i)
    // One sweep may have begun by itself before all were there: it makes room for some of them.
    assert.ok(left.length >= 45 && left.length <= 50, `${left.length} are left`)
    const written = left.length - 3
    assert.deepEqual(left, [0, 1, 2, ...Array.from({ length: written }, (_, i) => 60 - written + i)])
  })

  it('goes with its bodies', async () => {
    await using opened = await openStore({ maxSizeBytes: 1_000_000 })
    const { store } = opened
    for (let i = 0; i < 12; i++) {
      await put(store, { key: keyOf(i) }, noise(100_000))
      await sleep(2)
    }
    await store.sweep()
    assert.ok(occupiedBytes(store) <= 1_000_000)
    assert.equal(recordsOf(store).length, bodiesOf(store).length)
    assert.equal(await find(store, keyOf(0)), undefined)
    assert.ok(await find(store, keyOf(11)))
  })

  it('goes without being asked for, while no more is taken than the limit and a quarter', async () => {
    await using opened = await openStore({ maxSizeBytes: 40 * BLOCK_BYTES })
    const { store } = opened
    for (let i = 0; i < 100; i++) {
      await put(store, { key: keyOf(i) })
      if (i % 20 === 0) assert.ok(occupiedBytes(store) <= 52 * BLOCK_BYTES, `${occupiedBytes(store)} bytes`)
    }
    await until(() => occupiedBytes(store) <= 40 * BLOCK_BYTES, 30_000)
    await until(async () => (await put(store, { key: KEY })) !== undefined)
  })

  it('goes when another process learns of it', async () => {
    await using opened = await openStore({ maxSizeBytes: 40 * BLOCK_BYTES })
    const { store } = opened
    for (let i = 0; i < 24; i++) await put(store, { key: keyOf(i) })
    const other = opened.reopen()
    for (let i = 24; i < 47; i++) await put(other, { key: keyOf(i) })
    await until(() => occupiedBytes(store) <= 40 * BLOCK_BYTES, 30_000)
  })

  it('is judged by the use that any process makes of it', async () => {
    await using opened = await openStore({ maxSizeBytes: 10 * BLOCK_BYTES })
    const { store } = opened
    for (let i = 0; i < 8; i++) await put(store, { key: keyOf(i) })
    const other = opened.reopen()
    assert.ok(await find(other, keyOf(0)))
    await other.close()
    for (let i = 8; i < 12; i++) await put(store, { key: keyOf(i) })
    await store.sweep()
    assert.ok(await find(store, keyOf(0)))
    assert.equal(await find(store, keyOf(1)), undefined)
  })

  it('is no longer counted once another process has removed it, in the middle of a sweep as well', async () => {
    let walks = 0
    let onSecondWalk: (() => Promise<void>) | undefined
    const fs = watchFs(async (call, path) => {
      if (call === 'opendir' && path.endsWith('entries') && ++walks === 2) await onSecondWalk?.()
    })
    await using opened = await openStore({ maxSizeBytes: 40 * BLOCK_BYTES })
    const other = opened.store
    const store = opened.reopen({ fs })
    for (let i = 0; i < 60; i++) {
      assert.ok(await put(i % 2 === 0 ? store : other, { key: keyOf(i) }))
    }
    walks = 0
    onSecondWalk = () => other.sweep()
    await store.sweep()
    assert.ok(walks >= 2)
    assert.ok(occupiedBytes(store) <= 40 * BLOCK_BYTES)
    assert.ok(await put(store), 'it is declined')
  })

  it('is what was stored since everything was deleted, in the middle of a sweep as well', async () => {
    let onWalk: (() => Promise<void>) | undefined
    const fs = watchFs(async (call, path) => {
      if (call === 'opendir' && path.endsWith('entries/00')) await onWalk?.()
    })
    await using opened = await openStore({ fs, maxSizeBytes: 20 * BLOCK_BYTES })
    const { store } = opened
    for (const key of keysOfOneFolder(18)) await put(store, { key })
    onWalk = async () => {
      onWalk = undefined
      await store.clear()
      // In folders that this sweep does not know of.
      for (let i = 0; i < 18; i++) await put(store, { key: keyOf(i) })
    }
    await store.sweep()
    for (let i = 18; i < 60; i++) await put(store, { key: keyOf(i) })
    assert.ok(occupiedBytes(store) <= 26 * BLOCK_BYTES, `${occupiedBytes(store) / BLOCK_BYTES} blocks`)
  })
})
