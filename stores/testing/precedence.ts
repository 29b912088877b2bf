import assert from 'node:assert/strict'
import type { Entry } from '../../lib/rfc9111/types.ts'
import { assertSame } from './bodies.ts'
import { bytesOf, chunksOf } from './bytes.ts'
import { DELETIONS, isDone } from './deletions.ts'
import { type Check, finished, KEY, type Subject } from './subject.ts'

const LINES: Entry['lines'] = [
  ['Cache-Control', 'max-age=3600'],
  ['ETag', '"1"']
]
const PART_BYTES = 10

/** What is stored while another body of the same version is under way, and says less of it. */
const LESSER: readonly { readonly what: string; store(subject: Subject, byteLength: number): Promise<boolean> }[] = [
  {
    what: 'a response to HEAD',
    store: async (subject, byteLength) => {
      const lines: Entry['lines'] = [...LINES, ['Content-Length', `${byteLength}`]]
      return (await subject.put(subject.entry({ lines, method: 'HEAD' }), new Uint8Array())) !== undefined
    }
  },
  {
    what: 'a part',
    store: (subject, byteLength) => {
      const entry = subject.entry({ lines: LINES })
      const segments = [{ start: 0, end: PART_BYTES }]
      return commit(subject, { ...entry, completeLength: byteLength, segments }, bytesOf(PART_BYTES))
    }
  }
]

/** What says less of a version than a body that has begun before it does not keep that from being stored. */
export function testPrecedence(check: Check): void {
  for (const { what, store } of LESSER) {
    for (const size of [1000, 300_000]) {
      check(`stores a body of ${size} bytes although ${what} of its version came meanwhile`, async subject => {
        const body = bytesOf(size)
        const { entry, end } = await begin(subject, body)
        assert.equal(await store(subject, size), true)
        assert.equal(await end(), true)
        assert.deepEqual((await subject.find())?.entry, finished(entry, size))
        assertSame(await subject.bytes(), body)
      })
    }

    check(`refuses a body that was deleted although ${what} came after that`, async subject => {
      const { end } = await begin(subject, bytesOf(1000))
      await subject.store.delete(KEY)
      assert.equal(await store(subject, 1000), true)
      const held = (await subject.find())?.entry
      assert.ok(held)
      assert.equal(await end(), false)
      assert.deepEqual((await subject.find())?.entry, held)
    })

    for (const deletion of DELETIONS) {
      check(`stores ${what} after ${deletion.what} of a body of its version`, async subject => {
        if (!(await isDone(subject, deletion))) return
        assert.equal(await (await begin(subject, bytesOf(1000))).end(), true)
        await deletion.run(subject.store)
        assert.equal(await store(subject, 1000), true)
        assert.notEqual(await subject.find(), undefined)
      })
    }
  }

  check('stores a part although one with fewer bytes of its version came meanwhile', async subject => {
    const entry = subject.entry({ lines: LINES })
    const larger = { ...entry, completeLength: 1000, segments: [{ start: 0, end: 500 }] }
    const writer = await subject.store.put(larger, { asOf: await (await subject.get()).asOf() })
    assert.ok(writer)
    await writer.write(bytesOf(500))
    assert.equal(await LESSER[1]?.store(subject, 1000), true)
    assert.equal(await writer.commit(larger), true)
    assert.deepEqual((await subject.find())?.entry, larger)
    assertSame(await subject.bytes(), bytesOf(500))
  })
}

/** A body all but its end, and what ends it. */
async function begin(subject: Subject, body: Uint8Array) {
  const asOf = await (await subject.get()).asOf()
  const entry = subject.entry({ lines: LINES })
  const writer = await subject.store.put(entry, { asOf })
  assert.ok(writer)
  const half = Math.ceil(body.byteLength / 2)
  for (const chunk of chunksOf(body.subarray(0, half))) await writer.write(chunk)
  const end = async () => {
    for (const chunk of chunksOf(body.subarray(half))) await writer.write(chunk)
    return writer.commit(finished(entry, body.byteLength))
  }
  return { entry, end }
}

async function commit(subject: Subject, entry: Entry, body: Uint8Array): Promise<boolean> {
  const writer = await subject.store.put(entry)
  assert.ok(writer)
  await writer.write(body)
  return writer.commit(entry)
}
