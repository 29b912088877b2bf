// An ObjectStore on a real S3 server, which takes ten seconds to start: one for all of these tests.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { CachedClient } from 'undici-http-cache'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { ObjectStore } from 'undici-http-cache/stores/object'
import { type S3Driver, type S3DriverOptions, s3Driver } from 'undici-http-cache/stores/object/s3'
import { testStore } from 'undici-http-cache/stores/testing'
import { type CephServer, credentials, region, startCeph, whyNoCeph } from '../../support/ceph.ts'
import { entryOf, find, isStress, KEY, put, read, until } from '../../support/file-store.ts'
import { startOrigin } from '../../support/origin.ts'
import { bytesOf, finished, noise } from '../../support/responses.ts'
import { runScript } from '../../support/run-script.ts'
import { runLargeBody } from './large-body.ts'
import { ListingStore } from './listing-store.ts'

const skip = whyNoCeph()
const { signal } = new AbortController()
let server: CephServer
let count = 0

if (skip !== undefined) it('ObjectStore on S3', { skip })
else {
  describe('ObjectStore on S3', () => {
    before(async () => {
      server = await startCeph()
      await server.makeBucket('cache')
    })
    after(() => server[Symbol.asyncDispose]())

    for (const serializer of isStress ? [new MessagePackSerializer(), new JsonBytesSerializer()] : [undefined]) {
      testStore({
        name: `the contract, with the serializer ${serializer?.name ?? 'it has by default'}`,
        create: ({ maxEntrySizeBytes }) => {
          const prefix = `a!(b)/${++count}`
          return new ListingStore({ driver: driver(), prefix, maxEntrySizeBytes, ...(serializer && { serializer }) })
        },
        reopen: store => new ListingStore((store as ListingStore).options),
        variantCount: isStress ? 200 : 20
      })
    }
    testDriver()
    testThroughout()
  })
}

function driver(options: Partial<S3DriverOptions> = {}): S3Driver {
  return s3Driver({ endpoint: server.endpoint, region, bucket: 'cache', credentials, ...options })
}

async function namesOf(prefix: string): Promise<string[]> {
  const names: string[] = []
  for await (const name of driver().list(prefix, { signal })) names.push(name)
  return names
}

async function* pieces(lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (const [i, length] of lengths.entries()) yield noise(length, i + 1)
}

function testDriver(): void {
  const lengths = [6_000_000, 1, 5_242_880, 70_000, 3_000_000]
  const whole = Buffer.concat(lengths.map((length, i) => noise(length, i + 1)))

  it('keeps what comes in pieces, of known length or not', async () => {
    for (const size of [undefined, whole.byteLength]) {
      const name = `pieces/${size}`
      assert.equal(await driver().put(name, pieces(lengths), { size, signal }), true)
      assert.deepEqual(await bytesOf((await driver().get(name, { signal })) ?? []), whole)
      const part = await driver().get(name, { start: 5_999_990, end: 6_000_020, signal })
      assert.deepEqual(await bytesOf(part ?? []), whole.subarray(5_999_990, 6_000_020))
    }
  })

  it('shows nothing of what comes in pieces and does not come to its end, and leaves no part behind', async () => {
    for (const size of [undefined, whole.byteLength]) {
      const broken = (async function* () {
        yield* pieces(lengths.slice(0, 3))
        throw new Error('no more')
      })()
      await assert.rejects(driver().put('broken', broken, { size, signal }))
      const tooShort = pieces(lengths.slice(0, 3))
      if (size !== undefined) await assert.rejects(driver().put('broken', tooShort, { size, signal }))
      const abort = new AbortController()
      const aborted = (async function* () {
        yield* pieces(lengths.slice(0, 3))
        abort.abort()
        yield* pieces(lengths)
      })()
      await assert.rejects(driver().put('broken', aborted, { size, signal: abort.signal }))
    }
    assert.deepEqual(await namesOf('broken'), [])
    const uploads = await server.listUploads('cache')
    assert.match(uploads, /<ListMultipartUploadsResult/)
    assert.doesNotMatch(uploads, /<Upload>/)
  })

  it('puts what is not there, and leaves what is', async () => {
    const options = { size: 10, ifAbsent: true, signal }
    assert.equal(await driver().put('once', noise(10), options), true)
    assert.equal(await driver().put('once', noise(10, 2), options), false)
    assert.deepEqual(await bytesOf((await driver().get('once', { signal })) ?? []), noise(10))
    await driver().delete('once', { signal })
    await driver().delete('once', { signal })
    assert.equal(await driver().get('once', { signal }), undefined)
  })

  it('lists more than a thousand names, in order', async () => {
    const names = Array.from({ length: 1005 }, (_, i) => `many/${String(i).padStart(4, '0')}`)
    const left = [...names]
    const one = driver()
    const work = async () => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) {
        await one.put(name, new Uint8Array(), { size: 0, signal: new AbortController().signal })
      }
    }
    await Promise.all(Array.from({ length: 32 }, work))
    assert.deepEqual(await namesOf('many/'), names)
    assert.deepEqual(await namesOf('many/10'), names.slice(1000))
  })

  it('names what the service refuses', async () => {
    const refused = [
      [{ credentials: { accessKeyId: 'AK', secretAccessKey: 'wrong' } }, /403 SignatureDoesNotMatch/],
      [{ credentials: async () => ({ accessKeyId: 'wrong', secretAccessKey: 'SK' }) }, /403 InvalidAccessKeyId/],
      [{ bucket: 'none' }, /404 NoSuchBucket/]
    ] as const
    for (const [options, message] of refused) {
      const store = new ObjectStore({ driver: driver(options) })
      await assert.rejects(find(store), { code: 'ERR_CACHE_STORE', message })
    }
  })
}

function testThroughout(): void {
  it('a client stores and finds, small and large, and deletes', async () => {
    await using origin = await startOrigin(({ path }, response) => {
      response.setHeader('cache-control', 'max-age=60')
      if (path === '/chunked') response.write(noise(1_000_000))
      response.end(noise(path === '/small' ? 1000 : 500_000))
    })
    const store = new ObjectStore({ driver: driver(), prefix: 'client' })
    await using client = new CachedClient({ cache: { store, storeTimeoutMs: 10_000 } })
    for (const path of ['/small', '/large', '/chunked']) {
      const first = await client.get(origin.url + path)
      const bytes = Buffer.from(await first.body.arrayBuffer())
      // A response has ended before it is stored.
      await until(async () => (await store.get(origin.url + path, () => 'GET\n')).stored.length > 0)
      const second = await client.get(origin.url + path)
      assert.deepEqual([first.fromCache, second.fromCache], [false, true], path)
      assert.ok(bytes.equals(Buffer.from(await second.body.arrayBuffer())), path)
    }
  })

  it('a client has parts stored: of what it asks for, and of what breaks off', async () => {
    const whole = noise(12_000_000)
    await using origin = await startOrigin(({ headers, number }, response) => {
      const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0)
      const end = headers.range?.endsWith('-') === false ? start + 300_000 : whole.length
      const fields = { etag: '"a"', 'cache-control': 'max-age=60', 'content-length': end - start }
      if (headers.range === undefined) response.writeHead(200, fields)
      else response.writeHead(206, { ...fields, 'content-range': `bytes ${start}-${end - 1}/${whole.length}` })
      if (number === 2) response.write(whole.subarray(0, 11_000_000), () => response.destroy())
      else response.end(whole.subarray(start, end))
    })
    const store = new ObjectStore({ driver: driver(), prefix: 'parts' })
    await using client = new CachedClient({ cache: { store, storeTimeoutMs: 10_000 } })
    const headers = { range: 'bytes=100000-399999' }
    for (const isHit of [false, true]) {
      const { body, fromCache } = await client.get(`${origin.url}/part`, { headers })
      assert.equal(fromCache, isHit)
      assert.ok(Buffer.from(await body.arrayBuffer()).equals(whole.subarray(100_000, 400_000)))
      await until(async () => (await store.get(`${origin.url}/part`, () => 'GET\n')).stored.length > 0)
    }
    await assert.rejects(async () => (await client.get(`${origin.url}/cut`)).body.arrayBuffer())
    await until(async () => (await store.get(`${origin.url}/cut`, () => 'GET\n')).stored.length > 0)
    const rest = await client.get(`${origin.url}/cut`)
    assert.ok(Buffer.from(await rest.body.arrayBuffer()).equals(whole))
    assert.match(origin.requests[2]?.headers.range ?? '', /^bytes=\d{8}-$/)
  })

  it('what another serializer has written is not found, nor what has another prefix', async () => {
    const store = new ObjectStore({ driver: driver(), prefix: 'mine' })
    await put(store)
    assert.ok(await find(store))
    assert.equal(
      await find(new ObjectStore({ driver: driver(), prefix: 'mine', serializer: new JsonBytesSerializer() })),
      undefined
    )
    assert.equal(await find(new ObjectStore({ driver: driver(), prefix: 'mine/e' })), undefined)
    await new ObjectStore({ driver: driver(), prefix: 'min' }).clear()
    assert.ok(await find(store))
    await store.clear()
    assert.deepEqual(await namesOf('mine/message-pack/e/'), [])
  })

  it('sweeps, and asks for uploads that were left', async () => {
    const store = new ObjectStore({ driver: driver(), prefix: 'sweep' })
    await put(store, { expiresAtMs: Date.now() - 1 }, noise(100_000))
    await store.sweep()
    assert.deepEqual(await namesOf('sweep/'), [])
  })

  it('a body is replaced while it is read: the old bytes, or an error', async () => {
    const store = new ObjectStore({ driver: driver(), prefix: 'replaced' })
    await put(store, {}, noise(20_000_000))
    const body = (await (await find(store))?.open()) ?? assert.fail()
    await put(store, {}, noise(20_000_000, 2))
    const bytes = await bytesOf(body).catch(() => undefined)
    if (bytes !== undefined) assert.ok(bytes.equals(noise(20_000_000)))
    assert.ok((await read(store))?.equals(noise(20_000_000, 2)))
  })

  it('two processes that store the first variants of a key keep both', async () => {
    const stores = [1, 2].map(() => new ObjectStore({ driver: driver(), prefix: 'variants' }))
    const entries = ['a', 'b'].map(accept => entryOf({ vary: ['accept'], variantKey: `GET\n\naccept:${accept}` }))
    const writers = await Promise.all(stores.map((store, i) => store.put(entries[i] ?? assert.fail())))
    await Promise.all(writers.map((writer, i) => writer?.commit(finished(entries[i] ?? assert.fail(), 0))))
    for (const accept of ['a', 'b']) assert.ok(await find(stores[0] ?? assert.fail(), KEY, accept), accept)
  })

  it('the example runs', async () => {
    const { accessKeyId, secretAccessKey } = credentials
    Object.assign(process.env, { S3_ENDPOINT: server.endpoint, S3_REGION: region, S3_BUCKET: 'cache' })
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey })
    assert.deepEqual(await runScript('examples/s3-store.ts'), [
      'page 1 - from the cache: false',
      'page 1 - from the cache: true',
      '1000000 bytes - from the cache: false',
      '1000000 bytes - from the cache: true',
      'requests that reached the server: 2'
    ])
  })

  const mebibytes = isStress ? 1024 : 48
  it(`a body of ${mebibytes} MiB takes less than ${isStress ? 64 : 32} MiB of memory`, {
    timeout: 600_000
  }, async context => {
    for (const isKnown of [true, false]) {
      const figures = await runLargeBody(server.endpoint, mebibytes, isKnown, isStress)
      context.diagnostic(`length ${isKnown ? 'known' : 'unknown'}: ${JSON.stringify(figures)}`)
      const grownBy = Math.max(figures.grownByWriting, figures.grownByReading)
      assert.ok(grownBy < (isStress ? 64 : 32), JSON.stringify(figures))
    }
  })
}
