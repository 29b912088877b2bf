// clear() and a sweep remove what the store has made, and nothing else; the base directory may be anyone's.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { it } from 'node:test'
import { bodiesOf, filesIn, find, openStore, put, recordsOf } from '../../support/file-store.ts'
import { noise } from '../../support/responses.ts'

it('leaves what somebody else keeps in the base directory, beside the entries, among them and in the shards', async () => {
  await using opened = await openStore()
  const { store } = opened
  await put(store, {}, noise(100_000))
  const [record = ''] = recordsOf(store)
  const shard = dirname(record)
  const places = [dirname(store.path), store.path, dirname(shard), shard]
  const kept: string[] = []
  for (const place of places) {
    const folder = join(place, 'photos')
    mkdirSync(join(folder, 'ab'), { recursive: true })
    for (const path of [join(place, 'notes.txt'), join(folder, 'photo.jpg'), join(folder, 'ab', 'a'.repeat(64))]) {
      writeFileSync(path, path)
      kept.push(path)
    }
  }
  const target = join(dirname(store.path), 'target')
  writeFileSync(target, 'target')
  const link = join(shard, 'link')
  symlinkSync(target, link)
  for (let i = 0; i < 2; i++) {
    await store.clear()
    assert.equal(await find(store), undefined)
    assert.deepEqual(
      [recordsOf(store).filter(path => path !== link && !kept.includes(path)), bodiesOf(store)],
      [[], []]
    )
    for (const path of kept) assert.equal(readFileSync(path, 'utf8'), path)
    assert.equal(readFileSync(link, 'utf8'), 'target')
    await put(store, {}, noise(100_000))
    assert.ok(await find(store))
    await store.sweep()
    for (const path of kept) assert.equal(readFileSync(path, 'utf8'), path)
  }
  assert.ok(!filesIn(store.path).some(path => path.startsWith('trash-')))
})

it('takes back what a clear that came to a sudden end has put aside', async () => {
  await using opened = await openStore()
  const { store } = opened
  await put(store, {}, noise(100_000))
  const trash = join(store.path, `trash-${'0'.repeat(32)}`)
  mkdirSync(join(trash, 'ab'), { recursive: true })
  writeFileSync(join(trash, 'ab', 'ab'.repeat(32)), 'a record')
  writeFileSync(join(trash, 'ab', 'notes.txt'), 'mine')
  await store.sweep()
  assert.ok(!existsSync(trash))
  assert.equal(readFileSync(join(store.path, 'entries', 'ab', 'notes.txt'), 'utf8'), 'mine')
  assert.ok(await find(store))
})

it('takes a base directory that others may write to, as /tmp is, and nothing below it', {
  skip: process.platform === 'win32'
}, async () => {
  await using opened = await openStore()
  const { store } = opened
  mkdirSync(dirname(store.path), { recursive: true })
  chmodSync(dirname(store.path), 0o1777)
  await put(store)
  assert.ok(await find(store))
  chmodSync(store.path, 0o777)
  await assert.rejects(
    opened.reopen().get('https://store.test/a', () => ''),
    { code: 'ERR_CACHE_STORE' }
  )
  chmodSync(store.path, 0o700)
  assert.ok(await find(opened.reopen()))
})
