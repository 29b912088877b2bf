// Objects that somebody has damaged, exchanged or forged: never served, and removed.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { entryOf, find, KEY, put, read, until } from '../../support/file-store.ts'
import { bytesOf, noise } from '../../support/responses.ts'
import { bytesOfObject, objectsOf, removeObject, watchedStore, writeObject } from './support.ts'

const OTHER = 'https://store.test/other'

async function storedBody(size: number) {
  const watched = watchedStore()
  await put(watched.store, {}, noise(size))
  const names = await objectsOf(watched.plain, 'e/')
  const [record = ''] = names.filter(name => !name.includes('~'))
  const [body = ''] = names.filter(name => name.includes('~'))
  return { ...watched, record, body }
}

it('a record with any one byte changed is a miss, and is removed', async () => {
  const { store, plain, record } = await storedBody(300)
  const bytes = await bytesOfObject(plain, record)
  for (let i = 0; i < bytes.byteLength; i += 7) {
    const changed = Buffer.from(bytes)
    changed.writeUInt8(changed.readUInt8(i) ^ 0x40, i)
    await writeObject(plain, record, changed)
    assert.equal(await find(store), undefined, `byte ${i}`)
    if (i % 70 === 0) await until(async () => (await objectsOf(plain, 'e/')).length === 0)
  }
})

it('a record that is cut short, empty, or followed by something is a miss', async () => {
  const { store, plain, record } = await storedBody(300)
  const bytes = await bytesOfObject(plain, record)
  for (const length of [0, 1, 12, 119, 120, bytes.byteLength - 1]) {
    await writeObject(plain, record, bytes.subarray(0, length))
    assert.equal(await find(store), undefined, `${length} bytes`)
  }
  await writeObject(plain, record, Buffer.concat([bytes, Buffer.alloc(1)]))
  assert.equal(await find(store), undefined, 'a byte more')
  await writeObject(plain, record, Buffer.alloc(6_000_000))
  assert.equal(await find(store), undefined, 'far too large')
})

it('a record in the place of another is a miss', async () => {
  const { store, plain, record } = await storedBody(300)
  const bytes = await bytesOfObject(plain, record)
  await put(store, { key: OTHER })
  const [place = ''] = (await objectsOf(plain, 'e/')).filter(name => name !== record)
  await writeObject(plain, place, bytes)
  assert.equal(await find(store, OTHER), undefined)
  assert.ok(await find(store))
})

it('a chunk that is damaged is not given, whichever it is, and the response is removed', async () => {
  for (const chunk of [0, 1, 3]) {
    const { store, plain, body } = await storedBody(500_000)
    const bytes = await bytesOfObject(plain, body)
    bytes.writeUInt8(bytes.readUInt8(chunk * 131_076 + 5) ^ 1, chunk * 131_076 + 5)
    await writeObject(plain, body, bytes)
    const opened = await (await find(store))?.open()
    if (chunk === 0) assert.equal(opened, undefined)
    else {
      const pieces: Uint8Array[] = []
      const reading = async () => {
        for await (const piece of opened as AsyncIterable<Uint8Array>) pieces.push(piece)
      }
      await assert.rejects(reading, { code: 'ERR_CACHE_BODY' })
      assert.deepEqual(Buffer.concat(pieces), noise(500_000).subarray(0, chunk * 131_072))
    }
    await until(async () => (await objectsOf(plain, 'e/')).length === 0)
  }
})

it('a body that is cut short, gone, or that of another ends in an error or is not opened', async () => {
  const { store, plain, body } = await storedBody(300_000)
  const bytes = await bytesOfObject(plain, body)
  for (const length of [0, 100, 131_076, 200_000, bytes.byteLength - 1]) {
    await put(store, {}, noise(300_000))
    const [name = ''] = (await objectsOf(plain, 'e/')).filter(each => each.includes('~'))
    const whole = await bytesOfObject(plain, name)
    await writeObject(plain, name, whole.subarray(0, length))
    const opened = await (await find(store))?.open()
    if (opened !== undefined) await assert.rejects(bytesOf(opened), { code: 'ERR_CACHE_BODY' }, `${length} bytes`)
    await until(async () => (await find(store)) === undefined)
    await put(store, {}, noise(300_000))
    const [other = ''] = (await objectsOf(plain, 'e/')).filter(each => each.includes('~'))
    await writeObject(plain, other, whole)
    assert.equal(await (await find(store))?.open(), undefined, 'of the same length, and another response')
  }
  await put(store, {}, noise(300_000))
  const stored = await find(store)
  for (const name of await objectsOf(plain, 'e/')) if (name.includes('~')) await removeObject(plain, name)
  assert.equal(await stored?.open(), undefined)
})

it('a trace of a deletion that nobody has written is one all the same', async () => {
  const { store, plain } = watchedStore()
  await store.delete(KEY)
  const [name = ''] = await objectsOf(plain, 'd/')
  for (const text of ['', 'x', '\0'.repeat(100_000)]) {
    await writeObject(plain, name, Buffer.from(text))
    assert.ok(await put(store), 'as of now')
    await store.sweep()
    assert.ok(await find(store))
  }
})

it('nothing of a request is in what is written, but for the key and what the origin has said', async () => {
  const { store, plain } = watchedStore()
  const variantKey = 'GET\n\nauthorization:Bearer s3cr3t\ncookie:sid=s3cr3t'
  await put(store, { variantKey, vary: ['authorization', 'cookie'] }, noise(100_000))
  const entry = entryOf({ variantKey, vary: ['authorization', 'cookie'] })
  await store.update({ ...entry, id: (await store.get(KEY, () => variantKey)).stored[0]?.entry.id ?? '' })
  for (const name of await objectsOf(plain)) {
    assert.ok(!name.includes('s3cr3t'))
    assert.ok(!(await bytesOfObject(plain, name)).includes('s3cr3t'), name)
  }
  for await (const listed of store.entries()) assert.ok(!JSON.stringify(listed).includes('s3cr3t'))
  assert.equal((await read(store)) === undefined, true)
})
