import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Blocks } from '../../stores/shared/blocks.ts'
import { sliceBlocks } from '../../stores/shared/body-range.ts'

const bytes = randomBytes(400_000)

/** Sizes as sockets, encoders and mischief make them. */
const anySize = fc.oneof(
  fc.nat(20),
  fc.integer({ min: 900, max: 1100 }),
  fc.integer({ min: 16_000, max: 17_000 }),
  fc.integer({ min: 65_000, max: 66_000 }),
  fc.constantFrom(0, 1, 1023, 1024, 1025, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537)
)
const anySizes = fc.oneof(
  fc.array(anySize, { maxLength: 12 }),
  fc
    .tuple(anySize, fc.nat(300))
    .map(([size, count]) => Array.from({ length: size > 2000 ? count % 4 : count }, () => size))
)

/** Copies of the next bytes, of the sizes given, some of them views into something larger. */
function chunksOf(sizes: readonly number[]): Uint8Array[] {
  let offset = 0
  return sizes.map((size, i) => {
    const chunk = bytes.subarray(offset % 200_000, (offset % 200_000) + size)
    offset += size
    return i % 2 === 0 ? new Uint8Array(chunk) : new Uint8Array([0, ...chunk, 0]).subarray(1, 1 + size)
  })
}

describe('Blocks', () => {
  test('hold what was pushed, whatever the chunks', () => {
    fc.assert(
      fc.property(anySizes, sizes => {
        const chunks = chunksOf(sizes)
        const whole = Buffer.concat(chunks)
        const blocks = new Blocks()
        let byteLength = 0
        for (const chunk of chunks) {
          blocks.push(chunk)
          byteLength += chunk.byteLength
          assert.equal(blocks.byteLength, byteLength)
        }
        const pieces = blocks.finish()
        assert.ok(Buffer.concat(pieces).equals(whole))
        assert.ok(Buffer.concat(chunks).equals(whole), 'the chunks are as they were')
        assert.ok(pieces.every(piece => piece.byteLength > 0))
      })
    )
  })

  test('are few, however small the chunks', () => {
    for (const size of [1, 7, 100, 1000, 5000, 16_383]) {
      const blocks = new Blocks()
      for (let given = 0; given < 300_000; given += size) blocks.push(new Uint8Array(size))
      const pieces = blocks.finish()
      assert.ok(pieces.length <= 8, `${pieces.length} blocks for chunks of ${size} bytes`)
    }
  })

  test('hold hardly more memory than bytes, once they are finished', () => {
    fc.assert(
      fc.property(anySizes, sizes => {
        const blocks = new Blocks()
        for (const size of sizes) blocks.push(new Uint8Array(size))
        const buffers = new Set(blocks.finish().map(piece => piece.buffer))
        const held = [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0)
        assert.equal(held, blocks.byteLength)
      })
    )
  })

  test('keep a body of one chunk, and large chunks, without copying', () => {
    const one = new Uint8Array(100)
    const single = new Blocks()
    single.push(one)
    assert.deepEqual(single.finish(), [one])
    assert.equal(single.finish()[0], one)
    const large = new Uint8Array(20_000)
    const several = new Blocks()
    several.push(new Uint8Array(10))
    several.push(large)
    several.push(new Uint8Array(10))
    assert.equal(several.finish()[1], large)
  })

  test('are none for an empty body', () => {
    for (const pushes of [0, 1, 3]) {
      const blocks = new Blocks()
      for (let i = 0; i < pushes; i++) blocks.push(new Uint8Array())
      assert.deepEqual(blocks.finish(), [])
    }
  })

  test('take time in proportion to the bytes, however small the chunks', () => {
    const msFor = (count: number) => {
      const started = process.cpuUsage()
      const blocks = new Blocks()
      for (let i = 0; i < count; i++) blocks.push(new Uint8Array(1))
      blocks.finish()
      return process.cpuUsage(started).user / 1000
    }
    msFor(20_000)
    const few = Math.min(msFor(20_000), msFor(20_000), msFor(20_000))
    const many = msFor(400_000)
    assert.ok(many < few * 20 * 8 + 50, `${many} ms for twenty times as many as took ${few} ms`)
  })
})

describe('a range of a body in pieces', () => {
  test('is those bytes, as views, and undefined beyond the end', () => {
    fc.assert(
      fc.property(
        anySizes,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (sizes, a, b) => {
          const pieces = chunksOf(sizes)
          const whole = Buffer.concat(pieces)
          const [low, high] = [a, b].map(share => Math.round(share * whole.byteLength)).sort((x, y) => x - y)
          const range = { start: low ?? 0, end: high ?? 0 }
          const slices = sliceBlocks(pieces, range)
          assert.ok(Buffer.concat(slices ?? []).equals(whole.subarray(range.start, range.end)))
          assert.ok(slices?.every(slice => pieces.some(piece => piece.buffer === slice.buffer)))
          assert.equal(sliceBlocks(pieces, { start: range.start, end: whole.byteLength + 1 }), undefined)
        }
      )
    )
  })
})
