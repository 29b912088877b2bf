// What lies on the disk, and how often it is read.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterEach, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { memfs } from 'memfs'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { JsonStringSerializer } from 'undici-http-cache/serializers/json-string'
import { ObjectSerializer } from 'undici-http-cache/serializers/object'
import { FileStore, type FileStoreOptions } from 'undici-http-cache/stores/file'
import {
  bodiesOf,
  entryOf,
  filesIn,
  find,
  get,
  KEY,
  openStore,
  put,
  read,
  recordsOf,
  variantKey
} from '../../support/file-store.ts'
import { bytesOf, finished, noise, TAG } from '../../support/responses.ts'
import { watchFs } from './watching-fs.ts'

describe('options', () => {
  const BAD: readonly (readonly [FileStoreOptions, RegExp])[] = [
    [{ directory: '' }, /^directory must be a path or a file: URL, got ""$/],
    [{ directory: 7 as never }, /^directory .* got 7$/],
    [{ directory: new URL('https://a.test/') }, /^directory .* got an instance of URL$/],
    [{ maxSizeBytes: 0 }, /^maxSizeBytes must be a positive integer \(bytes\), got 0$/],
    [{ maxSizeBytes: Infinity }, /^maxSizeBytes .* got Infinity$/],
    [{ maxEntrySizeBytes: 1.5 }, /^maxEntrySizeBytes .* got 1.5$/],
    [{ fsync: 1 as never }, /^fsync must be true or false, got 1$/],
    [
      { fs: {} as never },
      /^fs must be like node:fs\/promises \(it has no mkdir, open, .*\), got an instance of Object$/
    ],
    [{ serializer: new ObjectSerializer() as never }, /^serializer must be a serializer that encodes to a Uint8Array/],
    [{ serializer: new JsonStringSerializer() as never }, /^serializer must be a serializer that encodes to/],
    [{ serializer: { name: '../x', encode: () => new Uint8Array(), decode: () => assert.fail() } }, /^serializer.name/]
  ]
  for (const [options, message] of BAD) {
    it(`refuses ${message.source.slice(1, 60)}`, () => {
      assert.throws(() => new FileStore(options), { name: 'TypeError', code: 'ERR_CACHE_OPTION', message })
    })
  }

  it('bounds an entry by half of the whole, and by no more than the whole', () => {
    const sizeOf = (options: FileStoreOptions) => new FileStore({ directory: '/x', ...options }).maxEntrySizeBytes
    assert.equal(sizeOf({}), 2 ** 30)
    assert.equal(sizeOf({ maxSizeBytes: 1001 }), 501)
    assert.equal(sizeOf({ maxSizeBytes: 1000, maxEntrySizeBytes: Infinity }), 1000)
  })

  it('does nothing to the disk before it is used, nor to look something up', async () => {
    const calls: string[] = []
    const store = new FileStore({
      directory: '/nowhere/at/all',
      fs: watchFs((call, path) => calls.push(`${call} ${path}`))
    })
    assert.deepEqual(calls, [])
    assert.equal(await find(store), undefined)
    await store.close()
    assert.deepEqual(calls, ['lstat /nowhere/at/all/message-pack-1'])
  })
})

describe('the default directory', () => {
  const { XDG_CACHE_HOME, ...rest } = process.env
  afterEach(() => {
    process.env = XDG_CACHE_HOME === undefined ? { ...rest } : { ...rest, XDG_CACHE_HOME }
  })

  it('is the folder of the package in $XDG_CACHE_HOME', () => {
    process.env['XDG_CACHE_HOME'] = '/caches'
    assert.equal(new FileStore().path, '/caches/undici-http-cache/message-pack-1')
  })

  it('is in ~/.cache where that is not set, or not absolute', () => {
    const expected = join(homedir(), '.cache/undici-http-cache/message-pack-1')
    process.env['XDG_CACHE_HOME'] = 'relative'
    assert.equal(new FileStore().path, expected)
    delete process.env['XDG_CACHE_HOME']
    assert.equal(new FileStore().path, expected)
  })

  it('gives way to a path, taken from where the process is, and to a file: URL', () => {
    assert.equal(new FileStore({ directory: 'a/../b' }).path, join(process.cwd(), 'b/message-pack-1'))
    assert.equal(new FileStore({ directory: pathToFileURL('/a b/c') }).path, '/a b/c/message-pack-1')
  })
})

describe('files', () => {
  it('are for their owner alone', async () => {
    await using opened = await openStore()
    const { store, directory } = opened
    await put(store)
    await put(store, { key: 'https://store.test/large' }, noise(300_000))
    const unfinished = await store.put(entryOf({ key: 'https://store.test/open' }))
    await unfinished?.write(noise(300_000))
    const modes = new Map([['', statSync(directory).mode]])
    for (const path of filesIn(directory)) modes.set(path, lstatSync(join(directory, path)).mode)
    for (const [path, mode] of modes) {
      assert.equal((mode & 0o777).toString(8), path === '' || path.endsWith('/') ? '700' : '600', path)
    }
    assert.ok(modes.size >= 10)
  })

  it('bear no name that says what they are of, and nothing of what tells variants apart', async () => {
    await using opened = await openStore({ serializer: new JsonBytesSerializer() })
    const { store, directory } = opened
    const secret = 'Bearer c2VjcmV0'
    const entry = entryOf({ variantKey: `GET\n${secret}`, vary: ['cookie'] })
    const writer = await store.put(entry)
    await writer?.write(noise(300_000))
    await writer?.commit(finished(entry, 300_000))
    for (const path of filesIn(directory)) {
      assert.match(path, /^(?:message-pack-1|json-bytes-1|log-\d{8}|deletions|entries|[\da-f~/-]|\.tmp)+\/?$/)
      if (path.endsWith('/')) continue
      const text = readFileSync(join(directory, path), 'latin1')
      for (const part of [secret, 'c2VjcmV0', Buffer.from(secret).toString('base64')]) {
        assert.ok(!text.includes(part), `${path} holds ${part}`)
      }
    }
    const { stored } = await store.get(KEY, () => `GET\n${secret}`)
    assert.equal(stored[0]?.entry.variantKey, `GET\n${secret}`)
    for await (const { variantKey } of store.entries()) {
      assert.equal(variantKey, `sha256-${createHash('sha256').update(`GET\n${secret}`, 'utf16le').digest('hex')}`)
    }
  })

  it('of one serializer are not seen with another', async () => {
    await using opened = await openStore()
    const { store, directory } = opened
    const other = opened.reopen({ serializer: new JsonBytesSerializer() })
    await put(store)
    assert.equal(await find(other), undefined)
    await put(other, {}, Buffer.from('other'))
    assert.equal(String(await read(store)), 'body')
    assert.equal(String(await read(other)), 'other')
    assert.deepEqual(readdirSync(directory).sort(), ['json-bytes-1', 'message-pack-1'])
  })

  it('of others are left alone', async () => {
    await using opened = await openStore()
    const { store, directory } = opened
    await put(store)
    const mine = new Set(filesIn(directory))
    const shard = readdirSync(join(store.path, 'entries'))[0] ?? ''
    const foreign = ['x', `${relative(directory, store.path)}/x`, `${relative(directory, store.path)}/entries/x`]
    foreign.push(`${relative(directory, store.path)}/entries/${shard}/x`)
    for (const path of foreign) writeFileSync(join(directory, path), 'x')
    await put(store, { key: 'https://store.test/other' })
    await store.sweep()
    assert.equal(String(await read(store)), 'body')
    await store.delete(KEY)
    assert.deepEqual(
      foreign.filter(path => readFileSync(join(directory, path), 'utf8') !== 'x'),
      []
    )
    assert.ok(mine.size > 3)
  })

  it('of small bodies are one, of large ones two', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store, {}, noise(65_536))
    assert.deepEqual([recordsOf(store).length, bodiesOf(store).length], [1, 0])
    await put(store, {}, noise(65_537))
    assert.deepEqual([recordsOf(store).length, bodiesOf(store).length], [1, 1])
    await put(store, {}, noise(65_538))
    await store.close()
    assert.deepEqual([recordsOf(store).length, bodiesOf(store).length], [1, 1], 'the replaced body is gone')
  })

  it('of a deleted key are gone, those of its variants soon', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store, {}, noise(100_000))
    await store.delete(KEY)
    assert.deepEqual([recordsOf(store), bodiesOf(store)], [[], []])
    for (const accept of ['a', 'b', 'c']) {
      await put(store, { vary: ['accept'], variantKey: variantKey(['accept'], accept) }, noise(100_000))
    }
    await store.delete(KEY)
    await store.close()
    assert.deepEqual([recordsOf(store), bodiesOf(store)], [[], []])
  })

  it('are gone once everything is deleted', async () => {
    await using opened = await openStore()
    const { store } = opened
    for (let i = 0; i < 50; i++) await put(store, { key: `https://store.test/${i}` }, noise(i * 3000))
    await store.clear()
    // A sweep in the background may say just then how much there is.
    assert.deepEqual(
      filesIn(store.path).filter(path => !path.startsWith('log-') && path !== 'swept'),
      []
    )
  })

  it('keep the body where it is when a large response is freshened', async () => {
    await using opened = await openStore()
    const { store } = opened
    const stored = await put(store, {}, noise(300_000))
    assert.ok(stored)
    const [path = ''] = bodiesOf(store)
    const before = statSync(path, { bigint: true })
    assert.equal(await store.update({ ...stored, statusText: 'Fresh' }), true)
    const after = statSync(path, { bigint: true })
    assert.deepEqual([after.ino, after.mtimeNs, after.ctimeNs], [before.ino, before.mtimeNs, before.ctimeNs])
    assert.equal((await find(store))?.entry.statusText, 'Fresh')
    assert.deepEqual(await read(store), noise(300_000))
  })
})

describe('with fsync', () => {
  it('every file and folder reaches the disk before a response counts as stored, or as deleted', async () => {
    const unsynced = new Set<string>()
    const fs = watchFs((call, path) => {
      if (call === 'sync') unsynced.delete(path)
      // A file under another name is another entry of its folder.
      else if (call === 'mkdir' || call === 'rename') unsynced.add(dirname(path))
      else if (call === 'write') unsynced.add(path)
    })
    await using opened = await openStore({ fs, fsync: true })
    const { store, directory } = opened
    // Node makes it and what it lies in with one call.
    const left = () => [...unsynced].filter(path => path.startsWith(directory))
    for (const size of [10, 300_000]) {
      await put(store, {}, noise(size))
      assert.deepEqual(left(), [], `${size} bytes`)
    }
    await store.delete(KEY)
    assert.deepEqual(left(), [])
  })
})

describe('a lookup', () => {
  async function readsOf(store: FileStore, calls: string[], accept?: string): Promise<string[]> {
    // The folders have been looked at in this second, the log not in this moment.
    await get(store, KEY, accept)
    // What has been deleted before may still be removed.
    for (let seen = -1; seen !== calls.length; ) {
      seen = calls.length
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    calls.length = 0
    const stored = (await get(store, KEY, accept)).stored[0]
    assert.ok(stored)
    const body = await stored.open()
    assert.ok(body)
    await bytesOf(body)
    return calls.filter(call => call !== 'close').sort()
  }

  it('reads one file, once, where there is one small variant', async () => {
    const calls: string[] = []
    await using opened = await openStore({ fs: watchFs(call => calls.push(call)) })
    await put(opened.store, {}, noise(60_000))
    assert.deepEqual(await readsOf(opened.store, calls), ['lstat', 'open', 'read'])
    await put(opened.store, { key: KEY, vary: ['accept'], variantKey: variantKey(['accept'], 'a') })
    await opened.store.delete(KEY)
    await put(opened.store, { vary: ['accept'], variantKey: variantKey(['accept'], 'a') })
    assert.deepEqual(await readsOf(opened.store, calls, 'a'), ['lstat', 'open', 'read'])
  })

  it('reads two files where the key has several variants, however many', async () => {
    const calls: string[] = []
    await using opened = await openStore({ fs: watchFs(call => calls.push(call)) })
    for (let i = 0; i < 30; i++) {
      await put(opened.store, { vary: ['accept'], variantKey: variantKey(['accept'], `${i}`) })
    }
    assert.deepEqual(await readsOf(opened.store, calls, '17'), ['lstat', 'open', 'open', 'read', 'read'])
  })

  it('shares its look at the deletions with others at the same time', async () => {
    const calls: string[] = []
    await using opened = await openStore({ fs: watchFs(call => calls.push(call)) })
    await put(opened.store)
    calls.length = 0
    await Promise.all(Array.from({ length: 50 }, () => get(opened.store)))
    assert.equal(calls.filter(call => call === 'open').length, 50)
    assert.ok(calls.filter(call => call === 'lstat').length <= 25)
  })

  it('reads no more of a large body than the range', async () => {
    let bytes = 0
    const fs = watchFs(() => {})
    const { open } = fs
    fs.open = async (path, flags, mode) => {
      const handle = await open(path, flags, mode)
      const { read } = handle
      handle.read = async (...args) => {
        const result = await read.apply(handle, args)
        if (path.includes('~')) bytes += result.bytesRead
        return result
      }
      return handle
    }
    await using opened = await openStore({ fs })
    const body = noise(5_000_000)
    await put(opened.store, {}, body)
    const found = await find(opened.store)
    const range = { start: 2_500_000, end: 2_500_010 }
    const part = await found?.open(range)
    assert.ok(part)
    assert.deepEqual(await bytesOf(part), body.subarray(range.start, range.end))
    assert.ok(bytes < 300_000, `${bytes} bytes were read`)
  })
})

it('works on a file system in memory, given as it is or with its promises', async () => {
  const { fs } = memfs()
  for (const [directory, given] of [
    ['/a', fs],
    ['/b', fs.promises]
  ] as const) {
    const store = new FileStore({ directory, fs: given as never })
    await put(store, { tags: [TAG] }, noise(200_000))
    assert.deepEqual(await read(store), noise(200_000))
    await store.sweep()
    await store.close()
  }
})
