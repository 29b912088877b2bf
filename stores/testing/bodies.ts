import assert from 'node:assert/strict'
import { isUint8Array } from 'node:util/types'
import type { Body } from '../store.ts'
import { bytesOf, chunksOf, readBody } from './bytes.ts'
import { type Check, finished, KEY, type Subject } from './subject.ts'

const KIBIBYTE = 1024
const SIZES = [0, 1, KIBIBYTE, 64 * KIBIBYTE + 1, KIBIBYTE ** 2, 5 * KIBIBYTE ** 2]

/** Bodies come back as they were written: whole, once committed, and not before. */
export function testBodies(check: Check): void {
  check('finds nothing where nothing is stored', async subject => {
    const { stored, otherVariants } = await subject.get()
    assert.deepEqual([...stored], [])
    assert.equal(otherVariants, false)
  })

  for (const size of SIZES) {
    check(`gives back a body of ${size} bytes`, async subject => {
      const body = bytesOf(size)
      assert.notEqual(await subject.put(subject.entry(), body), undefined)
      assertSame(await subject.bytes(), body)
      assertSame(await subject.bytes(), body)
    })
  }

  check('gives back text that is not UTF-8, and text with a byte order mark', async subject => {
    for (const body of [Buffer.from([0xff, 0xfe, 0x00, 0x80]), Buffer.from('\uFEFF{}'), Buffer.from('\0')]) {
      await subject.put(subject.entry(), body)
      assertSame(await subject.bytes(), body)
    }
  })

  for (const size of [KIBIBYTE, 64 * KIBIBYTE, 300_000]) {
    check(`lets a body of ${size} bytes be taken, and changed, as often as one likes`, async subject => {
      const body = bytesOf(size)
      const range = { start: Math.floor(size / 4), end: size }
      await subject.put(subject.entry(), body)
      const first = await subject.find()
      if (first?.take === undefined) return subject.context.skip('the store gives out what it keeps')
      for (let i = 0; i < 3; i++) {
        const found = await subject.find()
        for (const stored of [first, found]) {
          assertSame(await readAndSpoil(await stored?.take?.()), body)
          if (subject.store.capabilities.ranges) {
            assertSame(await readAndSpoil(await stored?.take?.(range)), body.subarray(range.start))
          }
          const opened = await stored?.open()
          assertSame(opened === undefined ? undefined : await readBody(opened), body)
        }
      }
      const stored = await subject.find()
      const opened = await stored?.open()
      await readAndSpoil(await stored?.take?.())
      assert.ok(opened)
      assertSame(await readBody(opened), body)
    })
  }

  check('shows nothing of a response before it is committed', async subject => {
    const { store } = subject
    const entry = subject.entry()
    const body = bytesOf(200_000)
    const writer = await store.put(entry)
    assert.ok(writer)
    for (const chunk of chunksOf(body)) await writer.write(chunk)
    assert.equal(await subject.find(), undefined)
    assert.equal(await writer.commit(finished(entry, body.byteLength)), true)
    assertSame(await subject.bytes(), body)
  })

  check('keeps what is stored until its replacement is committed', async subject => {
    const { store } = subject
    const old = bytesOf(100_000, 1)
    const body = bytesOf(100_000, 2)
    await subject.put(subject.entry(), old)
    const entry = subject.entry()
    const writer = await store.put(entry)
    assert.ok(writer)
    for (const chunk of chunksOf(body)) await writer.write(chunk)
    assertSame(await subject.bytes(), old)
    assert.equal(await writer.commit(finished(entry, body.byteLength)), true)
    assertSame(await subject.bytes(), body)
  })

  check('leaves nothing of an aborted response', async subject => {
    const { store } = subject
    const writer = await store.put(subject.entry())
    await writer?.write(bytesOf(200_000))
    await writer?.abort()
    const { stored, otherVariants } = await subject.get()
    assert.deepEqual([...stored], [])
    assert.equal(otherVariants, false)
  })

  check('keeps what is stored when its replacement is aborted', async subject => {
    const body = bytesOf(100_000)
    await subject.put(subject.entry(), body)
    const writer = await subject.store.put(subject.entry())
    await writer?.write(bytesOf(100_000, 2))
    await writer?.abort()
    assertSame(await subject.bytes(), body)
  })

  for (const size of [1000, 300_000]) {
    check(`never mixes a body of ${size} bytes with that of its replacement`, async subject => {
      const body = bytesOf(size, 1)
      await replaceWhileReading(subject, body, async () => {
        await subject.put(subject.entry(), bytesOf(size, 2))
      })
      assertSame(await subject.bytes(), bytesOf(size, 2))
    })

    check(`never cuts a body of ${size} bytes short when it is deleted while being read`, async subject => {
      const body = bytesOf(size, 1)
      await replaceWhileReading(subject, body, async () => subject.store.delete(KEY))
    })
  }
}

/** What a body holds, all of which is then overwritten: whoever takes a body may do so. */
async function readAndSpoil(body: Body | undefined): Promise<Buffer> {
  assert.ok(body, 'nothing came back')
  const pieces: Buffer[] = []
  for await (const piece of isUint8Array(body) ? [body] : body) {
    pieces.push(Buffer.from(piece))
    piece.fill(0x2a)
  }
  return Buffer.concat(pieces)
}

/** A response found before `change` is read after it, opened and not yet opened: the old bytes, or a failure. */
async function replaceWhileReading(subject: Subject, old: Uint8Array, change: () => Promise<void>): Promise<void> {
  await subject.put(subject.entry(), old)
  const unopened = await subject.find()
  const opened = await (await subject.find())?.open()
  assert.ok(opened)
  await change()
  await assertSameOrFails(old, () => opened)
  await assertSameOrFails(old, () => unopened?.open())
}

/** What the body holds is `expected`, or it cannot be had. */
async function assertSameOrFails(
  expected: Uint8Array,
  open: () => Body | undefined | Promise<Body | undefined>
): Promise<void> {
  let bytes: Buffer | undefined
  try {
    const body = await open()
    bytes = body === undefined ? undefined : await readBody(body)
  } catch {
    return
  }
  if (bytes !== undefined) assertSame(bytes, expected)
}

/** As assert.deepEqual, with a message that one can read. */
export function assertSame(actual: Uint8Array | undefined, expected: Uint8Array): void {
  assert.ok(actual, `nothing came back of ${expected.byteLength} bytes`)
  assert.equal(actual.byteLength, expected.byteLength, 'the length of the body')
  assert.ok(Buffer.compare(actual, expected) === 0, `other bytes came back than the ${expected.byteLength} written`)
}
