// A disk that is full, read-only, gone or tampered with: a client is answered as if there were no cache.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { mountDisk, startLmdbClient } from './lmdb-client.ts'
import { scratchDirectory } from './lmdb-stores.ts'

const SIZES = [30_000, 300_000]
const NAMES = [
  'http-cache.mdb',
  'http-cache.mdb-lock',
  'http-cache.mdb-synced',
  'http-cache.mdb.damaged',
  'http-cache.mdb-deaths'
]

/** A directory for a store, not made yet, and one beside it that nothing may be written to. */
function places(context: TestContext): { directory: string; outside: string } {
  const scratch = scratchDirectory()
  context.after(() => scratch.remove())
  const outside = join(scratch.path, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'file'), 'precious')
  return { directory: join(scratch.path, 'store'), outside }
}

function openStore(context: TestContext, directory: string): LmdbStore {
  const store = new LmdbStore({ directory })
  context.after(() => store.close())
  return store
}

/** Changes a byte of a file that is in use, wherever those 16 bytes stand that `offset` counts from. */
function damage(path: string, bytes: string, offset: number): void {
  const content = readFileSync(path)
  const file = openSync(path, 'r+')
  try {
    for (let at = content.indexOf(bytes); at >= 0; at = content.indexOf(bytes, at + 1)) {
      writeSync(file, Buffer.from([(content[at + offset] ?? 0) ^ 1]), 0, 1, at + offset)
    }
  } finally {
    closeSync(file)
  }
}

function fill(directory: string): string {
  const filler = join(directory, 'filler')
  assert.throws(() => {
    for (;;) writeFileSync(filler, Buffer.alloc(4096, 1), { flag: 'a' })
  }, /ENOSPC/)
  return filler
}

for (const size of SIZES) {
  it(`a disk that is really full is a miss and one report (${size} bytes)`, async t => {
    const { directory } = places(t)
    using disk = mountDisk(directory, 20)
    if (disk === undefined) return t.skip('nothing can be mounted here')
    const store = openStore(t, directory)
    await using client = await startLmdbClient(store, size)
    assert.equal(await client.ask('/before'), 'miss')
    const filler = fill(directory)
    for (const path of ['/a', '/a', '/b']) assert.equal(await client.ask(path), 'miss')
    assert.equal(client.reports.length, 3, client.reports.join('\n'))
    for (const report of client.reports) assert.match(report, /^(write|commit): .*ENOSPC/)
    assert.equal(await client.ask('/before'), 'hit', 'what was stored before')
    rmSync(filler)
    assert.equal(await client.ask('/a'), 'miss')
    assert.equal(await client.ask('/a'), 'hit', 'once there is room')
    await store.close()
  })

  it(`a disk that is really read-only is a miss and one report (${size} bytes)`, async t => {
    const { directory } = places(t)
    using disk = mountDisk(directory, 20)
    if (disk === undefined) return t.skip('nothing can be mounted here')
    const before = openStore(t, directory)
    {
      await using client = await startLmdbClient(before, size)
      await client.ask('/a')
      await before.close()
    }
    assert.equal(spawnSync('mount', ['-o', 'remount,ro', directory]).status, 0)
    const store = openStore(t, directory)
    await using client = await startLmdbClient(store, size)
    for (const path of ['/a', '/a', '/b']) assert.equal(await client.ask(path), 'miss')
    assert.equal(client.reports.length, 3, client.reports.join('\n'))
    for (const report of client.reports) assert.match(report, /EROFS/)
    await store.close()
  })
}

it('a disk that fills up while the database is being opened harms nobody', async t => {
  const { directory } = places(t)
  using disk = mountDisk(directory, 20)
  if (disk === undefined) return t.skip('nothing can be mounted here')
  const filler = fill(directory)
  for (const freeBytes of [0, 8192, 73_728, 77_824, 102_400, 110_592, 900_000, 1_060_000, 1_150_000]) {
    truncateSync(filler, statSync(filler).size - freeBytes)
    const store = new LmdbStore({ directory: join(directory, 'store') })
    await using client = await startLmdbClient(store, 1000)
    for (const path of ['/a', '/b']) assert.equal(await client.ask(path), 'miss')
    await store.close()
    rmSync(store.directory, { recursive: true, force: true })
    fill(directory)
  }
})

it('opens once there is room on a disk that was full', async t => {
  const { directory } = places(t)
  using disk = mountDisk(directory, 20)
  if (disk === undefined) return t.skip('nothing can be mounted here')
  const filler = fill(directory)
  const store = openStore(t, directory)
  await using client = await startLmdbClient(store, 1000)
  for (const path of ['/a', '/b']) assert.equal(await client.ask(path), 'miss')
  assert.equal(client.reports.length, 2, client.reports.join('\n'))
  rmSync(filler)
  await delay(1100)
  assert.deepEqual([await client.ask('/a'), await client.ask('/a')], ['miss', 'hit'])
  // One more says that this process has it open.
  const names = readdirSync(directory).filter(name => !name.includes('-user-'))
  assert.deepEqual(names.sort(), NAMES.slice(0, 3))
  await store.close()
})

for (const [what, remove] of [
  ['its directory', (directory: string) => rmSync(directory, { recursive: true })],
  ['its data file', (directory: string) => rmSync(join(directory, 'http-cache.mdb'))],
  ['its lock file', (directory: string) => rmSync(join(directory, 'http-cache.mdb-lock'))]
] as const) {
  it(`is empty where ${what} has vanished, and stores again at once`, async t => {
    const { directory } = places(t)
    const store = openStore(t, directory)
    await using client = await startLmdbClient(store, 300_000)
    for (let i = 1; i <= 3; i++) {
      assert.deepEqual([await client.ask('/a'), await client.ask('/a')], ['miss', 'hit'])
      remove(directory)
      assert.equal(await client.ask('/b'), 'miss')
      assert.equal(client.reports.length, i)
      assert.match(client.reports.at(-1) ?? '', /ENOENT/)
    }
    const other = openStore(t, directory)
    await client.ask('/c')
    await using another = await startLmdbClient(other, 1000)
    assert.deepEqual([await another.ask('/a'), await another.ask('/a')], ['miss', 'hit'])
    assert.deepEqual(another.reports, [])
  })
}

it('takes what another process has put in the place of its files', async t => {
  const { directory } = places(t)
  const store = openStore(t, directory)
  await using client = await startLmdbClient(store, 1000)
  await client.ask('/a')
  rmSync(directory, { recursive: true })
  const other = openStore(t, directory)
  await using another = await startLmdbClient(other, 1000)
  await another.ask('/a')
  await delay(1000)
  assert.equal(await client.ask('/a'), 'miss', 'found out without a write')
  assert.deepEqual(client.reports, [])
})

for (const size of SIZES) {
  it(`damage anywhere in what is kept of a response is a miss (${size} bytes)`, async t => {
    const { directory } = places(t)
    const store = new LmdbStore({ directory, maxMemorySizeBytes: 0 })
    t.after(() => store.close())
    await using client = await startLmdbClient(store, size)
    await client.ask('/a')
    const path = join(directory, 'http-cache.mdb')
    for (let i = 0; i < 20; i++) {
      assert.equal(await client.ask('/a'), 'hit')
      // The checksum and the fields come before the body; the first chunk is read before anything is sent.
      const at = i < 4 ? 0 : Math.floor(Math.random() * (Math.min(size, 262_000) - 16))
      damage(path, client.body.slice(at, at + 16), i < 4 ? -1 - i : 0)
      assert.equal(await client.ask('/a'), 'miss')
    }
    // Of a record it is found at the lookup, which then finds nothing.
    assert.equal(client.reports.length, size > 65_536 ? 20 : 0, client.reports.join('\n'))
  })
}

for (const name of NAMES) {
  for (const [what, plant] of [
    ['a link to a file', (path: string, outside: string) => symlinkSync(join(outside, 'file'), path)],
    ['a link to a directory', (path: string, outside: string) => symlinkSync(outside, path)],
    ['a link to nowhere', (path: string, outside: string) => symlinkSync(join(outside, 'nothing'), path)],
    ['somebody’s file', (path: string) => writeFileSync(path, 'theirs '.repeat(1000))],
    ['a directory', (path: string) => mkdirSync(join(path, 'folder'), { recursive: true })]
  ] as const) {
    it(`${what} in the place of ${name} is in nobody’s way`, async t => {
      const { directory, outside } = places(t)
      mkdirSync(directory, { mode: 0o700 })
      plant(join(directory, name), outside)
      const store = openStore(t, directory)
      await using client = await startLmdbClient(store, 1000)
      assert.deepEqual([await client.ask('/a'), await client.ask('/a')], ['miss', 'hit'])
      await store.close()
      assert.deepEqual(client.reports, [])
      assert.deepEqual(readdirSync(outside), ['file'])
      assert.equal(readFileSync(join(outside, 'file'), 'latin1'), 'precious')
    })
  }
}
