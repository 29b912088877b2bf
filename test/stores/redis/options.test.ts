import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { RedisStore, type RedisStoreOptions } from 'undici-http-cache/stores/redis'

const client = new Redis({ lazyConnect: true })

const BAD: readonly { readonly option: string; readonly options: Record<string, unknown> }[] = [
  { option: 'url', options: { url: 'http://127.0.0.1' } },
  { option: 'url', options: { url: 'redis://[' } },
  { option: 'url', options: { url: 6379 } },
  { option: 'url', options: { url: 'redis://127.0.0.1', client } },
  { option: 'url', options: { url: 'redis://127.0.0.1', cluster: [{ port: 7000 }] } },
  { option: 'options', options: { options: 'redis://127.0.0.1' } },
  { option: 'options', options: { options: null } },
  { option: 'options', options: { options: {}, client } },
  { option: 'cluster', options: { cluster: [] } },
  { option: 'cluster', options: { cluster: 'redis://127.0.0.1' } },
  { option: 'cluster', options: { cluster: [{ port: 7000 }], client } },
  { option: 'client', options: { client: {} } },
  { option: 'client', options: { client: null } },
  { option: 'namespace', options: { namespace: '' } },
  { option: 'namespace', options: { namespace: 'a{b}' } },
  { option: 'namespace', options: { namespace: 'a*' } },
  { option: 'namespace', options: { namespace: 1 } },
  { option: 'defaultTtlSeconds', options: { defaultTtlSeconds: 0 } },
  { option: 'defaultTtlSeconds', options: { defaultTtlSeconds: '60' } },
  { option: 'defaultTtlSeconds', options: { defaultTtlSeconds: Number.NaN } },
  { option: 'defaultTtlSeconds', options: { defaultTtlSeconds: Infinity } },
  { option: 'maxVariants', options: { maxVariants: 0 } },
  { option: 'maxVariants', options: { maxVariants: 1.5 } },
  { option: 'maxEntrySizeBytes', options: { maxEntrySizeBytes: -1 } },
  { option: 'serializer', options: { serializer: {} } }
]

describe('RedisStore refuses', () => {
  for (const { option, options } of BAD) {
    it(`a bad ${option}, by its name: ${JSON.stringify(Object.keys(options))}`, () => {
      assert.throws(
        () => new RedisStore(options as RedisStoreOptions),
        (error: unknown) =>
          error instanceof TypeError &&
          (error as NodeJS.ErrnoException).code === 'ERR_CACHE_OPTION' &&
          error.message.startsWith(option)
      )
    })
  }

  it('a URL without giving away its password', () => {
    assert.throws(
      () => new RedisStore({ url: 'http://user:secret@127.0.0.1' }),
      ({ message }: Error) => !message.includes('secret')
    )
  })
})

describe('RedisStore', () => {
  it('takes what it may be given, and connects to nobody before it is used', async () => {
    const good: RedisStoreOptions[] = [
      {},
      { url: 'rediss://user:secret@redis.invalid:6380/1' },
      { url: new URL('redis://redis.invalid') },
      { url: 'redis://redis.invalid', options: { db: 2, keyPrefix: 'x:' } },
      { options: { sentinels: [{ host: 'redis.invalid', port: 26379 }], name: 'cache' } },
      { cluster: [{ host: 'redis.invalid', port: 7000 }], options: { password: 'secret' } },
      { client },
      { maxEntrySizeBytes: Infinity, maxVariants: 1, defaultTtlSeconds: 0.5, namespace: 'a.b:c-d_E' }
    ]
    for (const options of good) await new RedisStore(options).close()
  })

  it('rejects everything once it is closed, and leaves a client of its user alone', async () => {
    const target = new RedisStore({ client })
    await target.close()
    await target.close()
    const closed = { code: 'ERR_CACHE_CLOSED' }
    await assert.rejects(
      target.get('https://store.test/', () => ''),
      closed
    )
    await assert.rejects(target.delete('https://store.test/'), closed)
    await assert.rejects(target.deleteByTag('x'), closed)
    await assert.rejects(target.clear(), closed)
    assert.equal(client.status, 'wait')
  })
})
