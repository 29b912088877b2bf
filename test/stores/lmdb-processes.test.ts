import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { ended, nextMessage } from '../support/child.ts'
import { bytesOf, entryOf, store } from '../support/responses.ts'
import { scratchDirectory } from './lmdb-stores.ts'
import { find } from './lmdb-subject.ts'

const KILLS = Number(process.env['LMDB_KILLS'] ?? 4)

function start(role: string, directory: string): ChildProcess {
  return fork(join(import.meta.dirname, 'lmdb-process.ts'), [role, directory], { execArgv: ['--import', 'tsx'] })
}

async function startWriters(directory: string): Promise<ChildProcess[]> {
  const writers = [start('write', directory), start('write', directory)]
  await Promise.all(writers.map(nextMessage))
  return writers
}

async function ask(child: ChildProcess, message: Record<string, unknown>): Promise<unknown> {
  const answer = nextMessage(child)
  child.send(message)
  const { result, error } = (await answer) as { result?: unknown; error?: string }
  assert.equal(error, undefined)
  return result
}

it('two processes see each other’s responses and deletions at once', async () => {
  const directory = scratchDirectory()
  const child = start('obey', directory.path)
  const ours = new LmdbStore({ directory: directory.path })
  try {
    await nextMessage(child)
    const key = 'https://store.test/a'
    assert.equal(find(ours, key), undefined)
    await ask(child, { do: 'store', key, text: 'theirs' })
    assert.equal((await bytesOf(await find(ours, key)?.open())).toString(), 'theirs')
    await store(ours, entryOf(key), [Buffer.from('ours')])
    assert.equal(await ask(child, { do: 'find', key }), 'ours')
    const held = find(ours, key)
    assert.equal(find(ours, key)?.entry, held?.entry, 'decoded once')

    const asOf = ours.get(key, () => 'GET\n').asOf()
    await ask(child, { do: 'delete', key })
    assert.equal(find(ours, key), undefined)
    assert.equal(await store(ours, entryOf(key), [Buffer.from('late')], asOf), undefined)
    assert.equal(held !== undefined && (await ours.update(held.entry, { asOf })), false)

    await store(ours, entryOf(key, { tags: ['group'] }), [Buffer.from('tagged')])
    assert.notEqual(find(ours, key), undefined)
    const begun = ours.put(entryOf('https://store.test/b', { tags: ['group'] }))
    await ask(child, { do: 'tag', key: 'group' })
    assert.equal(find(ours, key), undefined)
    assert.equal(await begun?.commit(entryOf('https://store.test/b', { tags: ['group'] })), false)
  } finally {
    child.send({ do: 'close' })
    assert.equal(await ended(child), 0)
    await ours.close()
    directory.remove()
  }
})

it('processes that find a damaged file at once end up with the same one', async () => {
  const directory = scratchDirectory()
  writeFileSync(join(directory.path, 'http-cache.mdb'), Buffer.alloc(100_000, 'x'))
  const children = [1, 2, 3].map(() => start('obey', directory.path))
  try {
    await Promise.all(children.map(nextMessage))
    const keyOf = (i: number) => `https://store.test/${i}`
    const storeAll = () =>
      Promise.all(children.map((child, i) => ask(child, { do: 'store', key: keyOf(i), text: `${i}` }).catch(() => {})))
    const findAll = async () => {
      const found: unknown[] = []
      for (const child of children) {
        for (const i of children.keys()) found.push(await ask(child, { do: 'find', key: keyOf(i) }))
      }
      return found
    }
    const expected = children.flatMap(() => children.map((_, i) => `${i}`))
    // One may have to find out first that its file was set aside, which takes it a second.
    let found: unknown[] = []
    for (let i = 0; i < 20 && !isDeepStrictEqual(found, expected); i++) {
      await delay(i === 0 ? 0 : 600)
      await storeAll()
      found = await findAll().catch(() => [])
    }
    assert.deepEqual(found, expected)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(children.map(ended))
    directory.remove()
  }
})

it(`serves nothing torn or mixed beside two writers, ${KILLS} times killed`, { timeout: 300_000 }, async () => {
  const directory = scratchDirectory()
  const torn: string[] = []
  let hits = 0
  const reader = start('read', directory.path)
  reader.on('message', (message: { torn?: string; hits?: number }) => {
    if (message.torn !== undefined) torn.push(message.torn)
    hits = message.hits ?? hits
  })
  try {
    const pairs = Math.ceil(KILLS / 2)
    let next = startWriters(directory.path)
    for (let pair = 1; pair <= pairs; pair++) {
      const writers = await next
      // Starting takes longer than all else.
      if (pair < pairs) next = startWriters(directory.path)
      await delay(100 + Math.random() * 300)
      for (const writer of writers) writer.kill('SIGKILL')
      assert.deepEqual(await Promise.all(writers.map(ended)), ['SIGKILL', 'SIGKILL'], 'the writers lived')
    }
    for (let i = 0; i < 500 && hits === 0; i++) await delay(10)
    assert.equal(reader.exitCode, null, 'the reader lives')
    assert.deepEqual(torn, [])
    assert.ok(hits > 0)
    const later = new LmdbStore({ directory: directory.path })
    await store(later, entryOf('https://store.test/later'), [Buffer.alloc(500_000, 7)])
    assert.equal((await bytesOf(await find(later, 'https://store.test/later')?.open())).length, 500_000)
    await later.sweep()
    await later.close()
  } finally {
    reader.kill('SIGKILL')
    await ended(reader)
    directory.remove()
  }
})
