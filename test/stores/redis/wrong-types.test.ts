// Somebody else has put a value of another type in the place of one of the store's: that costs this key, and nothing else.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Cluster, Redis } from 'ioredis'
import { RedisStore, type RedisStoreOptions } from 'undici-http-cache/stores/redis'
import { RECORD_VERSION } from '../../../serializers/serializer.ts'
import { Names, shortDigestOf } from '../../../stores/redis/layout.ts'
import { CachedAgent } from '../../support/cached-agent.ts'
import { startOrigin } from '../../support/origin.ts'
import { RedisCluster } from '../../support/redis/cluster.ts'
import { missingRedis, RedisServer } from '../../support/redis/server.ts'
import { newNamespace, PATIENT } from '../../support/redis/settings.ts'
import { bytesOf, entryOf, find, KEY, store } from '../../support/responses.ts'

const OTHER = 'https://store.test/other'
const CHUNKED = Buffer.alloc(200_000, 'chunked ')

type Client = Redis | Cluster

const SERVERS: Record<
  string,
  () => Promise<AsyncDisposable & { readonly options: RedisStoreOptions; client(): Client }>
> = {
  'one server': async () => {
    const server = await RedisServer.start()
    return Object.assign(server, {
      options: { url: server.url, options: PATIENT },
      client: () => new Redis(server.url)
    })
  },
  'a cluster': async () => {
    const cluster = await RedisCluster.start()
    const options = { cluster: cluster.nodes, options: PATIENT }
    return Object.assign(cluster, { options, client: () => new Cluster(cluster.nodes) })
  }
}

/** Values that are of none of the types that the store uses. */
const VALUES: Record<string, (client: Client, name: string) => Promise<unknown>> = {
  'a string': async (client, name) => client.set(name, 'x'),
  'a list': async (client, name) => {
    await client.del(name)
    return client.rpush(name, 'x')
  },
  'a set': async (client, name) => {
    await client.del(name)
    return client.sadd(name, 'x')
  }
}

for (const [where, start] of Object.entries(SERVERS)) {
  describe(`a key of the wrong type, on ${where},`, { skip: missingRedis }, () => {
    let servers: Awaited<ReturnType<typeof start>>
    let client: Client
    before(async () => {
      servers = await start()
      client = servers.client()
    })
    after(async () => {
      client.disconnect()
      await servers[Symbol.asyncDispose]()
    })

    function opened() {
      const namespace = newNamespace()
      const target = new RedisStore({ ...servers.options, namespace })
      const names = new Names(namespace, 'message-pack', RECORD_VERSION)
      return { target, names, [Symbol.asyncDispose]: () => target.close() }
    }

    for (const [what, put] of Object.entries(VALUES)) {
      it(`${what} in the place of a URL's responses, is a miss, and is mended by storing`, async () => {
        await using it = opened()
        const { target, names } = it
        await store(target, entryOf(), [CHUNKED])
        await store(target, entryOf(OTHER))
        await put(client, names.hash(shortDigestOf(KEY)))
        assert.equal(await find(target), undefined)
        assert.equal(await target.update(entryOf()), false)
        const listed = []
        for await (const { key } of target.entries()) listed.push(key)
        assert.deepEqual(listed, [OTHER])
        assert.ok(await find(target, OTHER))
        assert.ok(await store(target, entryOf(), [CHUNKED]), 'stored')
        assert.deepEqual(await bytesOf(await (await find(target))?.open()), CHUNKED)
      })

      for (const [how, purge] of Object.entries({
        delete: async (target: RedisStore) => target.delete(KEY),
        deleteByTag: async (target: RedisStore) => target.deleteByTag('group'),
        clear: async (target: RedisStore) => target.clear()
      })) {
        it(`${what} in the place of a URL's responses, is mended by ${how}`, async () => {
          await using it = opened()
          const { target, names } = it
          await store(target, entryOf(KEY, { tags: ['group'] }))
          await store(target, entryOf(OTHER, { tags: ['group'] }))
          const hash = names.hash(shortDigestOf(KEY))
          await put(client, hash)
          await purge(target)
          assert.equal(await client.exists(hash), 0)
          assert.equal((await find(target, OTHER)) === undefined, how !== 'delete')
          assert.ok(await store(target, entryOf()))
          assert.ok(await find(target))
        })
      }

      it(`${what} in the place of a tag, hides nothing from a deletion by it, before or after others are stored`, async () => {
        for (const isStoredAfter of [false, true]) {
          await using it = opened()
          const { target, names } = it
          const tag = names.tag(shortDigestOf('group'))
          for (let i = 0; i < 10; i++) await store(target, entryOf(`${KEY}/${i}`, { tags: ['group'] }), [CHUNKED])
          await store(target, entryOf(OTHER, { tags: ['else'] }))
          await put(client, tag)
          if (isStoredAfter) assert.ok(await store(target, entryOf(`${KEY}/later`, { tags: ['group'] })), 'stored')
          for (let i = 0; i < 10; i++) assert.ok(await find(target, `${KEY}/${i}`), `${i} before`)
          await target.deleteByTag('group')
          for (let i = 0; i < 10; i++) assert.equal(await find(target, `${KEY}/${i}`), undefined, `${i}`)
          assert.equal(await find(target, `${KEY}/later`), undefined)
          assert.ok(await find(target, OTHER))
          assert.equal(await client.exists(tag), 0)
        }
      })

      it(`${what} in the place of the deletions, refuses what is under way, and is mended`, async () => {
        await using it = opened()
        const { target, names } = it
        const writer = (await target.put(entryOf())) ?? assert.fail()
        await put(client, names.deletionLog)
        assert.equal(await writer.commit({ ...entryOf(), completeLength: 0 }), false)
        assert.ok(await store(target, entryOf()))
        await put(client, names.deletionLog)
        await target.deleteByTag('none')
        await put(client, names.deletionLog)
        await target.delete(KEY)
        assert.equal(await find(target), undefined)
        await put(client, names.deletionLog)
        assert.ok(await store(target, entryOf()))
        assert.ok(await find(target))
      })

      it(`${what} in the place of a body, is a damaged one`, async () => {
        await using it = opened()
        const { target, names } = it
        await store(target, entryOf(), [CHUNKED])
        const prefix = `${names.hash(shortDigestOf(KEY))}:`
        const nodes = client instanceof Cluster ? client.nodes('master') : [client]
        const [body = ''] = (await Promise.all(nodes.map(node => node.keys('*'))))
          .flat()
          .filter(name => name.startsWith(prefix))
        await put(client, body)
        assert.equal(await (await find(target))?.open(), undefined)
        assert.ok(await store(target, entryOf(), [CHUNKED]))
        assert.deepEqual(await bytesOf(await (await find(target))?.open()), CHUNKED)
      })

      it(`${what} in the place of a lease, is none`, async () => {
        await using it = opened()
        const { target, names } = it
        const name = names.lease(shortDigestOf('name'))
        await put(client, name)
        const lease = await target.lease('name', 60_000)
        assert.ok(typeof lease === 'object')
        await put(client, name)
        assert.equal(await lease.renew(60_000), false)
        await lease.release('done', 60_000)
        assert.equal(typeof (await target.lease('name', 60_000)), 'object')
      })
    }

    it('costs no other URL a hit, opens no circuit, and a purge mends it', async () => {
      await using it = opened()
      const { target, names } = it
      await using origin = await startOrigin({ headers: { 'cache-control': 'max-age=60' }, body: 'x' })
      const faults: unknown[] = []
      const onStoreError = (error: unknown) => faults.push(error)
      await using cached = new CachedAgent({ store: target, storeTimeoutMs: 20_000, onStoreError })
      for (const outcome of ['miss', 'hit']) {
        assert.equal((await cached.get(`${origin.url}/healthy`)).info.outcome, outcome)
      }
      for (let i = 0; i < 20; i++) {
        await client.set(names.hash(shortDigestOf(`${origin.url}/broken${i}`)), 'x')
        assert.equal((await cached.get(`${origin.url}/broken${i}`)).info.outcome, 'miss')
      }
      assert.equal((await cached.get(`${origin.url}/healthy`)).info.outcome, 'hit')
      await client.set(names.tag(shortDigestOf(`origin:${origin.url}`)), 'x')
      await client.set(names.hash(shortDigestOf(`${origin.url}/healthy`)), 'x')
      await cached.cache.purge({ url: `${origin.url}/healthy` })
      await target.deleteByTag(`origin:${origin.url}`)
      await cached.cache.purge()
      for (const outcome of ['miss', 'hit']) {
        assert.equal((await cached.get(`${origin.url}/healthy`)).info.outcome, outcome)
      }
      assert.deepEqual(faults, [])
    })
  })
}
