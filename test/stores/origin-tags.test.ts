// Deleting by the tag of an origin, however the origin is written.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Agent } from 'undici'
import { type CacheStore, cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { fsDriver, ObjectStore } from 'undici-http-cache/stores/object'
import { RedisStore } from 'undici-http-cache/stores/redis'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import { ask } from '../support/ask.ts'
import { startOrigin } from '../support/origin.ts'
import { missingRedis, RedisServer } from '../support/redis/server.ts'

let directory: string
let redis: RedisServer

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'origin-tags-'))
  if (missingRedis === false) redis = await RedisServer.start()
})

after(async () => {
  await redis?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

const STORES: Record<string, () => CacheStore> = {
  MemoryStore: () => new MemoryStore(),
  FileStore: () => new FileStore({ directory: join(directory, 'files') }),
  LmdbStore: () => new LmdbStore({ directory: join(directory, 'lmdb') }),
  RedisStore: () => new RedisStore({ url: redis.url }),
  ObjectStore: () => new ObjectStore({ driver: fsDriver({ directory: join(directory, 'objects') }) }),
  TieredStore: () => new TieredStore([new MemoryStore(), new MemoryStore()])
}

const SPELLINGS: Record<string, (url: string) => string> = {
  'as it is': url => url,
  'with a slash at its end': url => `${url}/`,
  'in upper case, with a slash': url => `${url.toUpperCase()}/`
}

for (const [name, open] of Object.entries(STORES)) {
  describe(`${name}.deleteByTag()`, { skip: name === 'RedisStore' && missingRedis }, () => {
    let store: CacheStore
    before(() => {
      store = open()
    })
    after(() => store?.close())

    for (const [spelling, write] of Object.entries(SPELLINGS)) {
      test(`removes what is stored of an origin that is written ${spelling}, and nothing else`, async () => {
        await using origin = await startOrigin()
        await using other = await startOrigin()
        const dispatcher = new Agent().compose(cacheInterceptor({ store, storeTimeoutMs: 20_000 }))
        for (const outcome of ['miss', 'hit']) assert.equal((await ask(dispatcher, origin.url)).outcome, outcome)
        assert.equal((await ask(dispatcher, other.url)).outcome, 'miss')
        await store.deleteByTag(`origin:${write(origin.url)}`)
        assert.equal((await ask(dispatcher, origin.url)).outcome, 'miss')
        assert.equal((await ask(dispatcher, other.url)).outcome, 'hit')
        await dispatcher.close()
      })
    }

    for (const origin of ['https://h/api', 'https://h/?q', 'https://h/#f', 'https://u@h', 'h', 'ftp://h', '', 'null']) {
      test(`refuses 'origin:${origin}', by which nothing would be found`, async () => {
        await assert.rejects(async () => store.deleteByTag(`origin:${origin}`), {
          name: 'TypeError',
          code: 'ERR_CACHE_OPTION',
          message: /^tag must be .*, got "origin:/
        })
      })
    }

    test('refuses what is no string', async () => {
      for (const tag of [undefined, null, 1, {}]) {
        await assert.rejects(async () => store.deleteByTag(tag as never), { code: 'ERR_CACHE_OPTION' })
      }
    })
  })
}
