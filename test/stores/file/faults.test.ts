// A file system that fails, and files that somebody else has put there.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import type { FileStore } from 'undici-http-cache/stores/file'
import {
  bodiesOf,
  entryOf,
  filesIn,
  find,
  KEY,
  openStore,
  put,
  read,
  recordsOf,
  temporariesOf,
  variantKey
} from '../../support/file-store.ts'
import { finished, noise } from '../../support/responses.ts'
import { faultOf, watchFs } from './watching-fs.ts'

describe('a fault of the file system', () => {
  for (const size of [10, 300_000]) {
    for (const call of ['write', 'open', 'rename', 'close', 'lstat']) {
      it(`at ${call}, while ${size} bytes are stored, leaves what was stored before`, async () => {
        let isFaulty = false
        const fs = watchFs((each, path) => {
          const isToWrite = path.endsWith('.tmp') || each === 'rename' || each === 'lstat'
          if (isFaulty && each === call && isToWrite) throw faultOf('ENOSPC')
        })
        await using opened = await openStore({ fs })
        const { store } = opened
        await put(store, {}, noise(size))
        isFaulty = true
        await assert.rejects(() => put(store, {}, noise(size, 2)), { code: 'ENOSPC' })
        isFaulty = false
        assert.deepEqual(await read(store), noise(size))
        assert.deepEqual(temporariesOf(store), [])
        assert.equal(bodiesOf(store).length, size > 65_536 ? 1 : 0)
        assert.ok(await put(store, {}, noise(size, 3)))
        assert.deepEqual(await read(store), noise(size, 3))
      })
    }
  }

  it('on the way to a body that is being read ends it', async () => {
    let reads = 0
    const fs = watchFs((call, path) => {
      if (call === 'read' && path.includes('~') && ++reads === 3) throw faultOf('EIO')
    })
    await using opened = await openStore({ fs })
    await put(opened.store, {}, noise(1_000_000))
    await assert.rejects(() => read(opened.store), { name: 'CacheError', code: 'ERR_CACHE_BODY' })
    assert.deepEqual(await read(opened.store), noise(1_000_000), 'nothing is wrong with the file')
  })

  it('in the background is nobody’s concern', async () => {
    const fs = watchFs(call => {
      if (call === 'lutimes' || call === 'opendir') throw faultOf('EROFS')
    })
    await using opened = await openStore({ fs, maxSizeBytes: 50_000 })
    for (let i = 0; i < 20; i++) await put(opened.store, { key: `https://store.test/${i}` }).catch(() => {})
    await find(opened.store, 'https://store.test/1').catch(() => {})
    await opened.store.close()
  })
})

describe('a planted link', () => {
  /** Each gives the path that somebody makes a link of, to what lies outside. */
  const PLACES: Record<string, (store: FileStore) => string> = {
    'the storage folder': store => store.path,
    'the folder of entries': store => join(store.path, 'entries'),
    'a shard': store => dirname(recordsOf(store)[0] ?? ''),
    'a record': store => recordsOf(store)[0] ?? '',
    'a body': store => bodiesOf(store)[0] ?? '',
    'the folder of the log': store => join(store.path, 'log-00000001'),
    'the log': store => join(store.path, 'log-00000001/deletions'),
    'the mark of the last sweep': store => join(store.path, 'swept')
  }
  for (const [what, placeOf] of Object.entries(PLACES)) {
    for (const isOpen of [true, false]) {
      it(`in the place of ${what} leads nowhere${isOpen ? ', planted while the store is open' : ''}`, async () => {
        await using opened = await openStore()
        const { directory } = opened
        let { store } = opened
        await put(store, {}, noise(300_000))
        await store.sweep()
        const outside = join(dirname(directory), 'outside')
        const place = placeOf(store)
        // What is outside is just what was inside: whoever follows the link finds all that he looks for.
        renameSync(place, outside)
        symlinkSync(outside, place)
        const before = snapshot(outside)
        if (!isOpen) store = opened.reopen()
        const calls: readonly (() => Promise<unknown>)[] = [
          () => read(store),
          () => put(store, {}, noise(200_000)),
          () => put(store, {}, noise(10)),
          () => put(store, { vary: ['accept'], variantKey: variantKey(['accept'], 'a') }),
          () => store.update({ ...entryOf(), statusText: 'New' }),
          () => store.deleteByTag('x'),
          () => store.delete(KEY),
          () => store.sweep(),
          () => store.clear(),
          () => store.close()
        ]
        // Each does its work or rejects.
        for (const call of calls) await call().catch(() => {})
        assert.deepEqual(snapshot(outside), before)
      })
    }
  }

  function snapshot(path: string): unknown {
    const digestOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
    if (!lstatSync(path).isDirectory()) return digestOf(path)
    return filesIn(path).map(each => (each.endsWith('/') ? each : `${each} ${digestOf(join(path, each))}`))
  }
})

describe('what somebody else has put there', () => {
  const FOREIGN: Record<string, (path: string) => void> = {
    'a folder': path => mkdirSync(path),
    'a folder that holds something': path => {
      mkdirSync(path)
      writeFileSync(join(path, 'x'), 'x')
    },
    'a pipe': path => execFileSync('mkfifo', [path]),
    'a link to nothing': path => symlinkSync('/nowhere/at/all', path),
    'a link to itself': path => symlinkSync(basename(path), path),
    'a text': path => writeFileSync(path, 'x'.repeat(1000))
  }
  for (const [what, make] of Object.entries(FOREIGN)) {
    it(`in the place of a record, ${what}, is a miss`, async () => {
      await using opened = await openStore()
      const { store } = opened
      await put(store)
      const [path = ''] = recordsOf(store)
      rmSync(path)
      make(path)
      assert.equal(await find(store), undefined)
      const stored = await put(store, {}, Buffer.from('again')).catch(() => undefined)
      assert.equal(stored !== undefined, !what.startsWith('a folder'))
      assert.equal((await find(store)) !== undefined, stored !== undefined)
      await store.sweep()
    })
  }

  it('as another user, or may change, is not used', async t => {
    if (process.getuid?.() !== 0) return t.skip('only root can give files away')
    for (const spoil of [(path: string) => chownSync(path, 12345, 12345), (path: string) => chmodSync(path, 0o777)]) {
      await using opened = await openStore()
      const { store } = opened
      await put(store)
      spoil(store.path)
      const other = opened.reopen()
      await assert.rejects(() => find(other), { name: 'CacheError', code: 'ERR_CACHE_STORE' })
      await assert.rejects(() => put(other), { code: 'ERR_CACHE_STORE' })
      const entry = entryOf({ key: 'https://store.test/other' })
      const writer = await store.put(entry)
      assert.ok(writer)
      await assert.rejects(async () => writer.commit(finished(entry, 0)), { code: 'ERR_CACHE_STORE' })
    }
  })
})
