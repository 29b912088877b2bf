import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Agent, request } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { LmdbStore, type LmdbStoreOptions } from 'undici-http-cache/stores/lmdb'
import { bytesOf, entryOf, noise, piecesOf, store } from '../support/responses.ts'
import { removeStore, scratchStore } from './lmdb-stores.ts'
import { find } from './lmdb-subject.ts'

const KEY = 'https://store.test/a'
const MEBIBYTE = 1_048_576

function opened(context: TestContext, options: LmdbStoreOptions = {}): LmdbStore {
  const target = scratchStore(options)
  context.after(async () => {
    await target.close()
    removeStore(target)
  })
  return target
}

/** Exact copies of `text` in the data file, changed. */
async function damage(target: LmdbStore, text: string): Promise<LmdbStore> {
  await target.close()
  const path = join(target.directory, 'http-cache.mdb')
  const bytes = readFileSync(path)
  let count = 0
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1), count++) bytes[at + 3]! ^= 1
  assert.ok(count > 0)
  writeFileSync(path, bytes)
  return new LmdbStore({ directory: target.directory })
}

it('refuses options that are none', () => {
  for (const options of [{ directory: '' }, { maxSizeBytes: 0 }, { maxEntrySizeBytes: -1 }, { recencyMs: 1.5 }]) {
    assert.throws(() => new LmdbStore(options), { code: 'ERR_CACHE_OPTION' })
  }
})

it('keeps its files to their owner, and follows no link', async context => {
  const target = opened(context)
  mkdirSync(target.directory)
  const elsewhere = join(target.directory, '..', 'elsewhere')
  writeFileSync(elsewhere, 'precious')
  symlinkSync(elsewhere, join(target.directory, 'http-cache.mdb'))
  rmSync(target.directory, { recursive: true })
  mkdirSync(target.directory, { mode: 0o700 })
  symlinkSync(elsewhere, join(target.directory, 'http-cache.mdb'))
  assert.ok(await store(target, entryOf(KEY), [Buffer.from('x')]))
  assert.equal(readFileSync(elsewhere, 'latin1'), 'precious')
  for (const name of readdirSync(target.directory)) {
    assert.equal(statSync(join(target.directory, name)).mode & 0o777, 0o600, name)
  }
})

it('writes nothing of the fields that select a response', async context => {
  const target = opened(context)
  const secret = 'Bearer correct-horse-battery'
  const entry = entryOf(KEY, { vary: ['authorization'], variantKey: `GET\n\nauthorization:${secret}` })
  await store(target, entry, [Buffer.from('x')])
  const { stored } = target.get(KEY, () => entry.variantKey)
  assert.equal(stored[0]?.entry.variantKey, entry.variantKey)
  await target.close()
  const bytes = readFileSync(join(target.directory, 'http-cache.mdb'))
  assert.equal(bytes.includes(secret), false)
  assert.equal(bytes.includes(Buffer.from(secret, 'utf16le')), false)
})

for (const [what, content] of [
  ['a foreign file', Buffer.alloc(100_000, 'foreign')],
  ['an empty page', Buffer.alloc(100_000)],
  ['a single byte', Buffer.from('x')]
] as const) {
  it(`sets ${what} aside where its database should be`, async context => {
    const target = opened(context)
    mkdirSync(target.directory)
    writeFileSync(join(target.directory, 'http-cache.mdb'), content)
    assert.equal(find(target, KEY), undefined)
    assert.ok(await store(target, entryOf(KEY), [Buffer.from('x')]))
    assert.deepEqual(readFileSync(join(target.directory, 'http-cache.mdb.damaged')), content)
  })
}

it('starts anew where the data file was cut short, or not written before a crash of the system', async context => {
  for (const spoil of [
    (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 50_000)),
    (path: string) => writeFileSync(`${path}-synced`, 'another-boot 1')
  ]) {
    const target = opened(context)
    for (let i = 0; i < 10; i++) await store(target, entryOf(`${KEY}${i}`), [Buffer.alloc(500_000, i)])
    await target.close()
    spoil(join(target.directory, 'http-cache.mdb'))
    const later = new LmdbStore({ directory: target.directory })
    assert.equal(find(later, `${KEY}1`), undefined)
    assert.ok(await store(later, entryOf(KEY), [Buffer.from('x')]))
    await later.close()
  }
})

it('takes a damaged record for a miss, and removes it', async context => {
  const target = opened(context)
  await store(target, entryOf(KEY), [Buffer.from('the body of a small response')])
  const later = await damage(target, 'the body of a small response')
  context.after(() => later.close())
  assert.equal(find(later, KEY), undefined)
  assert.ok(await store(later, entryOf(KEY), [Buffer.from('anew')]))
  assert.equal((await bytesOf(await find(later, KEY)?.open())).toString(), 'anew')
})

it('ends a body with an error where a chunk of it is damaged, and removes the response', async context => {
  const target = opened(context)
  const body = Buffer.alloc(MEBIBYTE, 'a')
  body.write('the place of the damage', 700_000)
  await store(target, entryOf(KEY), [body])
  const later = await damage(target, 'the place of the damage')
  context.after(() => later.close())
  let received = 0
  await assert.rejects(
    async () => {
      for await (const piece of piecesOf(await find(later, KEY)?.open())) {
        assert.deepEqual(piece, new Uint8Array(body.subarray(received, received + piece.length)))
        received += piece.length
      }
    },
    { code: 'ERR_CACHE_BODY' }
  )
  assert.ok(received >= 500_000)
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.equal(find(later, KEY), undefined)
})

it('keeps within maxSizeBytes, and drops what was used least recently', async context => {
  const target = opened(context, { maxSizeBytes: 2 * MEBIBYTE, recencyMs: 0 })
  const keyOf = (i: number) => `${KEY}${i}`
  for (let i = 0; i < 200; i++) {
    await store(target, entryOf(keyOf(i)), [Buffer.alloc(20_000, i)])
    await new Promise(resolve => setTimeout(resolve, 1))
    assert.notEqual(find(target, keyOf(0)), undefined, `used all the time, gone after ${i}`)
  }
  await target.sweep()
  let kept = 0
  for (let i = 0; i < 200; i++) if (find(target, keyOf(i)) !== undefined) kept++
  assert.ok(kept > 40 && kept < 110, `${kept} of 200 kept`)
  assert.notEqual(find(target, keyOf(199)), undefined)
  assert.equal(find(target, keyOf(1)), undefined)
})

it('lets the event loop turn while it looks everything over', async context => {
  const target = opened(context)
  const count = Number(process.env['LMDB_ENTRIES'] ?? 2000)
  for (let i = 0; i < count; i += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, j) => store(target, entryOf(`${KEY}${i + j}`), [Buffer.alloc(500)]))
    )
  }
  await target.clear()
  let turns = 0
  let longestMs = 0
  let before = performance.now()
  const turn = () => {
    turns++
    const now = performance.now()
    longestMs = Math.max(longestMs, now - before)
    before = now
    immediate = setImmediate(turn)
  }
  let immediate = setImmediate(turn)
  await target.sweep()
  clearImmediate(immediate)
  context.diagnostic(`${turns} turns, the longest ${Math.round(longestMs)} ms`)
  assert.ok(turns > count / 64, `${turns} turns`)
  assert.equal(find(target, `${KEY}1`), undefined)
})

it('gives back the space of what was replaced and removed', async context => {
  const target = opened(context, { maxSizeBytes: 8 * MEBIBYTE })
  for (let i = 0; i < 30; i++) await store(target, entryOf(KEY), [Buffer.alloc(MEBIBYTE, i)])
  await target.sweep()
  assert.equal((await bytesOf(await find(target, KEY)?.open())).length, MEBIBYTE)
  await target.clear()
  await target.sweep()
  const size = statSync(join(target.directory, 'http-cache.mdb')).size
  assert.ok(size < 24 * MEBIBYTE, `${size} bytes`)
})

it('rejects where there is no directory to be had, and works once there is', async context => {
  const target = opened(context)
  writeFileSync(target.directory, 'in the way')
  assert.throws(() => find(target, KEY), { code: /^E/ })
  await assert.rejects(target.delete(KEY), { code: /^E/ })
  rmSync(target.directory)
  await new Promise(resolve => setTimeout(resolve, 1100))
  assert.ok(await store(target, entryOf(KEY), [Buffer.from('x')]))
  chmodSync(target.directory, 0o700)
})

it('answers a hit behind the interceptor in the same tick, after a restart too, and freshens by 304', async context => {
  let requests = 0
  const server = createServer((incoming, response) => {
    requests++
    if (incoming.headers['if-none-match'] === '"1"') {
      response.writeHead(304, { ETag: '"1"', 'Cache-Control': 'max-age=60' }).end()
    } else {
      const age = incoming.url === '/stale' ? 'max-age=0' : 'max-age=60'
      response.writeHead(200, { ETag: '"1"', 'Cache-Control': age }).end('hello')
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const origin = `http://127.0.0.1:${port}`
  const first = opened(context)
  const errors: unknown[] = []
  const agentOf = (target: LmdbStore) =>
    new Agent().compose(cacheInterceptor({ store: target, onStoreError: error => errors.push(error) }))
  const get = async (dispatcher: ReturnType<typeof agentOf>, path: string) => {
    const { body } = await request(`${origin}${path}`, { dispatcher })
    return body.text()
  }
  const before = agentOf(first)
  for (const path of ['/fresh', '/stale']) assert.equal(await get(before, path), 'hello')
  await before.close()
  await first.close()
  const second = new LmdbStore({ directory: first.directory })
  const after = agentOf(second)
  let ended = false
  after.dispatch(
    { origin, path: '/fresh', method: 'GET' },
    {
      onRequestStart() {},
      onResponseStart() {},
      onResponseData() {},
      onResponseEnd() {
        ended = true
      },
      onResponseError() {}
    }
  )
  assert.equal(ended, true, 'before dispatch() has returned')
  assert.equal(requests, 2)
  assert.equal(await get(after, '/stale'), 'hello')
  assert.equal(requests, 3)
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.equal(await get(after, '/stale'), 'hello')
  assert.equal(requests, 3, 'freshened')
  assert.deepEqual(errors, [])
  await after.close()
  await second.close()
  server.close()
})

it('keeps decoded what it may, bodies counted', async context => {
  const target = opened(context, { maxMemorySizeBytes: MEBIBYTE })
  const keys = Array.from({ length: 200 }, (_, i) => `${KEY}${i}`)
  for (const key of keys) await store(target, entryOf(key), [noise(60_000)])
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  for (const key of keys) assert.ok(find(target, key)?.open())
  collectGarbage()
  const growth = process.memoryUsage().arrayBuffers - before
  assert.ok(growth < 2 * MEBIBYTE, `${growth} bytes`)
})

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  for (let i = 0; i < 3; i++) runInNewContext('gc')()
}

for (const [how, sizes] of [
  ['goes on', [400_000, 400_000]],
  ['is complete', [800_000, 0]]
] as const) {
  it(`does not store a body whose beginning was removed, as nothing came for a quarter of an hour, and then it ${how}`, async context => {
    const target = opened(context)
    const realNow = Date.now
    context.after(() => {
      Date.now = realNow
    })
    const [before, after] = sizes
    const body = noise(before + after)
    const entry = entryOf(KEY, { completeLength: body.byteLength, segments: [{ start: 0, end: body.byteLength }] })
    const writer = await target.put(entry)
    assert.ok(writer)
    for (let i = 0; i < before; i += 100_000) await writer.write(body.subarray(i, i + 100_000))
    await new Promise(resolve => setTimeout(resolve, 100))
    Date.now = () => realNow() + 1_000_000
    await target.sweep()
    if (after > 0) await writer.write(body.subarray(before))
    assert.equal(await writer.commit(entry), false)
    assert.equal(await find(target, KEY), undefined)
  })
}
