import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Tombstones } from '../../stores/shared/recent-deletions.ts'
import { sampleRecord } from '../serializers/arbitrary-record.ts'

const entryOf = (key: string, tags: string[] = []) => sampleRecord({ key, tags }).entry

describe('Tombstones', () => {
  test('cover what was asked for before a deletion of its key or of a tag of its, and nothing else', () => {
    const tombstones = new Tombstones()
    const before = tombstones.position
    assert.equal(tombstones.covers(entryOf('a', ['t']), before), false)
    tombstones.add('key', 'a')
    const between = tombstones.position
    assert.equal(tombstones.covers(entryOf('a'), before), true)
    assert.equal(tombstones.covers(entryOf('b', ['a']), before), false)
    assert.equal(tombstones.covers(entryOf('a'), between), false)
    tombstones.add('tag', 't')
    assert.equal(tombstones.covers(entryOf('b', ['s', 't']), between), true)
    assert.equal(tombstones.covers(entryOf('t'), between), false)
    assert.equal(tombstones.covers(entryOf('b', ['s', 't']), tombstones.position), false)
  })

  test('of everything cover everything asked for before', () => {
    const tombstones = new Tombstones()
    const before = tombstones.position
    tombstones.addAll()
    assert.equal(tombstones.covers(entryOf('a'), before), true)
    assert.equal(tombstones.covers(entryOf('a'), tombstones.position), false)
  })

  test('that have been forgotten cover everything asked for before the last of them', () => {
    const tombstones = new Tombstones(3)
    const start = tombstones.position
    tombstones.add('key', 'a')
    const afterFirst = tombstones.position
    tombstones.add('key', 'b')
    const afterSecond = tombstones.position
    for (const key of ['c', 'd', 'e']) tombstones.add('key', key)
    assert.equal(tombstones.covers(entryOf('never deleted'), start), true)
    assert.equal(tombstones.covers(entryOf('never deleted'), afterFirst), true)
    assert.equal(tombstones.covers(entryOf('never deleted'), afterSecond), false)
    assert.equal(tombstones.covers(entryOf('c'), afterSecond), true)
  })

  test('of a key deleted again and again take one place', () => {
    const tombstones = new Tombstones(3)
    const before = tombstones.position
    for (let i = 0; i < 1000; i++) tombstones.add('key', 'a')
    assert.equal(tombstones.covers(entryOf('b'), before), false)
    assert.equal(tombstones.covers(entryOf('a'), before), true)
  })

  test('are bounded by the length of names as well', () => {
    const tombstones = new Tombstones()
    const before = tombstones.position
    for (let i = 0; i < 100; i++) tombstones.add('key', `${i}`.padEnd(100_000))
    assert.equal(tombstones.covers(entryOf('never deleted'), before), true)
    const late = tombstones.position
    tombstones.add('key', 'x'.repeat(10_000_000))
    assert.equal(tombstones.covers(entryOf('never deleted'), late), true)
    assert.equal(tombstones.covers(entryOf('never deleted'), tombstones.position), false)
  })
})
