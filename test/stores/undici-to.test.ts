// undici's own cache on this package's stores.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { cacheInterceptor } from 'undici-http-cache'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import { fromUndiciStore } from 'undici-http-cache/stores/undici'
import type { CacheStore } from '../../stores/store.ts'
import { ask } from '../support/ask.ts'
import { AsyncStore } from '../support/async-store.ts'
import { startOrigin } from '../support/origin.ts'
import { undicisCachingOn } from './undici-caching.ts'
import { StreamingStore } from './undici-stores.ts'

const STORES: readonly { name: string; make: () => CacheStore }[] = [
  { name: 'a MemoryStore', make: () => new MemoryStore() },
  { name: 'an asynchronous store', make: () => new AsyncStore() },
  { name: 'tiers of which only the last is believed', make: tiersOfWhichTheLastIsBelieved },
  { name: "undici's contract and back", make: () => fromUndiciStore(new StreamingStore()) }
]

function tiersOfWhichTheLastIsBelieved(): CacheStore {
  const lower = new AsyncStore()
  const shared = Object.assign(lower, { capabilities: { ...lower.capabilities, shared: true } })
  return new TieredStore([new MemoryStore(), shared], { maxTrustMs: 0 })
}

for (const { name, make } of STORES) {
  test(`undici's cache is served from ${name}`, async () => {
    const body = 'x'.repeat(300_000)
    await using origin = await startOrigin({
      headers: { 'cache-control': 'max-age=60', 'x-twice': ['one', 'two'], 'x-latin1': '\xe9', etag: '"1"' },
      body
    })
    await using cache = undicisCachingOn(make())
    const first = await cache.ask(origin.url)
    const hit = await cache.ask(origin.url)
    assert.equal(origin.requests.length, 1)
    assert.equal(hit.body, body)
    const { age, ...headers } = hit.headers
    assert.match(String(age), /^\d$/)
    const { connection: _, 'keep-alive': _keepAlive, ...sent } = first.headers
    const { 'keep-alive': _stored, ...got } = headers
    assert.deepEqual(got, sent, 'nothing lost, nothing added')
    assert.deepEqual(cache.faults, [])
  })

  test(`undici's cache tells variants apart in ${name}`, async () => {
    await using origin = await startOrigin(({ headers }) => ({
      headers: { 'cache-control': 'max-age=60', vary: 'Accept-Language, X-Other' },
      body: headers['accept-language'] ?? 'none'
    }))
    await using cache = undicisCachingOn(make())
    const requests = [{ 'accept-language': 'en' }, { 'accept-language': 'de' }, {}]
    for (const headers of [...requests, ...requests]) {
      assert.equal((await cache.ask(origin.url, { headers })).body, headers['accept-language'] ?? 'none')
    }
    assert.equal(origin.requests.length, 3)
  })

  test(`undici's cache revalidates what is in ${name}`, async () => {
    await using origin = await startOrigin(({ headers }) =>
      headers['if-none-match'] === '"1"'
        ? { status: 304, headers: { etag: '"1"' } }
        : { headers: { 'cache-control': 'no-cache, max-age=60', etag: '"1"' }, body: 'content' }
    )
    await using cache = undicisCachingOn(make())
    for (let i = 0; i < 3; i++) assert.equal((await cache.ask(origin.url)).body, 'content')
    assert.deepEqual(
      origin.requests.map(({ headers }) => headers['if-none-match']),
      [undefined, '"1"', '"1"']
    )
  })

  test(`undici's cache invalidates what is in ${name}`, async () => {
    await using origin = await startOrigin()
    await using cache = undicisCachingOn(make())
    await cache.ask(origin.url)
    assert.equal((await cache.ask(origin.url)).body, '#1')
    await cache.ask(origin.url, { method: 'POST', body: 'x' })
    assert.equal((await cache.ask(origin.url)).body, '#3')
    assert.equal((await cache.ask(origin.url)).body, '#3')
  })
}

test('what undici asked for before an invalidation is not stored after it', async () => {
  let answer = () => {}
  await using origin = await startOrigin(async ({ method, number }) => {
    if (number === 1) await new Promise<void>(resolve => (answer = resolve))
    return { headers: { 'cache-control': 'max-age=60' }, body: method + number }
  })
  await using cache = undicisCachingOn(new MemoryStore())
  const slow = cache.ask(origin.url)
  while (origin.requests.length === 0) await nextTurn()
  await cache.ask(origin.url, { method: 'POST', body: 'x' })
  answer()
  assert.equal((await slow).body, 'GET1')
  assert.equal((await cache.ask(origin.url)).body, 'GET3')
  assert.equal((await cache.ask(origin.url)).body, 'GET3', 'what is asked for after it is')
})

test('what undici revalidates, although it is fresh, is not stored after an invalidation either', async () => {
  let answer = () => {}
  await using origin = await startOrigin(async ({ method, number }) => {
    if (number === 2) await new Promise<void>(resolve => (answer = resolve))
    return { headers: { 'cache-control': 'max-age=60' }, body: method + number }
  })
  await using cache = undicisCachingOn(new MemoryStore())
  await cache.ask(origin.url)
  const slow = cache.ask(origin.url, { headers: { 'cache-control': 'no-cache' } })
  while (origin.requests.length < 2) await nextTurn()
  await cache.ask(origin.url, { method: 'POST', body: 'x' })
  answer()
  assert.equal((await slow).body, 'GET2')
  assert.equal((await cache.ask(origin.url)).body, 'GET4')
})

test('clients cannot alter what is stored', async () => {
  await using origin = await startOrigin({
    headers: { 'cache-control': 'max-age=60', 'x-list': ['a', 'b'] },
    body: 'content'
  })
  await using cache = undicisCachingOn(new MemoryStore())
  for (let i = 0; i < 3; i++) {
    const { body, headers } = await cache.agent.request({ origin: origin.url, path: '/', method: 'GET' })
    assert.deepEqual(headers['x-list'], ['a', 'b'])
    ;(headers['x-list'] as string[]).push('c')
    for await (const chunk of body) {
      assert.equal(String(chunk), 'content')
      chunk.fill(0)
    }
  }
  assert.equal(origin.requests.length, 1)
})

test("this package's interceptor on the same store neither sees nor is seen, and purges both", async () => {
  const memory = new MemoryStore()
  await using origin = await startOrigin()
  await using cache = undicisCachingOn(memory)
  const interceptor = cacheInterceptor({ store: memory })
  const agent = cache.plain.compose(interceptor)
  assert.equal((await cache.ask(origin.url)).body, '#1')
  assert.equal((await ask(agent, origin.url)).body, '#2')
  assert.equal((await cache.ask(origin.url)).body, '#1')
  assert.equal((await ask(agent, origin.url)).body, '#2')
  await interceptor.purge({ url: origin.url })
  assert.equal((await cache.ask(origin.url)).body, '#3')
  assert.equal((await ask(agent, origin.url)).body, '#4')
})
