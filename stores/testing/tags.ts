import assert from 'node:assert/strict'
import { type Check, KEY, OTHER_KEY } from './subject.ts'

const GROUP = 'group:https://store.test "a b"'

/** Entries are removed together by the tags they carry. */
export function testTags(check: Check): void {
  check('refuses deleteByTag where it has no tags', async subject => {
    if (subject.store.capabilities.tags) return subject.context.skip('the store has tags')
    await assert.rejects(async () => subject.store.deleteByTag(GROUP))
  })

  check('removes what carries a tag, of every key and variant, and nothing else', async subject => {
    if (subject.skipUnless(subject.store.capabilities.tags, 'delete by tag')) return
    const vary = ['accept']
    await subject.put(subject.entry({ vary, tags: ['x', GROUP] }, { accept: 'a' }))
    await subject.put(subject.entry({ vary, tags: ['x'] }, { accept: 'b' }))
    await subject.put(subject.entry({ key: OTHER_KEY, tags: [GROUP, 'y'] }))
    await subject.store.deleteByTag(GROUP)
    assert.equal(await subject.find(KEY, { accept: 'a' }), undefined)
    assert.notEqual(await subject.find(KEY, { accept: 'b' }), undefined)
    assert.equal(await subject.find(OTHER_KEY), undefined)
    await subject.store.deleteByTag('x')
    assert.equal(await subject.find(KEY, { accept: 'b' }), undefined)
  })

  check('compares whole tags, letter by letter', async subject => {
    if (subject.skipUnless(subject.store.capabilities.tags, 'delete by tag')) return
    const tags = ['Group', 'a*', '../x', 'ü', '__proto__', 'x'.repeat(5000)]
    await subject.put(subject.entry({ tags }))
    for (const tag of ['group', 'Grou', 'Group2', 'a', 'ab', '*', '', 'x', 'constructor', 'x'.repeat(4999)]) {
      await subject.store.deleteByTag(tag)
      assert.notEqual(await subject.find(), undefined, tag)
    }
    for (const tag of tags) {
      await subject.put(subject.entry({ tags }))
      await subject.store.deleteByTag(tag)
      assert.equal(await subject.find(), undefined, tag)
    }
  })

  check('goes by the tags of the last update', async subject => {
    if (subject.skipUnless(subject.store.capabilities.tags, 'delete by tag')) return
    const stored = await subject.put(subject.entry({ tags: ['old'] }))
    assert.ok(stored)
    assert.equal(await subject.store.update({ ...stored, tags: ['new'] }), true)
    await subject.store.deleteByTag('old')
    assert.notEqual(await subject.find(), undefined)
    await subject.store.deleteByTag('new')
    assert.equal(await subject.find(), undefined)
  })

  check('goes by the tags of what has replaced a response', async subject => {
    if (subject.skipUnless(subject.store.capabilities.tags, 'delete by tag')) return
    await subject.put(subject.entry({ tags: ['old'] }))
    await subject.put(subject.entry({ tags: ['new'] }))
    await subject.store.deleteByTag('old')
    assert.notEqual(await subject.find(), undefined)
  })
}
