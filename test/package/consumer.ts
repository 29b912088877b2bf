// A project that uses the package. `npm run check:package` compiles and runs it against the packed tarball, as ESM and
// as CommonJS, with each supported undici.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Agent, Client, fetch, request } from 'undici'
import {
  CachedClient,
  type CacheInterceptor,
  type CacheOptions,
  cacheInfo,
  cacheInterceptor,
  createFetch,
  httpxCacheDefaults,
  MemoryStore
} from 'undici-http-cache'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { JsonStringSerializer } from 'undici-http-cache/serializers/json-string'
import { ObjectSerializer } from 'undici-http-cache/serializers/object'
import { MemoryStore as SameMemoryStore } from 'undici-http-cache/stores/memory'

async function main(): Promise<void> {
  assert.equal(MemoryStore, SameMemoryStore, 'one class, whichever path it is imported from')

  const server = createServer((_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end('hello')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const url = `http://127.0.0.1:${address.port}/`

  const serializers = [new ObjectSerializer(), new JsonStringSerializer(), new JsonBytesSerializer()] as const
  for (const serializer of serializers) {
    const options: CacheOptions = { ...httpxCacheDefaults, type: 'private', store: new MemoryStore({ serializer }) }
    const cache: CacheInterceptor = cacheInterceptor(options)
    const agent = new Agent().compose(cache)
    for (const expected of [false, true]) {
      const answer = await request(url, { dispatcher: agent })
      assert.equal(await answer.body.text(), 'hello')
      const fromCache: boolean | undefined = cacheInfo(answer)?.fromCache
      assert.equal(fromCache, expected)
    }
    const response = await fetch(url, { dispatcher: agent })
    assert.equal(await response.text(), 'hello')
    assert.equal(cache.info(response)?.fromCache, true)
    await cache.purge({ url })
    await cache.close()
    await agent.close()
  }

  const client: Client = new CachedClient()
  assert.ok(client instanceof Client)
  await client.close()
  const cached = new CachedClient({ cache: { type: 'private' } })
  for (const expected of [false, true]) {
    const answer = await cached.get(url)
    assert.equal(await answer.body.text(), 'hello')
    assert.equal(answer.fromCache, expected)
  }
  const builtIn: typeof globalThis.fetch = cached.fetch
  const ofUndici: typeof fetch = cached.fetch
  assert.equal(await (await builtIn(url, { headers: new Headers() })).text(), 'hello')
  assert.equal(await (await ofUndici(url)).text(), 'hello')
  await cached.close()

  const created = createFetch({ cache: { type: 'private' } })
  const others: [typeof globalThis.fetch, typeof fetch] = [created, created]
  assert.equal(await (await others[0](url)).text(), 'hello')
  assert.equal((await created(url)).fromCache, true)
  assert.equal(cacheInfo(undefined), undefined)
  await created.close()
  server.close()
}

void main()
