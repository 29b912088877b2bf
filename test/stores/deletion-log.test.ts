import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DeletionLog } from '../../stores/shared/deletion-log.ts'
import { sampleRecord } from '../support/arbitrary-record.ts'

const entryOf = (key: string, tags: string[] = []) => sampleRecord({ key, tags }).entry

describe('deletions in a process', () => {
  test('cover what was asked for before a deletion of its key or of a tag of its, and nothing else', () => {
    const deletions = new DeletionLog()
    const before = deletions.position
    assert.equal(deletions.covers(entryOf('a', ['t']), before), false)
    deletions.add('key', 'a')
    const between = deletions.position
    assert.equal(deletions.covers(entryOf('a'), before), true)
    assert.equal(deletions.covers(entryOf('b', ['a']), before), false)
    assert.equal(deletions.covers(entryOf('a'), between), false)
    deletions.add('tag', 't')
    assert.equal(deletions.covers(entryOf('b', ['s', 't']), between), true)
    assert.equal(deletions.covers(entryOf('t'), between), false)
    assert.equal(deletions.covers(entryOf('b', ['s', 't']), deletions.position), false)
  })

  test('of everything cover everything asked for before', () => {
    const deletions = new DeletionLog()
    const before = deletions.position
    deletions.addClear()
    assert.equal(deletions.covers(entryOf('a'), before), true)
    assert.equal(deletions.covers(entryOf('a'), deletions.position), false)
  })

  test('that have been forgotten cover everything asked for before the last of them', () => {
    const deletions = new DeletionLog(3)
    const start = deletions.position
    deletions.add('key', 'a')
    const afterFirst = deletions.position
    deletions.add('key', 'b')
    const afterSecond = deletions.position
    for (const key of ['c', 'd', 'e']) deletions.add('key', key)
    assert.equal(deletions.covers(entryOf('never deleted'), start), true)
    assert.equal(deletions.covers(entryOf('never deleted'), afterFirst), true)
    assert.equal(deletions.covers(entryOf('never deleted'), afterSecond), false)
    assert.equal(deletions.covers(entryOf('c'), afterSecond), true)
  })

  test('of a key deleted again and again take one place', () => {
    const deletions = new DeletionLog(3)
    const before = deletions.position
    for (let i = 0; i < 1000; i++) deletions.add('key', 'a')
    assert.equal(deletions.covers(entryOf('b'), before), false)
    assert.equal(deletions.covers(entryOf('a'), before), true)
  })

  test('are bounded by the length of names as well', () => {
    const deletions = new DeletionLog()
    const before = deletions.position
    for (let i = 0; i < 100; i++) deletions.add('key', `${i}`.padEnd(100_000))
    assert.equal(deletions.covers(entryOf('never deleted'), before), true)
    const late = deletions.position
    deletions.add('key', 'x'.repeat(10_000_000))
    assert.equal(deletions.covers(entryOf('never deleted'), late), true)
    assert.equal(deletions.covers(entryOf('never deleted'), deletions.position), false)
  })
})
