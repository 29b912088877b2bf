// Whatever becomes of the bytes on the disk: the right response, none, or a failure; never another.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import {
  bodiesOf,
  find,
  get,
  isStress,
  openStore,
  put,
  read,
  recordsOf,
  until,
  variantKey
} from '../../support/file-store.ts'
import { bytesOf, noise } from '../../support/responses.ts'

const CHUNK_BYTES = 131_072
const FRAME_BYTES = CHUNK_BYTES + 4
const HEAD_BYTES = 120

describe('a small response', () => {
  for (const serializer of [undefined, new JsonBytesSerializer()]) {
    it(`of which any one byte has changed is not found (${serializer?.name ?? 'message-pack'})`, async () => {
      await using opened = await openStore(serializer === undefined ? {} : { serializer })
      const { store } = opened
      const lines = [
        ['Cache-Control', 'max-age=60'],
        ['ETag', '"1"']
      ] as const
      const entry = await put(store, { lines, vary: ['accept'], variantKey: variantKey(['accept'], 'a') })
      const [path = ''] = recordsOf(store)
      const bytes = readFileSync(path)
      // Beyond the head, which has no serializer, there is one checksum for all.
      for (let at = 0; at < bytes.byteLength; at += at < HEAD_BYTES || isStress ? 1 : 5) {
        const damaged = Buffer.from(bytes)
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8))
        writeFileSync(path, damaged)
        const { stored } = await get(store, undefined, 'a')
        for (const found of stored) {
          assert.deepEqual(found.entry, entry, `byte ${at}`)
          assert.equal(String(await bytesOf((await found.open()) ?? assert.fail())), 'body')
        }
      }
      await until(async () => {
        // What was damaged may be on its way out.
        writeFileSync(path, bytes)
        return (await find(store, undefined, 'a')) !== undefined
      })
    })
  }

  for (const size of [1000, 40_000]) {
    it(`of ${size} bytes, of which one byte has changed since it was last read, is not found`, async () => {
      await using opened = await openStore()
      const { store } = opened
      const body = noise(size)
      const entry = await put(store, {}, body)
      const [path = ''] = recordsOf(store)
      const bytes = readFileSync(path)
      for (let at = 0; at < bytes.byteLength; at += at < HEAD_BYTES ? 7 : Math.ceil(size / 97)) {
        for (let i = 0; i < 2; i++) {
          const intact = await find(store)
          assert.deepEqual(intact?.entry, entry)
          assert.ok(body.equals(await bytesOf((await intact?.open()) ?? assert.fail())))
        }
        const damaged = Buffer.from(bytes)
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8))
        for (const wrong of [damaged, bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.alloc(1)])]) {
          writeFileSync(path, wrong)
          assert.equal(await find(store), undefined, `byte ${at}`)
        }
        await until(() => recordsOf(store).length === 0)
        writeFileSync(path, bytes)
      }
    })
  }

  it('that has lost bytes, or got more, is not found', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store)
    const [path = ''] = recordsOf(store)
    const bytes = readFileSync(path)
    const variants: Uint8Array[] = []
    for (let length = 0; length < bytes.byteLength; length += 3) variants.push(bytes.subarray(0, length))
    variants.push(
      Buffer.concat([bytes, Buffer.alloc(1)]),
      Buffer.concat([bytes, bytes]),
      Buffer.alloc(bytes.byteLength)
    )
    variants.push(noise(bytes.byteLength), noise(1_000_000), Buffer.concat([bytes.subarray(0, 100), noise(500_000)]))
    for (const damaged of variants) {
      writeFileSync(path, damaged)
      assert.equal(await find(store), undefined, `${damaged.byteLength} bytes`)
    }
  })

  it('that is damaged is removed, and can be stored again', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store)
    const [path = ''] = recordsOf(store)
    truncateSync(path, 200)
    assert.equal(await find(store), undefined)
    await until(() => recordsOf(store).length === 0)
    assert.ok(await put(store, {}, Buffer.from('again')))
    assert.equal(String(await read(store)), 'again')
  })

  it('that lies in the place of another is not found', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store, { key: 'https://store.test/a' })
    const [of = ''] = recordsOf(store)
    await put(store, { key: 'https://store.test/b' })
    const [to = ''] = recordsOf(store).filter(path => path !== of)
    copyFileSync(of, to)
    assert.equal(await find(store, 'https://store.test/b'), undefined)
    assert.notEqual(await find(store, 'https://store.test/a'), undefined)
  })
})

describe('a record file of a gigabyte', () => {
  for (const [what, bytes] of [
    ['that goes on after the record', undefined],
    ['that says its head is as long', 2 ** 30 - 1000]
  ] as const) {
    it(`${what} is removed, and not read`, async () => {
      await using opened = await openStore()
      const { store } = opened
      await put(store)
      const [path = ''] = recordsOf(store)
      const record = readFileSync(path)
      if (bytes !== undefined) record.writeUInt32LE(bytes, 12)
      writeFileSync(path, record)
      truncateSync(path, 2 ** 30)
      const before = process.resourceUsage().maxRSS
      await store.sweep()
      assert.equal(await find(store), undefined)
      await until(() => recordsOf(store).length === 0)
      assert.ok(process.resourceUsage().maxRSS - before < 65_536, 'in KiB')
    })
  }
})

describe('a large body', () => {
  const body = noise(2 * CHUNK_BYTES + 1000)
  const fileBytes = body.byteLength + 3 * 4
  const REGIONS = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 3]
  const PLACES = [0, 1, 2].flatMap(i => REGIONS.map(at => i * FRAME_BYTES + at)).filter(at => at < fileBytes)
  PLACES.push(fileBytes - 5, fileBytes - 4, fileBytes - 1)

  for (const place of PLACES) {
    it(`of which byte ${place} has changed is served up to the chunk before, at most`, async () => {
      await using opened = await openStore()
      const { store } = opened
      await put(store, {}, body)
      const [path = ''] = bodiesOf(store)
      const bytes = readFileSync(path)
      assert.equal(bytes.byteLength, fileBytes)
      bytes[place] = (bytes[place] ?? 0) ^ 0x10
      writeFileSync(path, bytes)
      const opening = await (await find(store))?.open()
      const chunk = Math.floor(place / FRAME_BYTES)
      if (chunk === 0) assert.equal(opening, undefined, 'before the first byte')
      else {
        const given: Uint8Array[] = []
        await assert.rejects(
          async () => {
            for await (const piece of opening as AsyncIterable<Uint8Array>) given.push(piece)
          },
          { name: 'CacheError', code: 'ERR_CACHE_BODY' }
        )
        assert.deepEqual(Buffer.concat(given), body.subarray(0, chunk * CHUNK_BYTES))
      }
      await until(() => recordsOf(store).length === 0 && bodiesOf(store).length === 0)
      assert.equal(await find(store), undefined)
    })
  }

  const DAMAGES: readonly (readonly [string, (path: string) => void])[] = [
    ['cut short', path => truncateSync(path, FRAME_BYTES)],
    ['emptied', path => truncateSync(path, 0)],
    ['longer', path => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(1)]))],
    ['gone', path => rmSync(path)],
    [
      'a folder',
      path => {
        rmSync(path)
        mkdirSync(path)
      }
    ]
  ]
  for (const [what, damage] of DAMAGES) {
    it(`whose file is ${what} is not served`, async () => {
      await using opened = await openStore()
      const { store } = opened
      await put(store, {}, body)
      const [path = ''] = bodiesOf(store)
      damage(path)
      assert.equal(await (await find(store))?.open(), undefined)
      assert.ok(await put(store, {}, body), 'it can be stored again')
      assert.deepEqual(await read(store), body)
    })
  }

  it('does not pass for another of the same length, nor a chunk for the next', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store, { key: 'https://store.test/a' }, body)
    const [of = ''] = bodiesOf(store)
    await put(store, { key: 'https://store.test/b' }, noise(body.byteLength, 2))
    const [to = ''] = bodiesOf(store).filter(path => path !== of)
    copyFileSync(of, to)
    assert.equal(await (await find(store, 'https://store.test/b'))?.open(), undefined)
    const bytes = readFileSync(of)
    bytes.copy(bytes, FRAME_BYTES, 0, FRAME_BYTES)
    writeFileSync(of, bytes)
    const opening = await (await find(store, 'https://store.test/a'))?.open()
    await assert.rejects(() => bytesOf(opening ?? assert.fail()), { code: 'ERR_CACHE_BODY' })
  })

  it('that is replaced or deleted while it is read is read to its end', async () => {
    await using opened = await openStore()
    const { store } = opened
    await put(store, {}, body)
    const replaced = (await (await find(store))?.open()) ?? assert.fail()
    await put(store, {}, noise(body.byteLength, 2))
    const deleted = (await (await find(store))?.open()) ?? assert.fail()
    await store.delete('https://store.test/a?b=1')
    await store.clear()
    assert.deepEqual(await bytesOf(replaced), body)
    assert.deepEqual(await bytesOf(deleted), noise(body.byteLength, 2))
  })

  it('that is left in the middle leaves no descriptor open', async t => {
    if (process.platform !== 'linux') return t.skip('descriptors cannot be counted here')
    const count = () => readdirSync('/proc/self/fd').length
    await using opened = await openStore()
    const { store } = opened
    await put(store, {}, body)
    await read(store)
    const before = count()
    for (let i = 0; i < 50; i++) {
      for await (const piece of ((await (await find(store))?.open()) ?? []) as AsyncIterable<Uint8Array>) {
        assert.equal(piece.byteLength, CHUNK_BYTES)
        break
      }
    }
    await until(() => count() <= before)
  })
})
