// The log of deletions: what it says holds whatever becomes of it, and of those who write it.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import fs from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { FileStore } from 'undici-http-cache/stores/file'
import { DeletionView, encodeLine, LINE_BYTES, LOG_HEADER_BYTES } from '../../../stores/file/deletion-log-view.ts'
import { digestOf } from '../../../stores/shared/entry-names.ts'
import { entryOf, find, get, KEY, openStore, put, read, recordsOf, variantKey } from '../../support/file-store.ts'
import { finished, noise } from '../../support/responses.ts'

const OTHER = 'https://store.test/other'
/** More lines than a sweep leaves a log. */
const MANY = 1100

function logsOf(store: FileStore): string[] {
  return readdirSync(store.path)
    .filter(name => name.startsWith('log-'))
    .sort()
    .map(name => join(store.path, name, 'deletions'))
}

function lastLogOf(store: FileStore): string {
  return logsOf(store).at(-1) ?? ''
}

/** As many deletions as make a sweep begin another log. */
function deleteMany(store: FileStore): void {
  const lines = Array.from({ length: MANY }, (_, i) => encodeLine('key', digestOf(`https://store.test/gone/${i}`)))
  appendFileSync(lastLogOf(store), Buffer.concat(lines))
}

async function begin(store: FileStore, size = 10) {
  const entry = entryOf()
  const writer = await store.put(entry, { asOf: await (await get(store)).asOf() })
  await writer?.write(noise(size))
  return { commit: async () => writer?.commit(finished(entry, size)) }
}

it('stores that begin at the same time begin one log', async () => {
  await using opened = await openStore()
  const { store } = opened
  let isLooking = false
  const lstat = async (path: string) => {
    try {
      return await fs.lstat(path)
    } catch (error) {
      // It has just seen that there is none when the other begins one.
      if (isLooking) await put(store)
      isLooking = false
      throw error
    }
  }
  const other = opened.reopen({ fs: { ...fs, lstat } })
  const lookup = await get(other)
  isLooking = true
  const asOf = await lookup.asOf()
  assert.equal(logsOf(store).length, 1)
  assert.notEqual(await put(other, {}, Buffer.from('other'), asOf), undefined)
  assert.equal((await read(store))?.toString(), 'other')
  await store.delete(KEY)
  assert.equal(await find(other), undefined)
})

describe('a log that has become long', () => {
  for (const [what, isWritten] of [
    ['has begun', true],
    ['has yet to begin', false]
  ] as const) {
    it(`and is gone ends what was asked for before, whose body ${what}: it is not stored, and that is no fault`, async () => {
      await using opened = await openStore()
      const { store } = opened
      const entry = entryOf()
      const writer = (await store.put(entry, { asOf: await (await get(store)).asOf() })) ?? assert.fail()
      if (isWritten) await writer.write(noise(200_000))
      deleteMany(store)
      for (let i = 0; i < 2; i++) await store.sweep()
      assert.deepEqual(logsOf(store).length, 1)
      await writer.write(noise(200_000))
      assert.equal(await writer.commit(finished(entry, isWritten ? 400_000 : 200_000)), false)
      assert.equal(await find(store), undefined)
    })
  }

  it('is followed by another, and what is stored stays', async () => {
    await using opened = await openStore()
    const { store } = opened
    const other = opened.reopen()
    await put(store)
    assert.ok(await find(other))
    for (let i = 2; i < 5; i++) {
      deleteMany(store)
      await store.sweep()
      assert.match(lastLogOf(store), new RegExp(`log-0000000${i}/`))
      assert.ok(await find(store))
      assert.ok(await find(other))
      assert.ok(await find(opened.reopen()))
    }
    assert.ok(logsOf(store).length <= 2, 'old ones are gone')
    assert.ok(statSync(lastLogOf(store)).size < MANY * LINE_BYTES * 1.5, 'what is swept need not be remembered')
  })

  it('is followed by another which says the same', async () => {
    await using opened = await openStore()
    const { store } = opened
    const early = await begin(store)
    await put(store, { key: OTHER, tags: ['x'] })
    const kept = readFileSync(recordsOf(store)[0] ?? '')
    const path = recordsOf(store)[0] ?? ''
    await store.delete(KEY)
    await store.deleteByTag('x')
    deleteMany(store)
    await store.sweep()
    assert.equal(logsOf(store).length, 2)
    assert.equal(await early.commit(), false, 'an earlier request is still refused')
    writeFileSync(path, kept)
    assert.equal(await find(store, OTHER), undefined, 'what was deleted by tag does not come back')
    assert.equal(await find(opened.reopen(), OTHER), undefined)
  })

  it('lets what was begun before go on until the one after', async () => {
    for (const [sweeps, isStored] of [
      [1, true],
      [2, false]
    ] as const) {
      for (const size of [10, 300_000]) {
        await using opened = await openStore()
        const { store } = opened
        await put(store, { key: OTHER })
        const { commit } = await begin(store, size)
        for (let i = 0; i < sweeps; i++) {
          deleteMany(store)
          await store.sweep()
        }
        const committed = await commit().catch(() => false)
        assert.equal(committed, isStored, `${size} bytes, ${sweeps} sweeps`)
        assert.equal((await find(store)) !== undefined, isStored)
        assert.ok(await find(store, OTHER))
      }
    }
  })

  it('is gone on from by another process where whoever ended it could not', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store)
    await put(store, { key: OTHER })
    await store.delete(OTHER)
    appendFileSync(lastLogOf(store), encodeLine('sealed'))
    const reopened = opened.reopen()
    for (const each of [reopened, store]) {
      assert.ok(await find(each))
      assert.equal(await find(each, OTHER), undefined)
    }
    assert.equal(logsOf(store).length, 2)
    // What follows the seal was not there for everybody.
    const [sealed = ''] = logsOf(store)
    appendFileSync(sealed, encodeLine('key', digestOf(KEY)))
    assert.ok(await find(store))
    await reopened.delete(KEY)
    assert.equal(await find(store), undefined)
  })

  it('is begun again by many at once, with one result', async () => {
    await using opened = await openStore()
    const stores = Array.from({ length: 8 }, () => opened.reopen())
    await Promise.all(stores.map((each, i) => put(each, { key: `https://store.test/${i}` })))
    for (const each of stores) {
      for (let i = 0; i < stores.length; i++) assert.ok(await find(each, `https://store.test/${i}`))
    }
    appendFileSync(lastLogOf(opened.store), encodeLine('sealed'))
    await Promise.all(stores.map((each, i) => each.delete(`https://store.test/${i}`)))
    for (const each of stores) {
      for (let i = 0; i < stores.length; i++) assert.equal(await find(each, `https://store.test/${i}`), undefined)
    }
  })
})

describe('a log that is damaged', () => {
  const DAMAGES: Record<string, (path: string) => void> = {
    'has a byte changed in its header': path => flip(path, 30),
    'has another make': path => flip(path, 0),
    'is empty': path => truncateSync(path, 0),
    'is cut short in its header': path => truncateSync(path, 40),
    'ends in half a line': path => appendFileSync(path, Buffer.alloc(LINE_BYTES / 2)),
    'is gone': path => rmSync(path),
    'is gone with its folder': path => rmSync(join(path, '..'), { recursive: true }),
    'is of another generation': path => renameSync(join(path, '..'), join(path, '../../log-00000007')),
    'is a folder': path => {
      rmSync(path)
      rmSync(join(path, '..'), { recursive: true })
      writeFileSync(join(path, '..'), 'x')
    }
  }
  for (const [what, damage] of Object.entries(DAMAGES)) {
    it(`since it ${what} leaves nothing of before to be found, and another is begun`, async () => {
      await using opened = await openStore()
      const { store } = opened
      await put(store)
      await put(store, { key: OTHER })
      await store.delete(OTHER)
      damage(lastLogOf(store))
      const reopened = opened.reopen()
      assert.equal(await find(reopened), undefined)
      for (const each of [reopened, store]) {
        assert.ok(await put(each, {}, Buffer.from('again')))
        assert.equal(String(await read(store)), 'again')
        assert.equal(String(await read(reopened)), 'again')
        await each.delete(KEY)
        assert.equal(await find(store), undefined)
        assert.equal(await find(reopened), undefined)
      }
    })
  }

  it('in one line counts as if all had been deleted there', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store)
    await store.delete('https://store.test/elsewhere')
    await put(store, { key: OTHER })
    flip(lastLogOf(store), LOG_HEADER_BYTES + 20)
    const reopened = opened.reopen()
    assert.equal(await find(reopened), undefined)
    assert.ok(await find(reopened, OTHER))
  })

  function flip(path: string, at: number): void {
    const bytes = readFileSync(path)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    writeFileSync(path, bytes)
  }
})

describe('a record from before a deletion', () => {
  it('that lies there all the same is not found, listed or updated', async () => {
    await using opened = await openStore()
    const { store } = opened
    for (const accept of ['a', 'b']) {
      await put(store, { vary: ['accept'], variantKey: variantKey(['accept'], accept) })
    }
    const stored = await put(store, { key: OTHER, tags: ['x'] })
    const records = recordsOf(store).map(path => [path, readFileSync(path)] as const)
    await store.delete(KEY)
    await store.deleteByTag('x')
    await store.close()
    for (const [path, bytes] of records) writeFileSync(path, bytes)
    const later = opened.reopen()
    for (const accept of ['a', 'b']) assert.equal(await find(later, KEY, accept), undefined)
    assert.equal((await get(later, KEY, 'a')).otherVariants, false)
    assert.equal(await find(later, OTHER), undefined)
    assert.equal(await later.update(stored ?? assert.fail()), false)
    for await (const { key } of later.entries()) assert.fail(key)
    await later.sweep()
    assert.deepEqual(recordsOf(later), [])
  })
})

describe('what is remembered of deletions', () => {
  it('is bounded: with too many, what is older than the log is deleted as a whole', () => {
    const first = readLog(DeletionView.begin(1), 1)
    first.read(Buffer.concat(Array.from({ length: 70_000 }, (_, i) => encodeLine('key', digestOf(`${i}`)))))
    const early = { epoch: first.epoch, ordinal: 0 }
    const late = first.position
    assert.equal(first.covers(early, digestOf('x'), []), false)
    const second = readLog(first, 2)
    assert.equal(second.covers(early, digestOf('x'), []), false, 'all of it was from one log')
    second.read(encodeLine('tag', digestOf('y')))
    const third = readLog(second, 3)
    assert.equal(third.covers(early, digestOf('x'), []), true)
    assert.equal(third.covers(late, digestOf('x'), []), false)
    assert.equal(third.covers(late, digestOf('x'), [digestOf('y').slice(0, 32)]), true)
  })

  function readLog(view: DeletionView, generation: number): DeletionView {
    const bytes = Buffer.concat([...view.next(generation)])
    const next = DeletionView.parse(bytes.subarray(0, LOG_HEADER_BYTES), generation) ?? assert.fail()
    next.read(bytes.subarray(LOG_HEADER_BYTES))
    return next
  }
})
