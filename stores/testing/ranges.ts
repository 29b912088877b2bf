import assert from 'node:assert/strict'
import type { ByteRange } from '../store.ts'
import { assertSame } from './bodies.ts'
import { bytesOf, chunksOf } from './bytes.ts'
import { type Check, KEY } from './subject.ts'

const SIZES = [1000, 300_000]

function rangesOf(size: number): readonly ByteRange[] {
  const middle = Math.floor(size / 2)
  return [
    { start: 0, end: 1 },
    { start: 0, end: size },
    { start: 1, end: size },
    { start: middle, end: middle + 7 },
    { start: Math.max(0, 65_535 % size), end: size },
    { start: Math.floor(size / 3), end: Math.floor((2 * size) / 3) },
    { start: size - 1, end: size }
  ]
}

/** Parts of a body. Where the store reads none, it may answer with undefined, never with other bytes. */
export function testRanges(check: Check): void {
  for (const size of SIZES) {
    check(`opens ranges of a body of ${size} bytes`, async subject => {
      const body = bytesOf(size)
      await subject.put(subject.entry(), body)
      for (const range of rangesOf(size)) {
        const bytes = await subject.read(await subject.find(), range)
        if (bytes === undefined && !subject.store.capabilities.ranges) continue
        assertSame(bytes, body.subarray(range.start, range.end))
      }
    })

    check(`opens no range that a body of ${size} bytes does not cover`, async subject => {
      await subject.put(subject.entry(), bytesOf(size))
      const outside = [
        { start: size - 1, end: size + 1 },
        { start: 0, end: size + 1 },
        { start: size, end: size + 1 },
        { start: size + 100_000, end: size + 200_000 }
      ]
      for (const range of outside) {
        assert.equal(await (await subject.find())?.open(range), undefined, `${range.start}-${range.end}`)
      }
    })
  }

  check('keeps a part of a response: its ranges count from its own first byte', async subject => {
    for (const size of SIZES) {
      const body = bytesOf(size)
      const entry = subject.entry()
      const writer = await subject.store.put(entry)
      for (const chunk of chunksOf(body)) await writer?.write(chunk)
      const [start, completeLength] = [100, size + 5000]
      const part = { ...entry, completeLength, segments: [{ start, end: start + size }] }
      assert.equal(await writer?.commit(part), true)
      const stored = await subject.find()
      assert.deepEqual([stored?.entry.completeLength, stored?.entry.segments], [completeLength, part.segments])
      assertSame(await subject.read(stored), body)
      for (const range of rangesOf(size)) {
        const bytes = await subject.read(await subject.find(), range)
        if (bytes === undefined && !subject.store.capabilities.ranges) continue
        assertSame(bytes, body.subarray(range.start, range.end))
      }
      assert.equal(await (await subject.find())?.open({ start: size, end: size + 1 }), undefined)
    }
  })

  check('opens no range of what has been deleted, or the bytes it had', async subject => {
    const body = bytesOf(300_000)
    await subject.put(subject.entry(), body)
    const stored = await subject.find()
    await subject.store.delete(KEY)
    const bytes = await subject.read(stored, { start: 10, end: 20 }).catch(() => undefined)
    if (bytes !== undefined) assertSame(bytes, body.subarray(10, 20))
  })
}
