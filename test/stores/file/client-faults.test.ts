// A disk that is full, read-only, gone or tampered with: a client is answered as if there were no cache, and nobody is
// told but who asked to be.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import type { FileStore } from 'undici-http-cache/stores/file'
import { ask } from '../../support/ask.ts'
import { bodiesOf, filesIn, find, openStore, recordsOf, until } from '../../support/file-store.ts'
import { type Origin, startOrigin } from '../../support/origin.ts'
import { noise } from '../../support/responses.ts'
import { faultOf, watchFs } from './watching-fs.ts'

const SIZES = [100, 300_000]

/** A client of a store, and what it is told. */
interface Client extends AsyncDisposable {
  readonly origin: Origin
  readonly reports: string[]
  /** Asks for a path, checks what comes, and waits until it is stored or has been found impossible to store. */
  ask(path: string): Promise<unknown>
}

async function startClient(store: FileStore, size: number, others?: Origin): Promise<Client> {
  const body = noise(size).toString('latin1')
  const origin = others ?? (await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body }))
  const reports: string[] = []
  const agent: Dispatcher = new Agent().compose(
    cacheInterceptor({
      store,
      storeTimeoutMs: 20_000,
      onStoreError: (error, operation) => reports.push(`${operation}: ${error}`)
    })
  )
  return {
    origin,
    reports,
    async ask(path) {
      const before = reports.length
      const answer = await ask(agent, origin.url + path)
      assert.equal(answer.statusCode, 200)
      assert.equal(answer.body, body)
      if (answer.outcome !== 'hit') {
        const isStored = async () => (await find(store, origin.url + path).catch(() => undefined)) !== undefined
        await until(async () => reports.length > before || (await isStored()))
      }
      return answer.outcome
    },
    async [Symbol.asyncDispose]() {
      await agent.close()
      if (others === undefined) await origin.close()
    }
  }
}

describe('for a client of the interceptor', { concurrency: 2 }, () => {
  /** What fails, with which code, and what becomes of that which was stored before. */
  const FAULTS: readonly (readonly [string, (call: string, path: string) => string | undefined, 'hit' | 'miss'])[] = [
    ['a full disk', call => (['write', 'mkdir'].includes(call) ? 'ENOSPC' : undefined), 'hit'],
    ['a disk that fills up', (call, path) => (call === 'write' && path.endsWith('.tmp') ? 'ENOSPC' : undefined), 'hit'],
    ['a quota', call => (call === 'write' ? 'EDQUOT' : undefined), 'hit'],
    [
      'a read-only disk',
      call => (['mkdir', 'rename', 'unlink', 'lutimes', 'write'].includes(call) ? 'EROFS' : undefined),
      'hit'
    ],
    [
      'a folder that may not be written to',
      (call, path) =>
        ['mkdir', 'rename', 'unlink'].includes(call) || (call === 'open' && path.endsWith('.tmp'))
          ? 'EACCES'
          : undefined,
      'hit'
    ],
    ['a folder that may not be read', call => (call === 'lstat' ? 'EACCES' : undefined), 'miss'],
    ['too many open files', call => (['open', 'opendir'].includes(call) ? 'EMFILE' : undefined), 'miss'],
    ['a disk that fails', call => (['read', 'write'].includes(call) ? 'EIO' : undefined), 'miss']
  ]
  for (const [what, codeOf, whatWasStored] of FAULTS) {
    for (const size of SIZES) {
      it(`${what} is a miss and one report (${size} bytes)`, async () => {
        let isFaulty = true
        const fs = watchFs((call, path) => {
          const code = isFaulty ? codeOf(call, path) : undefined
          if (code !== undefined) throw faultOf(code)
        })
        await using opened = await openStore({ fs })
        await using client = await startClient(opened.store, size)
        for (const path of ['/a', '/a', '/b']) assert.equal(await client.ask(path), 'miss')
        assert.equal(client.reports.length, 3, client.reports.join('\n'))
        isFaulty = false
        assert.equal(await client.ask('/a'), 'miss')
        assert.equal(await client.ask('/a'), 'hit', 'once it is over')
        // The look at the deletions that this hit was content with is too old by then.
        await sleep(10)
        isFaulty = true
        assert.equal(await client.ask('/a'), whatWasStored)
        assert.equal(client.reports.length, whatWasStored === 'hit' ? 3 : 4, client.reports.join('\n'))
      })
    }
  }

  for (const size of SIZES) {
    it(`a disk that is really full is a miss and one report (${size} bytes)`, async t => {
      await using opened = await openStore()
      const { store, directory } = opened
      using disk = mountSmallDisk(directory)
      if (disk === undefined) return t.skip('nothing can be mounted here')
      await using client = await startClient(store, size)
      assert.equal(await client.ask('/before'), 'miss')
      const filler = join(directory, 'filler')
      assert.throws(() => {
        for (;;) writeFileSync(filler, noise(4096), { flag: 'a' })
      }, /ENOSPC/)
      for (const path of ['/a', '/a', '/b']) assert.equal(await client.ask(path), 'miss')
      assert.equal(client.reports.length, 3)
      for (const report of client.reports) assert.match(report, /^(write|commit): .*ENOSPC/)
      assert.equal(await client.ask('/before'), 'hit', 'what was stored before')
      rmSync(filler)
      assert.equal(await client.ask('/a'), 'miss')
      assert.equal(await client.ask('/a'), 'hit', 'once there is room')
    })

    it(`a disk that is really read-only is a miss and one report (${size} bytes)`, async t => {
      await using opened = await openStore()
      const { store, directory } = opened
      using disk = mountSmallDisk(directory)
      if (disk === undefined) return t.skip('nothing can be mounted here')
      await using client = await startClient(store, size)
      assert.equal(await client.ask('/before'), 'miss')
      assert.equal(spawnSync('mount', ['-o', 'remount,ro', directory]).status, 0)
      for (const path of ['/a', '/a', '/b']) assert.equal(await client.ask(path), 'miss')
      assert.equal(client.reports.length, 3)
      for (const report of client.reports) assert.match(report, /EROFS/)
      assert.equal(await client.ask('/before'), 'hit', 'what was stored before')
    })
  }

  it('a directory that vanishes is a miss, and comes back', async () => {
    await using opened = await openStore()
    await using client = await startClient(opened.store, 300_000)
    for (let i = 0; i < 3; i++) {
      assert.deepEqual([await client.ask('/a'), await client.ask('/a')], ['miss', 'hit'])
      rmSync(opened.directory, { recursive: true })
    }
    assert.deepEqual(client.reports, [])
  })

  it('a path that is a file is a miss and one report', async () => {
    await using opened = await openStore()
    writeFileSync(opened.directory, 'x')
    await using client = await startClient(opened.store, 100)
    for (const path of ['/a', '/a', '/b']) assert.equal(await client.ask(path), 'miss')
    assert.equal(client.reports.length, 3)
    assert.equal(readFileSync(opened.directory, 'utf8'), 'x')
  })

  it('files of others stay as they are, and are in nobody’s way', async () => {
    await using opened = await openStore()
    const { store, directory } = opened
    await using client = await startClient(store, 300_000)
    await client.ask('/a')
    const [shard = ''] = recordsOf(store).map(dirname)
    const folders = [directory, store.path, join(store.path, 'entries'), shard, join(store.path, 'log-00000001')]
    const foreign = folders.flatMap(folder => [join(folder, 'README'), join(folder, 'folder/file')])
    for (const path of foreign) {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, 'theirs')
    }
    await store.sweep()
    assert.deepEqual([await client.ask('/a'), await client.ask('/b')], ['hit', 'miss'])
    for (const path of foreign) assert.equal(readFileSync(path, 'utf8'), 'theirs', path)
    assert.deepEqual(client.reports, [])
  })

  /** Where somebody plants a link to what lies outside, and what a lookup makes of it. */
  const LINKS: Record<string, readonly [(store: FileStore) => string, 'hit' | 'miss']> = {
    'a record': [store => recordsOf(store)[0] ?? '', 'miss'],
    'a body': [store => bodiesOf(store)[0] ?? '', 'miss'],
    'a shard': [store => dirname(recordsOf(store)[0] ?? ''), 'miss'],
    'the folder of entries': [store => join(store.path, 'entries'), 'miss'],
    // Who has read the log knows it again.
    'the folder of the log': [store => join(store.path, 'log-00000001'), 'hit'],
    'the storage folder': [store => store.path, 'miss']
  }
  for (const [what, [placeOf, expected]] of Object.entries(LINKS)) {
    it(`a link in the place of ${what} is a ${expected}, and nothing is written through it`, async () => {
      await using opened = await openStore()
      const { store, directory } = opened
      await using first = await startClient(store, 300_000)
      assert.equal(await first.ask('/a'), 'miss')
      assert.equal(await first.ask('/a'), 'hit')
      const outside = join(dirname(directory), 'outside')
      const place = placeOf(store)
      renameSync(place, outside)
      symlinkSync(outside, place)
      const before = namesIn(outside)
      await using second = await startClient(opened.reopen(), 300_000, first.origin)
      // Folders are looked at once a second.
      if (statSync(outside).isDirectory()) await sleep(1100)
      assert.equal(await first.ask('/a'), expected, 'for who was there before')
      assert.equal(await first.ask('/b'), 'miss')
      await second.ask('/a')
      assert.equal(await second.ask('/c'), 'miss')
      assert.ok(first.reports.length <= 2, first.reports.join('\n'))
      assert.ok(second.reports.length <= 2, second.reports.join('\n'))
      assert.deepEqual(namesIn(outside), before)
    })
  }
})

function namesIn(path: string): readonly string[] {
  try {
    return filesIn(path)
  } catch {
    return [readFileSync(path).toString('base64')]
  }
}

/** A disk of 2 MiB in that place; undefined where one may not mount. */
function mountSmallDisk(directory: string): Disposable | undefined {
  mkdirSync(directory)
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'tmpfs', directory])
  if (status !== 0) return undefined
  return { [Symbol.dispose]: () => spawnSync('umount', ['-l', directory]) }
}
