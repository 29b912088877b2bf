// Options, and what the driver for file systems asks of one.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { memfs } from 'memfs'
import {
  type DriverFileSystem,
  type FsDriverOptions,
  fsDriver,
  type ObjectDriver,
  ObjectStore,
  type ObjectStoreOptions
} from 'undici-http-cache/stores/object'
import { find, put } from '../../support/file-store.ts'
import { noise } from '../../support/responses.ts'

const signal = new AbortController().signal
const driver = fsDriver({ directory: tmpdir() })

const BAD: Readonly<Record<string, readonly unknown[]>> = {
  driver: [undefined, null, 'x', {}, { ...driver, get: () => {} }],
  prefix: [1, '/', 'a//b', '../x', 'a/./b', 'a/...', 'a b', 'a\\b', 'ü', 'x'.repeat(513)],
  serializer: [null, {}, { name: 'a/b', encode() {}, decode() {} }],
  maxEntrySizeBytes: [0, -1, 1.5, Number.NaN, '1'],
  timeoutMs: [0, -1, 1.5, Infinity, '1']
}

for (const [name, values] of Object.entries(BAD)) {
  it(`a bad ${name} is a TypeError that names it`, () => {
    for (const value of values) {
      const options = { driver, [name]: value } as unknown as ObjectStoreOptions
      const error = { name: 'TypeError', code: 'ERR_CACHE_OPTION', message: new RegExp(`^${name}\\b`) }
      assert.throws(() => new ObjectStore(options), error, String(value))
    }
    assert.throws(() => new ObjectStore(undefined as never), { code: 'ERR_CACHE_OPTION' })
  })
}

it('a driver that does not say what it can do is a TypeError', () => {
  const wanting = Object.assign(Object.create(driver), { capabilities: { ranges: true } }) as ObjectDriver
  assert.throws(() => new ObjectStore({ driver: wanting }), { message: /^driver\.capabilities\.streams must be/ })
})

it('a bad directory or fs is a TypeError that names it', () => {
  for (const directory of [undefined, '', 'a\0b', 1, new URL('https://x/')]) {
    assert.throws(() => fsDriver({ directory } as FsDriverOptions), { message: /^directory must be/ })
  }
  for (const fs of [1, {}, { promises: {} }]) {
    assert.throws(() => fsDriver({ directory: 'x', fs } as unknown as FsDriverOptions), { message: /^fs must be like/ })
  }
})

it('tells honestly what it can do', () => {
  const memory = memfs().fs as unknown as { promises: DriverFileSystem }
  const all = { ranges: true, streams: true, ifAbsent: true, shared: true }
  assert.deepEqual(fsDriver({ directory: 'x' }).capabilities, all)
  assert.deepEqual(fsDriver({ directory: '/x', fs: memory }).capabilities, { ...all, shared: false })
  const { mkdir, open, rename, unlink, stat: statFile, readdir: list } = memory.promises
  const fs = { mkdir, open, rename, unlink, stat: statFile, readdir: list } as DriverFileSystem
  const capabilities = fsDriver({ directory: '/x', fs }).capabilities
  assert.deepEqual(capabilities, { ...all, ifAbsent: false, shared: false })
  const store = new ObjectStore({ driver: fsDriver({ directory: '/x', fs: memory }) })
  assert.equal(store.capabilities.shared, false)
  assert.equal(store.capabilities.ranges, true)
  assert.equal(store.maxEntrySizeBytes, 2 ** 30)
  const limited = Object.assign(Object.create(driver), { capabilities: { ...all, streams: false } }) as ObjectDriver
  assert.equal(new ObjectStore({ driver: limited }).maxEntrySizeBytes, 2 ** 23)
})

it('makes files and folders for their owner alone, under a path or a URL, and shows none half-written', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'object-store-'))
  const store = new ObjectStore({ driver: fsDriver({ directory: pathToFileURL(join(parent, 'a')) }), prefix: '' })
  await put(store, {}, noise(300_000))
  assert.ok(await find(store))
  for (const name of await readdir(parent, { recursive: true })) {
    const { mode } = await stat(join(parent, name))
    assert.equal(mode & 0o077, 0, name)
  }
  const broken = (async function* () {
    yield noise(10)
    throw new Error('no more')
  })()
  const files = fsDriver({ directory: join(parent, 'a') })
  await assert.rejects(files.put('x', broken, { size: undefined, signal }), { message: 'no more' })
  assert.equal(await files.get('x', { signal }), undefined)
  assert.deepEqual(await readdir(join(parent, 'a/~uploads')), [])
  await rm(parent, { recursive: true })
})

it('a sweep removes what a process that was killed has left half-written, after a day', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'object-store-'))
  const store = new ObjectStore({ driver: fsDriver({ directory }) })
  await put(store)
  const [old, recent] = [join(directory, '~uploads/old'), join(directory, '~uploads/recent')]
  for (const path of [old, recent]) await writeFile(path, 'x')
  await utimes(old, 1000, Date.now() / 1000 - 90_000)
  await store.sweep()
  assert.deepEqual(await readdir(join(directory, '~uploads')), ['recent'])
  await rm(directory, { recursive: true })
})
