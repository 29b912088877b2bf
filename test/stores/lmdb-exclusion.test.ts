// Processes that open one database at the same time wait for each other, but not for one that is no more.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { openExclusively } from '../../stores/lmdb/open-lock.ts'
import { entryOf, KEY, store } from '../support/responses.ts'
import { scratchDirectory } from './lmdb-stores.ts'
import { find } from './lmdb-subject.ts'

const NOBODY = 2 ** 30

function opening(holder: number) {
  const directory = scratchDirectory()
  mkdirSync(directory.path, { recursive: true })
  const path = join(directory.path, 'http-cache.mdb')
  const lock = `${path}-opening`
  writeFileSync(lock, `${holder}`)
  return { directory, path, lock, [Symbol.dispose]: () => directory.remove() }
}

it('opens at once where whoever was opening has died', async () => {
  using place = opening(NOBODY)
  const target = new LmdbStore({ directory: place.directory.path })
  const start = performance.now()
  assert.notEqual(await store(target, entryOf()), undefined)
  assert.ok(performance.now() - start < 1000)
  assert.notEqual(find(target, KEY), undefined)
  await target.close()
  assert.ok(!readdirSync(place.directory.path).some(name => name.endsWith('-opening')))
})

it('opens where whoever was opening has been at it for too long', () => {
  using place = opening(process.pid)
  const longAgo = Date.now() / 1000 - 60
  utimesSync(place.lock, longAgo, longAgo)
  assert.equal(
    openExclusively(place.path, () => 'opened'),
    'opened'
  )
})

for (const [what, plant] of [
  ['a link to nothing', (lock: string) => symlinkSync('/nowhere/at/all', lock)],
  ['a folder', (lock: string) => mkdirSync(lock)]
] as const) {
  it(`opens where ${what} lies in the way`, () => {
    using place = opening(NOBODY)
    rmSync(place.lock)
    plant(place.lock)
    assert.equal(
      openExclusively(place.path, () => 'opened'),
      'opened'
    )
    assert.deepEqual(readdirSync(place.directory.path), [])
  })
}

it('leaves the lock to who has taken it over', () => {
  using place = opening(NOBODY)
  openExclusively(place.path, () => writeFileSync(place.lock, '1 another'))
  assert.deepEqual(readdirSync(place.directory.path), ['http-cache.mdb-opening'])
})

it('says so where another takes too long, and leaves it alone', () => {
  using place = opening(process.pid)
  assert.throws(() => openExclusively(place.path, () => assert.fail()), { code: 'ERR_CACHE_STORE' })
  assert.deepEqual(readdirSync(place.directory.path), ['http-cache.mdb-opening'])
})

it('does not keep others out after a failure', () => {
  const directory = scratchDirectory()
  const path = join(directory.path, 'http-cache.mdb')
  const failing = () => openExclusively(path, () => assert.fail('cannot be opened'))
  assert.throws(failing, /cannot be opened/)
  assert.equal(
    openExclusively(path, () => 'opened'),
    'opened'
  )
  directory.remove()
})

it('does not wait for itself', async () => {
  const directory = scratchDirectory()
  const first = new LmdbStore({ directory: directory.path })
  await store(first, entryOf())
  const closing = first.close()
  const start = performance.now()
  const second = new LmdbStore({ directory: directory.path })
  assert.notEqual(find(second, KEY), undefined)
  assert.ok(performance.now() - start < 1000)
  await closing
  assert.notEqual(find(second, KEY), undefined)
  await second.close()
  directory.remove()
})
