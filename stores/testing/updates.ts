import assert from 'node:assert/strict'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { assertSame } from './bodies.ts'
import { bytesOf } from './bytes.ts'
import { type Check, finished, KEY, OTHER_KEY } from './subject.ts'

const NEW_LINES: Entry['lines'] = [
  ['Cache-Control', 'max-age=7200'],
  ['ETag', '"2"'],
  ['etag', '"2"']
]

/** Metadata is replaced, as after a 304, and the body stays. */
export function testUpdates(check: Check): void {
  for (const size of [0, 100, 300_000]) {
    check(`replaces the metadata of a body of ${size} bytes, and keeps the body`, async subject => {
      const body = bytesOf(size)
      const stored = await subject.put(subject.entry(), body)
      assert.ok(stored)
      const { requestTimeMs, responseTimeMs } = subject.entry()
      const expiresAtMs = stored.expiresAtMs + 7_200_000
      const changed = { ...stored, lines: NEW_LINES, statusText: 'Fine', requestTimeMs, responseTimeMs, expiresAtMs }
      assert.equal(await subject.store.update(changed), true)
      const { stored: found } = await subject.get()
      assert.equal(found.length, 1)
      assert.deepEqual(found[0]?.entry, changed)
      assertSame(await subject.bytes(), body)
    })
  }

  check('updates the variant that is meant, and no other', async subject => {
    const vary = ['accept-language']
    const english = await subject.put(subject.entry({ vary }, { 'accept-language': 'en' }))
    const german = await subject.put(subject.entry({ vary }, { 'accept-language': 'de' }))
    assert.ok(english && german)
    assert.equal(await subject.store.update({ ...german, lines: NEW_LINES }), true)
    assert.deepEqual((await subject.find(KEY, { 'accept-language': 'de' }))?.entry.lines, NEW_LINES)
    assert.deepEqual((await subject.find(KEY, { 'accept-language': 'en' }))?.entry, english)
  })

  check('updates again and again', async subject => {
    const body = bytesOf(100_000)
    const stored = await subject.put(subject.entry(), body)
    assert.ok(stored)
    for (let i = 0; i < 20; i++) {
      const lines = [['X-Count', `${i}`]] as const
      assert.equal(await subject.store.update({ ...stored, lines }), true)
      assert.deepEqual((await subject.find())?.entry.lines, lines)
    }
    assertSame(await subject.bytes(), body)
  })

  check('serves the old body, or none, to who looked it up before an update', async subject => {
    const body = bytesOf(300_000)
    const stored = await subject.put(subject.entry(), body)
    assert.ok(stored)
    const before = await subject.find()
    assert.equal(await subject.store.update({ ...stored, lines: NEW_LINES }), true)
    const bytes = await subject.read(before)
    if (bytes !== undefined) assertSame(bytes, body)
  })

  check('does not update what it does not hold', async subject => {
    const stored = await subject.put(subject.entry())
    assert.ok(stored)
    assert.equal(await subject.store.update({ ...stored, id: subject.entry().id, lines: NEW_LINES }), false)
    assert.equal(await subject.store.update({ ...stored, key: OTHER_KEY, lines: NEW_LINES }), false)
    assert.deepEqual((await subject.find())?.entry, stored)
    assert.equal(await subject.find(OTHER_KEY), undefined)
  })

  check('does not update what has been replaced', async subject => {
    const stored = await subject.put(subject.entry())
    const newer = await subject.put(subject.entry())
    assert.ok(stored && newer)
    assert.equal(await subject.store.update({ ...stored, lines: NEW_LINES }), false)
    assert.deepEqual((await subject.find())?.entry, newer)
  })

  check('does not undo a replacement under way', async subject => {
    const stored = await subject.put(subject.entry(), bytesOf(100_000, 1))
    assert.ok(stored)
    const body = bytesOf(100_000, 2)
    const entry = subject.entry()
    const writer = await subject.store.put(entry)
    assert.ok(writer)
    await writer.write(body)
    const [, replaced] = await Promise.all([
      subject.store.update({ ...stored, lines: NEW_LINES }),
      writer.commit(finished(entry, body.byteLength))
    ])
    const found = (await subject.find())?.entry
    if (replaced) assert.deepEqual(found, finished(entry, body.byteLength))
    else assert.equal(found?.id, stored.id)
    assertSame(await subject.bytes(), replaced ? body : bytesOf(100_000, 1))
  })

  check('does not bring back what has been deleted', async subject => {
    const stored = await subject.put(subject.entry())
    assert.ok(stored)
    await subject.store.delete(KEY)
    assert.equal(await subject.store.update({ ...stored, lines: NEW_LINES }), false)
    assert.equal(await subject.find(), undefined)
  })
}
