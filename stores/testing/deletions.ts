import assert from 'node:assert/strict'
import type { BodyWriter, CacheStore } from '../store.ts'
import { assertSame } from './bodies.ts'
import { bytesOf } from './bytes.ts'
import { type Check, finished, KEY, OTHER_KEY, type Subject, TAG } from './subject.ts'

interface Deletion {
  readonly what: string
  run(store: CacheStore): void | Promise<void>
  /** What the store must be able to do for it. */
  readonly needs?: 'tags' | 'clear'
}

/** Whatever removes what is stored for `KEY`. */
export const DELETIONS: readonly Deletion[] = [
  { what: 'delete', run: store => store.delete(KEY) },
  { what: 'deleteByTag', run: store => store.deleteByTag(TAG), needs: 'tags' },
  { what: 'clear', run: store => store.clear(), needs: 'clear' }
]

/** A deletion wins over every response whose request began before it. */
export function testDeletions(check: Check): void {
  for (const deletion of DELETIONS) {
    const { what } = deletion
    const checkDeletion = (title: string, run: (subject: Subject) => Promise<void>) =>
      check(title, async subject => {
        if (await isDone(subject, deletion)) await run(subject)
      })

    checkDeletion(`${what} removes what is stored, body and all`, async subject => {
      await subject.put(subject.entry(), bytesOf(100_000))
      await deletion.run(subject.store)
      const { stored, otherVariants } = await subject.get()
      assert.deepEqual([...stored], [])
      assert.equal(otherVariants, false)
    })

    checkDeletion(`${what} of what is not stored does nothing`, async subject => {
      await deletion.run(subject.store)
      await deletion.run(subject.store)
      assert.equal(await subject.find(), undefined)
    })

    checkDeletion(`${what} between lookup and put makes the response unwelcome`, async subject => {
      const asOf = await (await subject.get()).asOf()
      await deletion.run(subject.store)
      assert.equal(await subject.put(subject.entry(), bytesOf(10), asOf), undefined)
      assert.equal(await subject.find(), undefined)
    })

    for (const size of [100, 200_000]) {
      checkDeletion(`${what} during the put of ${size} bytes makes commit false`, async subject => {
        const asOf = await (await subject.get()).asOf()
        await subject.put(subject.entry(), bytesOf(10))
        const { writer, commit } = await begin(subject, size, asOf)
        await deletion.run(subject.store)
        await writer.write(bytesOf(size))
        assert.equal(await commit(), false)
        assert.equal(await subject.find(), undefined)
      })
    }

    checkDeletion(`${what} during a put that names no position makes commit false`, async subject => {
      const { writer, commit } = await begin(subject, 10)
      await writer.write(bytesOf(10))
      await deletion.run(subject.store)
      assert.equal(await commit(), false)
      assert.equal(await subject.find(), undefined)
    })

    checkDeletion(`${what} beside a commit under way leaves nothing`, async subject => {
      const { writer, commit } = await begin(subject, 100_000)
      await writer.write(bytesOf(100_000))
      await Promise.all([commit(), deletion.run(subject.store)])
      assert.equal(await subject.find(), undefined)
    })

    checkDeletion(`${what} between lookup and update makes the update false`, async subject => {
      const stored = await subject.put(subject.entry())
      assert.ok(stored)
      const asOf = await (await subject.get()).asOf()
      await deletion.run(subject.store)
      assert.equal(await subject.store.update({ ...stored, statusText: 'New' }, { asOf }), false)
      // Even where another has stored the very same response again.
      assert.notEqual(await subject.put(stored), undefined)
      assert.equal(await subject.store.update({ ...stored, statusText: 'New' }, { asOf }), false)
      assert.equal((await subject.find())?.entry.statusText, 'OK')
    })

    checkDeletion(`${what} beside an update under way leaves nothing`, async subject => {
      const stored = await subject.put(subject.entry(), bytesOf(100_000))
      assert.ok(stored)
      const asOf = await (await subject.get()).asOf()
      await Promise.all([subject.store.update({ ...stored, statusText: 'New' }, { asOf }), deletion.run(subject.store)])
      assert.equal(await subject.find(), undefined)
    })

    checkDeletion(`what is asked for after ${what} is stored`, async subject => {
      const late = await begin(subject, 10, await (await subject.get()).asOf())
      await deletion.run(subject.store)
      const asOf = await (await subject.get()).asOf()
      const body = bytesOf(1000, 2)
      const stored = await subject.put(subject.entry(), body, asOf)
      assert.ok(stored, 'with the position of a later lookup')
      await late.writer.write(bytesOf(10))
      assert.equal(await late.commit(), false)
      assertSame(await subject.bytes(), body)
      assert.equal(await subject.store.update({ ...stored, statusText: 'New' }, { asOf }), true)
      assert.notEqual(await subject.put(subject.entry(), body), undefined, 'with no position: now')
    })
  }

  check('a deletion has no say over what is asked for after it, whatever else is deleted meanwhile', async subject => {
    await subject.store.delete(KEY)
    const { writer, commit } = await begin(subject, 10, await (await subject.get()).asOf())
    await subject.store.delete(OTHER_KEY)
    await writer.write(bytesOf(10))
    assert.equal(await commit(), true)
    assertSame(await subject.bytes(), bytesOf(10))
  })

  check('refuses to clear where it cannot', async subject => {
    if (subject.store.capabilities.clear !== false) return subject.context.skip('the store can be cleared')
    await assert.rejects(async () => subject.store.clear())
  })

  check('delete leaves other keys, and what is being stored for them', async subject => {
    const other = subject.entry({ key: OTHER_KEY })
    const asOf = await (await subject.get(OTHER_KEY)).asOf()
    await subject.put(other)
    await subject.store.delete(KEY)
    assert.equal((await subject.find(OTHER_KEY))?.entry.id, other.id)
    assert.notEqual(await subject.put(subject.entry({ key: OTHER_KEY }), bytesOf(10), asOf), undefined)
  })
}

async function begin(
  subject: Subject,
  size: number,
  asOf?: unknown
): Promise<{ writer: BodyWriter; commit: () => Promise<boolean> }> {
  const entry = subject.entry()
  const writer = await subject.store.put(entry, asOf === undefined ? {} : { asOf })
  assert.ok(writer)
  return { writer, commit: async () => writer.commit(finished(entry, size)) }
}

/** Whether the store can do what the test is about; the test is skipped where it cannot. */
export async function isDone(subject: Subject, { what, needs }: Deletion): Promise<boolean> {
  return needs === undefined || !subject.skipUnless(subject.store.capabilities[needs] ?? true, what)
}
