// What becomes of clients when Redis fails under load.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { RedisStore, type RedisStoreOptions } from 'undici-http-cache/stores/redis'
import { CachedAgent } from '../../support/cached-agent.ts'
import { type Reply, startOrigin } from '../../support/origin.ts'
import { rangedReply } from '../../support/ranges.ts'
import { SentinelPair } from '../../support/redis/cluster.ts'
import { missingRedis, RedisServer } from '../../support/redis/server.ts'
import { newNamespace } from '../../support/redis/settings.ts'
import { bytesOf, entryOf, find, KEY, store } from '../../support/responses.ts'
import { Load } from './load.ts'

function opened(options: RedisStoreOptions): RedisStore & AsyncDisposable {
  const target = new RedisStore({ namespace: newNamespace(), ...options })
  return Object.assign(target, { [Symbol.asyncDispose]: () => target.close() })
}

describe('every client gets its response, and the cache comes back by itself,', {
  skip: missingRedis,
  concurrency: 4
}, () => {
  it('when the server is killed, and started again', async () => {
    await using server = await RedisServer.start()
    await using target = opened({ url: server.url })
    await using load = await Load.start(target)
    await load.untilHit()
    for (let i = 0; i < 2; i++) {
      await server.kill()
      await load.untilMiss()
      await delay(300)
      assert.ok(load.errors.length > 0)
      await server.start()
      await load.untilHit()
    }
    load.check()
  })

  it('when the server hangs, for less and for longer than commands may take', async () => {
    await using server = await RedisServer.start()
    await using target = opened({ url: server.url, options: { commandTimeout: 400, connectTimeout: 400 } })
    await using load = await Load.start(target)
    await load.untilHit()
    for (const pauseMs of [300, 1800]) {
      server.pause()
      await load.untilMiss()
      await delay(pauseMs)
      server.resume()
      await load.untilHit()
    }
    load.check()
  })

  it('when the memory is full, and what is deleted is deleted all the same', async () => {
    await using server = await RedisServer.start({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'noeviction'] })
    await using target = opened({ url: server.url })
    await using load = await Load.start(target)
    await load.untilHit()
    const entry = entryOf(KEY, { tags: ['x'] })
    await store(target, entry)
    await store(target, entryOf('https://store.test/b', { tags: ['x'] }), [Buffer.alloc(200_000)])
    const { asOf } = await target.get('https://store.test/late', () => 'GET\n')
    const position = await asOf()
    await server.with(client => client.config('SET', 'maxmemory', '1'))
    await assert.rejects(store(target, entryOf('https://store.test/c')), /OOM/)
    assert.notEqual(await find(target), undefined)
    await target.delete(KEY)
    assert.equal(await find(target), undefined)
    await target.deleteByTag('x')
    assert.equal(await find(target, 'https://store.test/b'), undefined)
    await target.clear()
    await load.untilMiss()
    await server.with(client => client.config('SET', 'maxmemory', '100mb'))
    assert.equal(await store(target, entryOf('https://store.test/late'), [], position), undefined, 'overtaken')
    await load.untilHit()
    load.check()
  })

  it('when a Sentinel makes a replica the master', async () => {
    await using pair = await SentinelPair.start()
    await using target = opened({ options: { ...pair.options, commandTimeout: 400, connectTimeout: 400 } })
    await using load = await Load.start(target)
    await load.untilHit()
    await pair.master.kill()
    await load.untilMiss()
    await pair.replica.with(async client => {
      while (!(await client.info('replication')).includes('role:master')) await delay(50)
    })
    await load.untilHit()
    // The Sentinel may end connections once more, as it tells the new master what it is.
    const isStored = () => store(target, entryOf(), [Buffer.from('stored by the new master')]).catch(() => undefined)
    for (let i = 0; i < 40 && (await isStored()) === undefined; i++) await delay(100)
    assert.equal((await bytesOf(await (await find(target))?.open())).toString(), 'stored by the new master')
    load.check()
  })
})

describe('a body on its way to a client when the server fails', { skip: missingRedis, concurrency: 4 }, () => {
  const body = randomBytes(8 * 1_048_576)
  const faults: Record<string, (server: RedisServer) => unknown> = {
    'is killed': server => server.kill(),
    hangs: server => server.pause(),
    'evicts the rest': server => server.with(client => client.flushall())
  }
  for (const [what, fail] of Object.entries(faults)) {
    for (const etag of ['"1"', '"2"']) {
      const isSame = etag === '"1"'
      it(`that ${what} ${isSame ? 'goes on from the origin' : 'breaks off where the origin has another by now'}`, async () => {
        await using server = await RedisServer.start()
        await using target = opened({ url: server.url, maxEntrySizeBytes: 2 * body.byteLength })
        let current: Reply = { headers: { 'cache-control': 'max-age=600', etag: '"1"' }, body }
        await using origin = await startOrigin(seen => rangedReply(seen, current))
        await using cached = new CachedAgent({ store: target, storeTimeoutMs: 1000, onStoreError() {} })
        const isStored = async () => (await find(target, `${origin.url}/`)) !== undefined
        for (let i = 0; i < 20 && !(await isStored()); i++) {
          await cached.get(origin.url)
          await delay(100)
        }
        const response = await cached.open(origin.url)
        assert.equal(cached.cache.info(response)?.outcome, 'hit')
        await once(response.body, 'readable')
        current = { ...current, headers: { etag }, body: isSame ? body : randomBytes(body.byteLength) }
        await fail(server)
        const received: Buffer[] = []
        const reading = (async () => {
          for await (const piece of response.body) received.push(piece)
        })()
        if (isSame) await reading
        else await assert.rejects(reading, { code: 'ERR_CACHE_BODY' })
        const bytes = Buffer.concat(received)
        assert.ok(bytes.equals(isSame ? body : body.subarray(0, bytes.byteLength)), `${bytes.byteLength} bytes`)
        assert.match(origin.requests.at(-1)?.headers.range ?? '', /^bytes=\d+-$/)
        server.resume()
      })
    }
  }
})

describe('without a server', { skip: missingRedis }, () => {
  it('everything rejects at once, and says why', async () => {
    const server = await RedisServer.start()
    await server[Symbol.asyncDispose]()
    await using target = opened({ url: server.url })
    for (let i = 0; i < 5; i++) {
      const start = performance.now()
      await assert.rejects(find(target), { code: 'ECONNREFUSED' })
      await assert.rejects(target.delete(KEY), { code: 'ECONNREFUSED' })
      assert.ok(performance.now() - start < 1000)
    }
  })

  it('that answers, everything rejects in time', async () => {
    await using server = await RedisServer.start()
    await using target = opened({ url: server.url, options: { commandTimeout: 200, connectTimeout: 300 } })
    assert.equal(await find(target), undefined)
    server.pause()
    await assert.rejects(find(target), /timed out/)
    server.resume()
    assert.equal(await find(target), undefined)
    server.pause()
    await using late = opened({ url: server.url, options: { commandTimeout: 200, connectTimeout: 300 } })
    const start = performance.now()
    await assert.rejects(find(late))
    assert.ok(performance.now() - start < 1000)
    server.resume()
  })
})
