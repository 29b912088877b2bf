// How long a store is waited for where the user does not say.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { cacheStores } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import { fromUndiciStore, toUndiciStore } from 'undici-http-cache/stores/undici'
import { readOptions } from '../../interceptors/options.ts'
import type { CacheStore } from '../../stores/store.ts'

const directory = mkdtempSync(join(tmpdir(), 'suggested-'))
const memory = new MemoryStore()
const file = new FileStore({ directory: join(directory, 'files') })
const lmdb = new LmdbStore({ directory: join(directory, 'lmdb') })
const object = new ObjectStore({ driver: fsDriver({ directory: join(directory, 'objects') }) })
const foreign = fromUndiciStore(new cacheStores.MemoryCacheStore())

after(async () => {
  for (const store of [file, lmdb, object, foreign]) await store.close()
  rmSync(directory, { recursive: true, force: true })
})

const suggesting = (suggestedTimeoutMs: unknown): CacheStore =>
  Object.assign(new MemoryStore(), { suggestedTimeoutMs }) as CacheStore

const timeoutOf = (store: CacheStore, storeTimeoutMs?: number) =>
  readOptions(storeTimeoutMs === undefined ? { store } : { store, storeTimeoutMs }).storeTimeoutMs

describe('by default, storeTimeoutMs', () => {
  const stores: readonly (readonly [string, CacheStore, number])[] = [
    ['memory', memory, 250],
    ['LMDB', lmdb, 250],
    ['files', file, 1000],
    ['object storage', object, 2000],
    ["a store of undici's", foreign, 250],
    ['tiers of memory and files', new TieredStore([memory, file]), 1000],
    ['tiers of which the upper is the slower', new TieredStore([file, memory]), 1000],
    ['tiers of three', new TieredStore([memory, object, file]), 2000],
    ['tiers in tiers', new TieredStore([memory, new TieredStore([memory, object])]), 2000],
    ['tiers that suggest nothing', new TieredStore([suggesting(undefined), foreign]), 250],
    ['tiers of which one suggests nothing', new TieredStore([suggesting(100), foreign]), 250],
    ['one that suggests nothing', suggesting(undefined), 250],
    ['one that suggests little', suggesting(0.5), 0.5],
    ['one that suggests 2,000', suggesting(2000), 2000],
    ['one that suggests more', suggesting(2001), 2000],
    ['one that suggests far more', suggesting(1e300), 2000]
  ]
  for (const [name, store, expected] of stores)
    it(`is ${expected} for ${name}`, () => assert.equal(timeoutOf(store), expected))

  it('gives way to the option, which may be longer', () => assert.equal(timeoutOf(object, 60_000), 60_000))
})

for (const wrong of [0, -1, NaN, Infinity, '250', null, 250n, {}, true])
  it(`a suggestion of ${typeof wrong} ${String(wrong)} is refused by its name`, () => {
    const refused = { name: 'TypeError', code: 'ERR_CACHE_OPTION', message: /suggestedTimeoutMs/ }
    assert.throws(() => cacheInterceptor({ store: suggesting(wrong) }), refused)
    assert.throws(() => toUndiciStore(suggesting(wrong)), refused)
    assert.throws(() => new TieredStore([memory, suggesting(wrong)]), refused)
  })
