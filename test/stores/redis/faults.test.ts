// What becomes of clients when Redis fails under load.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { RedisStore, type RedisStoreOptions } from 'undici-http-cache/stores/redis'
import { SentinelPair } from '../../support/redis/cluster.ts'
import { missingRedis, RedisServer } from '../../support/redis/server.ts'
import { bytesOf, entryOf, find, KEY, store } from '../responses.ts'
import { Load } from './load.ts'
import { newNamespace } from './support.ts'

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

describe('without a server', { skip: missingRedis }, () => {
  it('everything rejects at once, and says why', async () => {
    const server = await RedisServer.start()
    await server[Symbol.asyncDispose]()
    await using target = opened({ url: server.url })
    for (let i = 0; i < 5; i++) {
      const start = performance.now()
      await assert.rejects(find(target), { code: 'ECONNREFUSED' })
      await assert.rejects(target.delete(KEY), { code: 'ECONNREFUSED' })
      assert.ok(performance.now() - start < 200)
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
