// A data file that ends the processes which read it, by a signal, does so twice, and then gives way.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { entryOf, store } from '../support/responses.ts'

const PAGE_BYTES = 4096
const SCRIPT = join(import.meta.dirname, 'lmdb-process.ts')
/** A thread takes over no loader. */
const THREAD = `
import('tsx/esm/api').then(tsx => {
  tsx.register()
  return import(${JSON.stringify(pathToFileURL(SCRIPT).href)})
})
`

async function filled(): Promise<{ directory: string; file: string } & Disposable> {
  const directory = mkdtempSync(join(tmpdir(), 'lmdb-damage-'))
  const target = new LmdbStore({ directory })
  for (let i = 0; i < 300; i++) await store(target, entryOf(`https://store.test/${i}`), [Buffer.alloc(3000, i)])
  await target.close()
  const remove = () => rmSync(directory, { recursive: true, force: true })
  return { directory, file: join(directory, 'http-cache.mdb'), [Symbol.dispose]: remove }
}

/** Has every leaf page point beyond the map. */
function damage(path: string): void {
  const file = openSync(path, 'r+')
  const head = Buffer.alloc(24)
  for (let at = 2 * PAGE_BYTES; at < fstatSync(file).size; at += PAGE_BYTES) {
    readSync(file, head, 0, 24, at)
    if (head.readUInt16LE(18) === 2) writeSync(file, Buffer.alloc(200, 255), 0, 200, at + 24)
  }
  closeSync(file)
}

function run(directory: string, ...args: string[]) {
  const command = ['--import', 'tsx', SCRIPT, 'list', directory, ...args]
  return spawnSync(process.execPath, command, { encoding: 'utf8', timeout: 60_000 })
}

describe('a data file that was open when two processes in a row died', () => {
  it('is set aside, with a warning, where it ends those who read it', {
    skip: process.platform !== 'linux'
  }, async () => {
    using it = await filled()
    damage(it.file)
    for (let i = 0; i < 2; i++) {
      assert.notEqual(run(it.directory).signal, null, `${i}`)
      assert.ok(!existsSync(`${it.file}.damaged`))
    }
    const third = run(it.directory)
    assert.deepEqual([third.status, third.stdout], [0, '0'])
    assert.match(third.stderr, /\[CACHE_FILE_DAMAGED\] CacheWarning: .*http-cache\.mdb\.damaged/)
    assert.ok(existsSync(`${it.file}.damaged`))
    assert.equal(run(it.directory).status, 0)
  })

  it('is kept where they were killed by others, however often, and where they ended without close()', async () => {
    using it = await filled()
    for (const args of [['SIGINT'], ['SIGINT'], ['SIGTERM'], ['SIGKILL'], ['SIGKILL'], [], []]) {
      const { stdout, stderr, signal } = run(it.directory, ...args)
      assert.deepEqual([stdout, stderr, signal], ['300', '', args[0] ?? null])
    }
    assert.ok(!existsSync(`${it.file}.damaged`))
    assert.ok(!existsSync(`${it.file}-deaths`))
  })

  it('is not one that another thread of this process has open', async () => {
    using it = await filled()
    const target = new LmdbStore({ directory: it.directory })
    assert.deepEqual((await target.entries().next()).done, false)
    for (let i = 0; i < 2; i++) {
      const worker = new Worker(THREAD, { argv: ['list', it.directory], stdout: true, eval: true })
      await once(worker, 'exit')
      assert.ok(!existsSync(`${it.file}-deaths`))
    }
    assert.equal(readdirSync(it.directory).filter(name => name.includes('-user-')).length, 1)
    await target.close()
  })
})

for (const [what, fill] of [
  ['zeros', Buffer.alloc(64)],
  ['garbage', createHash('sha512').update('garbage').digest()]
] as const) {
  it(`a data file that is ${what} but for its head is set aside, with a warning`, async () => {
    using it = await filled()
    const file = openSync(it.file, 'r+')
    for (let at = 2 * PAGE_BYTES; at < fstatSync(file).size; at += PAGE_BYTES)
      writeSync(file, Buffer.alloc(PAGE_BYTES, fill), 0, PAGE_BYTES, at)
    closeSync(file)
    const runs = [run(it.directory)]
    // It may look like a page, and end its reader.
    while (what === 'garbage' && runs.length < 3 && runs.at(-1)?.signal !== null) runs.push(run(it.directory))
    const last = runs.at(-1)
    assert.deepEqual([last?.status, last?.stdout], [0, '0'])
    assert.match(last?.stderr ?? '', /\[CACHE_FILE_DAMAGED\] CacheWarning: .*http-cache\.mdb\.damaged/)
    assert.ok(existsSync(`${it.file}.damaged`))
    const target = new LmdbStore({ directory: it.directory })
    await store(target, entryOf('https://store.test/'), [Buffer.from('new')])
    await target.close()
    const { status, stdout, stderr } = run(it.directory)
    assert.deepEqual([status, stdout, stderr], [0, '1', ''])
  })
}
