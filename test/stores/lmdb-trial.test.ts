// The child process that tries a data file: it says that the file is damaged only where that is proved.
import assert from 'node:assert/strict'
import { chmodSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { crashesItsReader } from '../../stores/lmdb/damage-probe.ts'
import { entryOf, store } from '../support/responses.ts'
import { scratchDirectory } from './lmdb-stores.ts'

const skip = process.platform === 'win32'

async function dataFile(context: TestContext): Promise<string> {
  const scratch = scratchDirectory()
  context.after(() => scratch.remove())
  const target = new LmdbStore({ directory: scratch.path })
  for (let i = 0; i < 20; i++) await store(target, entryOf(`https://store.test/${i}`), [Buffer.alloc(300_000, i)])
  await target.close()
  return join(scratch.path, 'http-cache.mdb')
}

it('a data file that is larger than the map is not taken for a damaged one', async t => {
  const path = await dataFile(t)
  const mapBytes = 1_048_576
  assert.ok(statSync(path).size > 4 * mapBytes)
  assert.equal(crashesItsReader(path, mapBytes), false)
})

for (const [what, script, expected] of [
  ['reads, and ends by SIGBUS', 'printf begun; kill -BUS $$', true],
  ['reads, and ends by SIGSEGV', 'printf begun; kill -SEGV $$', true],
  ['reads, and ends by SIGABRT', 'printf begun; kill -ABRT $$', true],
  ['ends by SIGSEGV before it reads', 'kill -SEGV $$', false],
  ['is interrupted', 'printf begun; kill -INT $$', false],
  ['is killed', 'printf begun; kill -KILL $$', false],
  ['fails', 'printf begun; exit 1', false],
  ['cannot load LMDB', 'exit 1', false],
  ['takes too long', 'printf begun; exec sleep 60', false]
] as const) {
  it(`a reader that ${what} proves ${expected ? 'damage' : 'nothing'}`, { skip }, async t => {
    const path = await dataFile(t)
    replaceNode(t, join(path, '..', 'node'), script)
    assert.equal(crashesItsReader(path, 2 ** 30), expected)
  })
}

it('a program that is not Node is not started again', { skip }, async t => {
  const path = await dataFile(t)
  replaceNode(t, join(path, '..', 'application'), 'printf begun; kill -BUS $$')
  assert.equal(crashesItsReader(path, 2 ** 30), false)
})

function replaceNode(context: TestContext, path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  const { execPath } = process
  context.after(() => {
    process.execPath = execPath
  })
  process.execPath = path
}
