import assert from 'node:assert/strict'
import { removeEntry } from '../shared/remove-entry.ts'
import type { Entry } from '../store.ts'
import { assertSame } from './bodies.ts'
import { bytesOf } from './bytes.ts'
import { type Check, finished, KEY, OTHER_KEY, type SelectingFields, type Subject, variantOf } from './subject.ts'

const VARY = ['accept-language']
const EN = { 'accept-language': 'en' }
const DE = { 'accept-language': 'de' }
const FR = { 'accept-language': 'fr' }
/** Bodies within a record, and beside it. */
const SIZES = [100, 300_000]

/** One response goes, or moves, and nothing else changes. */
export function testRemovals(checkAll: Check): void {
  const check: Check = (name, run) =>
    checkAll(name, async subject => {
      if (!subject.skipUnless(subject.store.remove !== undefined, 'remove one response alone')) await run(subject)
    })

  for (const size of SIZES) {
    check(
      `removes one response of ${size} bytes, whichever of its key's it is, and leaves the others`,
      async subject => {
        for (const first of [EN, DE, FR]) {
          await subject.store.delete(KEY)
          const stored = await putAll(subject, [EN, DE, FR], size)
          const removed = stored.get(first)
          assert.ok(removed)
          await remove(subject, removed)
          assert.equal(await subject.find(KEY, first), undefined)
          assert.equal((await subject.get(KEY, first)).otherVariants, true)
          for (const [fields, entry] of stored) {
            if (fields === first) continue
            assert.deepEqual((await subject.find(KEY, fields))?.entry, entry)
            assertSame(await subject.bytes(KEY, fields), bytesOf(size, entry.requestTimeMs))
          }
        }
      }
    )
  }

  check('removes the only response of a key', async subject => {
    const stored = await subject.put(subject.entry())
    assert.ok(stored)
    await remove(subject, stored)
    const { stored: found, otherVariants } = await subject.get()
    assert.deepEqual([found.length, otherVariants], [0, false])
    assert.ok(await subject.put(subject.entry()))
    assert.notEqual(await subject.find(), undefined)
  })

  check('removes all responses of a key one by one, and stores others in their places', async subject => {
    const stored = await putAll(subject, [EN, DE, FR], 100)
    for (const entry of stored.values()) await remove(subject, entry)
    for (const fields of stored.keys()) assert.equal(await subject.find(KEY, fields), undefined)
    const again = await putAll(subject, [DE, EN, FR], 100)
    for (const [fields, entry] of again) assert.deepEqual((await subject.find(KEY, fields))?.entry, entry)
  })

  check('does not remove what is not stored, nor what has taken its place', async subject => {
    await remove(subject, subject.entry())
    const first = await subject.put(subject.entry())
    const second = await subject.put(subject.entry())
    assert.ok(first && second)
    await remove(subject, first)
    await remove(subject, { ...second, key: OTHER_KEY })
    await remove(subject, { ...second, variantKey: 'another' })
    assert.deepEqual((await subject.find())?.entry, second)
  })

  check('removes a response that has been updated since it was looked up', async subject => {
    const stored = await subject.put(subject.entry())
    assert.ok(stored)
    assert.equal(await subject.store.update({ ...stored, statusText: 'Fine' }), true)
    await remove(subject, stored)
    assert.equal(await subject.find(), undefined)
  })

  check('stores what was on its way for other variants, and for the same, when one was removed', async subject => {
    const stored = await putAll(subject, [EN, DE], 10)
    const asOf = await (await subject.get(KEY, FR)).asOf()
    const begun = [DE, FR].map(fields => subject.entry({ vary: VARY }, fields))
    const writers = []
    for (const entry of begun) writers.push(await subject.store.put(entry, { asOf }))
    for (const entry of stored.values()) await remove(subject, entry)
    for (const [i, writer] of writers.entries()) {
      const entry = begun[i]
      assert.ok(writer && entry)
      await writer.write(bytesOf(1000))
      assert.equal(await writer.commit(finished(entry, 1000)), true)
    }
    assert.equal((await subject.find(KEY, DE))?.entry.id, begun[0]?.id)
    assert.equal((await subject.find(KEY, FR))?.entry.id, begun[1]?.id)
    assert.equal(await subject.find(KEY, EN), undefined)
  })

  check('what was removed is not brought back by an update', async subject => {
    const stored = await subject.put(subject.entry())
    assert.ok(stored)
    const asOf = await (await subject.get()).asOf()
    await remove(subject, stored)
    assert.equal(await subject.store.update({ ...stored, statusText: 'New' }, { asOf }), false)
    assert.equal(await subject.find(), undefined)
  })

  check('what is removed while it is being read and replaced does not come back', async subject => {
    for (let i = 0; i < 10; i++) {
      const stored = await subject.put(subject.entry(), bytesOf(100_000))
      assert.ok(stored)
      const reading = subject.bytes().catch(() => undefined)
      await Promise.all([reading, subject.store.update({ ...stored, statusText: 'New' }), remove(subject, stored)])
      assert.equal(await subject.find(), undefined)
    }
  })

  check('another instance does not find what was removed', async subject => {
    if (subject.skipUnless(subject.store.capabilities.shared, 'share what it holds')) return
    const other = await subject.reopened()
    if (other === undefined) return subject.context.skip('there is no other instance')
    const stored = await putAll(subject, [EN, DE], 100)
    const [english, german] = stored.values()
    assert.ok(english && german)
    assert.deepEqual((await other.find(KEY, EN))?.entry.id, english.id)
    await remove(subject, english)
    assert.equal(await other.find(KEY, EN), undefined)
    assert.equal((await other.find(KEY, DE))?.entry.id, german.id)
  })

  testMoves(check)
}

/** A response is to be found by more of the request than before. */
function testMoves(check: Check): void {
  const both = ['accept-language', 'origin']
  const moved = (entry: Entry, fields: SelectingFields): Entry => {
    return { ...entry, vary: both, variantKey: variantOf(fields)(both), statusText: 'Moved' }
  }

  for (const size of SIZES) {
    check(`update moves a response of ${size} bytes with its body, whichever of its key's it is`, async subject => {
      for (const mover of [EN, DE, FR]) {
        await subject.store.delete(KEY)
        const stored = await putAll(subject, [EN, DE, FR], size)
        const held = stored.get(mover)
        assert.ok(held)
        const a = { ...mover, origin: 'a' }
        const entry = moved(held, a)
        assert.equal(await subject.store.update(entry, { from: held.variantKey }), true)
        const { stored: found } = await subject.get(KEY, a)
        assert.deepEqual(
          [...found].map(each => each.entry),
          [entry]
        )
        assertSame(await subject.bytes(KEY, a), bytesOf(size, held.requestTimeMs))
        assert.equal(await subject.find(KEY, { ...mover, origin: 'b' }), undefined)
        assert.equal(await subject.find(KEY, mover), undefined)
        for (const [fields, other] of stored) {
          if (fields !== mover) assert.deepEqual((await subject.find(KEY, fields))?.entry, other)
        }
        assert.equal(await subject.store.update({ ...entry, statusText: 'Again' }), true)
        assertSame(await subject.bytes(KEY, a), bytesOf(size, held.requestTimeMs))
        await remove(subject, entry)
        assert.equal(await subject.find(KEY, a), undefined)
      }
    })

    check(`a response of ${size} bytes takes, where it moves, the place of what is there`, async subject => {
      for (const order of ['moves first', 'moves last']) {
        await subject.store.delete(KEY)
        const a = { ...EN, origin: 'a' }
        const put = (vary: readonly string[], fields: SelectingFields) => {
          const entry = subject.entry({ vary }, fields)
          return subject.put(entry, bytesOf(size, entry.requestTimeMs))
        }
        const early = order === 'moves first' ? await put(VARY, EN) : undefined
        const there = await put(both, a)
        const held = early ?? (await put(VARY, EN))
        assert.ok(there && held)
        const entry = moved(held, a)
        assert.equal(await subject.store.update(entry, { from: held.variantKey }), true)
        assert.deepEqual(
          [...(await subject.get(KEY, a)).stored].map(each => each.entry),
          [entry]
        )
        assertSame(await subject.bytes(KEY, a), bytesOf(size, held.requestTimeMs))
      }
    })
  }

  check('does not move what is no longer stored, or was deleted since', async subject => {
    const stored = await subject.put(subject.entry({ vary: VARY }, EN))
    assert.ok(stored)
    const a = { ...EN, origin: 'a' }
    const asOf = await (await subject.get(KEY, EN)).asOf()
    const { variantKey: from } = stored
    assert.equal(await subject.store.update({ ...moved(stored, a), id: subject.entry().id }, { from }), false)
    await subject.store.delete(KEY)
    const later = await subject.put(subject.entry({ vary: VARY }, EN))
    assert.ok(later)
    assert.equal(await subject.store.update(moved(stored, a), { from }), false)
    assert.equal(await subject.store.update(moved(later, a), { from, asOf }), false)
    assert.deepEqual((await subject.find(KEY, a))?.entry, later)
  })
}

async function remove({ store }: Subject, entry: Entry): Promise<void> {
  await removeEntry(store, entry)
}

/** One variant for each; their bodies are told apart by the time of the request. */
async function putAll(
  subject: Subject,
  variants: readonly SelectingFields[],
  size: number
): Promise<Map<SelectingFields, Entry>> {
  const stored = new Map<SelectingFields, Entry>()
  for (const fields of variants) {
    const entry = subject.entry({ vary: VARY }, fields)
    const whole = await subject.put(entry, bytesOf(size, entry.requestTimeMs))
    assert.ok(whole)
    stored.set(fields, whole)
  }
  return stored
}
