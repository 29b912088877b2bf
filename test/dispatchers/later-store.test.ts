import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Agent, type Dispatcher, fetch, request } from 'undici'
import { CachedClient, cacheInfo, cacheInterceptor } from 'undici-http-cache'
import { ask } from '../support/ask.ts'
import { asyncStore } from '../support/async-memory-store.ts'
import { startOrigin } from '../support/origin.ts'
import { Witness } from '../support/witness.ts'

const witness = new Witness()
let agent: Agent
before(() => {
  agent = new Agent()
})
after(async () => {
  await witness.check()
  await agent.close()
})

function caching(): Dispatcher {
  return agent.compose(cacheInterceptor({ store: asyncStore() }), witness.interceptor)
}

const FRESH = { 'cache-control': 'max-age=60' }

describe('a store that answers later', () => {
  for (const size of [0, 1, 70_000, 1_000_000]) {
    test(`finds a body of ${size} bytes for who asks right after its end`, async () => {
      const body = Buffer.alloc(size, 'abcdefg')
      await using origin = await startOrigin({ headers: FRESH, body })
      const dispatcher = caching()
      for (const outcome of ['miss', 'hit', 'hit'] as const) {
        const response = await request(origin.url, { dispatcher })
        assert.equal(Buffer.from(await response.body.arrayBuffer()).equals(body), true)
        assert.equal(cacheInfo(response)?.outcome, outcome)
      }
      assert.equal(origin.requests.length, 1)
    })
  }

  test('serves request(), both fetches and CachedClient', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    const bodies = [
      (await ask(dispatcher, origin.url)).body,
      (await ask(dispatcher, origin.url)).body,
      await (await fetch(origin.url, { dispatcher })).text(),
      await (await globalThis.fetch(origin.url, { dispatcher } as never)).text()
    ]
    assert.deepEqual(bodies, ['#1', '#1', '#1', '#1'])
    await using client = new CachedClient({ cache: asyncStore() })
    for (const fromCache of [false, true]) {
      const response = await client.get(origin.url)
      assert.equal(response.fromCache, fromCache)
      assert.equal(await response.body.text(), '#2')
    }
  })

  test('many at once make one request to the origin, and so do those who come as it ends', async () => {
    await using origin = await startOrigin({ headers: FRESH, body: Buffer.alloc(100_000) })
    const dispatcher = caching()
    const askTwice = async () => {
      await ask(dispatcher, origin.url)
      await ask(dispatcher, origin.url)
    }
    await Promise.all(Array.from({ length: 20 }, askTwice))
    assert.equal(origin.requests.length, 1)
  })

  test('forgets what a POST invalidates before its caller has the response', async () => {
    await using origin = await startOrigin()
    const dispatcher = caching()
    assert.equal((await ask(dispatcher, origin.url)).body, '#1')
    assert.equal((await ask(dispatcher, origin.url, { method: 'POST' })).body, '#2')
    assert.equal((await ask(dispatcher, origin.url)).body, '#3')
  })

  test('is freshened by a 304', async () => {
    await using origin = await startOrigin(({ headers, number }) => {
      const fields = { 'cache-control': 'max-age=0', etag: '"1"', 'x-number': `${number}` }
      return headers['if-none-match'] === undefined
        ? { headers: fields, body: 'body' }
        : { status: 304, headers: fields }
    })
    const dispatcher = caching()
    for (const [outcome, number] of [
      ['miss', '1'],
      ['revalidated', '2'],
      ['revalidated', '3']
    ]) {
      const response = await ask(dispatcher, origin.url)
      assert.deepEqual([response.outcome, response.body, response.headers['x-number']], [outcome, 'body', number])
    }
  })

  test('an abort while it looks up ends the request, and sends nothing', async () => {
    const reason = new Error('enough')
    await using origin = await startOrigin()
    const dispatcher = caching()
    const controller = new AbortController()
    const asked = request(origin.url, { dispatcher, signal: controller.signal })
    controller.abort(reason)
    await assert.rejects(asked, reason)
    assert.equal((await ask(dispatcher, origin.url)).body, '#1')
    const late = new AbortController()
    const hit = request(origin.url, { dispatcher, signal: late.signal })
    late.abort(reason)
    await assert.rejects(hit, reason)
  })

  test('what its caller changes in the options meanwhile changes nothing', async () => {
    await using origin = await startOrigin(({ path, headers, number }) => ({
      headers: { ...FRESH, vary: 'x-kind' },
      body: `${path} ${headers['x-kind']} #${number}`
    }))
    const dispatcher = caching()
    const headers: Record<string, string> = { 'x-kind': 'a' }
    const options = { origin: origin.url, path: '/a', method: 'GET' as const, headers }
    const asked = dispatcher.request(options)
    options.path = '/b'
    headers['x-kind'] = 'b'
    const { body } = await asked
    assert.equal(await body.text(), '/a a #1')
  })
})
