import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { RedisStore } from 'undici-http-cache/stores/redis'
import type { RedisClient } from '../../../stores/redis/client.ts'
import { shortDigestOf } from '../../../stores/redis/layout.ts'
import { CHECK, FENCE, STORE_FENCED, TAG } from '../../../stores/redis/scripts.ts'
import { RedisCluster } from '../../support/redis/cluster.ts'
import { missingRedis } from '../../support/redis/server.ts'
import { newNamespace, PATIENT } from '../../support/redis/settings.ts'
import { entryOf, find, KEY, store } from '../../support/responses.ts'
import { Load } from './load.ts'

const DELETIONS: Readonly<Record<string, (target: RedisStore) => Promise<void>>> = {
  delete: target => target.delete(KEY),
  deleteByTag: target => target.deleteByTag('group'),
  clear: target => target.clear()
}
const STEPS = { 'the fence': FENCE, 'the tags': TAG, 'the look at deletions': CHECK, 'the record': STORE_FENCED }

describe('in a cluster, where storing takes several steps,', { skip: missingRedis }, () => {
  let cluster: RedisCluster
  let client: Cluster
  before(async () => {
    cluster = await RedisCluster.start()
    client = new Cluster(cluster.nodes)
  })
  after(async () => {
    client.disconnect()
    await cluster[Symbol.asyncDispose]()
  })

  for (const [what, run] of Object.entries(DELETIONS)) {
    for (const [step, { sha1 }] of Object.entries(STEPS)) {
      for (const isUpdate of [false, true]) {
        it(`${what} before ${step} wins over ${isUpdate ? 'an update' : 'a put'} under way`, async () => {
          const namespace = newNamespace()
          const deleter = new RedisStore({ client, namespace })
          let isDeleted = false
          const target = new RedisStore({
            namespace,
            client: stopping(client, async script => {
              if (script !== sha1 || isDeleted) return
              isDeleted = true
              await run(deleter)
            })
          })
          const entry = entryOf(KEY, { tags: ['group'] })
          const { asOf } = await target.get(KEY, () => 'GET\n')
          const position = await asOf()
          if (isUpdate) {
            const stored = await store(deleter, entry)
            assert.ok(stored)
            assert.equal(await target.update(stored, { asOf: position }), false)
          } else {
            assert.equal(await store(target, entry, [Buffer.alloc(100_000)], position), undefined)
          }
          assert.equal(isDeleted, true)
          assert.equal(await find(target), undefined)
          assert.notEqual(
            await store(target, entryOf(KEY, { tags: ['group'] })),
            undefined,
            'what comes after is stored'
          )
          assert.notEqual(await find(target), undefined)
          await deleter.deleteByTag('group')
          assert.equal(await find(target), undefined, 'and found by its tag')
        })
      }
    }
  }

  it('a key that is stored while its tag is purged stays in the tag', async () => {
    const target = new RedisStore({ client, namespace: newNamespace() })
    const paths = Array.from({ length: 50 }, (_, i) => `https://store.test/${i}`)
    const putAll = () => Promise.all(paths.map(path => store(target, entryOf(path, { tags: ['group'] }))))
    for (let i = 0; i < 5; i++) await Promise.all([putAll(), target.deleteByTag('group')])
    await target.deleteByTag('group')
    for (const path of paths) assert.equal(await find(target, path), undefined)
  })
})

it('every client gets its response when a node of a cluster is killed, and started again', async context => {
  if (missingRedis !== false) return context.skip(missingRedis)
  await using cluster = await RedisCluster.start()
  const target = new RedisStore({ cluster: cluster.nodes, namespace: newNamespace(), options: PATIENT })
  try {
    await using load = await Load.start(target)
    await load.untilHit()
    const [node] = cluster.servers
    await node?.kill()
    await load.untilMiss()
    await delay(500)
    await node?.start()
    await load.untilHit()
    load.check()
  } finally {
    await target.close()
  }
})

it('a key that is being moved to a server that hangs fails its own lookup, and nothing else', async context => {
  if (missingRedis !== false) return context.skip(missingRedis)
  await using cluster = await RedisCluster.start()
  const [from, to] = cluster.servers
  assert.ok(from !== undefined && to !== undefined)
  const target = new RedisStore({ cluster: cluster.nodes, options: { commandTimeout: 300 } })
  try {
    // All connections are made while all servers answer.
    const keys = Array.from({ length: 50 }, (_, i) => `https://store.test/${i}`)
    await Promise.all(keys.map(key => find(target, key)))
    const [fromId, toId] = await Promise.all([from, to].map(server => server.with(client => client.cluster('MYID'))))
    const slots = await from.with(client =>
      Promise.all(keys.map(key => client.cluster('KEYSLOT', `{${shortDigestOf(key)}}`)))
    )
    // The first server has the first third.
    const moved = slots.findIndex(slot => slot < 5000)
    const slot = slots[moved] ?? 0
    await to.with(client => client.cluster('SETSLOT', slot, 'IMPORTING', String(fromId)))
    await from.with(client => client.cluster('SETSLOT', slot, 'MIGRATING', String(toId)))
    assert.equal(await find(target, keys[moved]), undefined)
    to.pause()
    await assert.rejects(find(target, keys[moved]), /timed out/)
    // The runner fails a test that has left a rejection unhandled.
    await delay(50)
  } finally {
    to.resume()
    await target.close()
  }
})

/** A client that lets `before` finish before it sends a script. */
function stopping(client: Cluster, before: (sha1: string) => Promise<void>): RedisClient {
  return new Proxy(client as unknown as RedisClient, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'evalsha') return value.bind(target)
      return async (...args: Parameters<RedisClient['evalsha']>) => {
        await before(args[0])
        return target.evalsha(...args)
      }
    }
  })
}
