// Responses by HTTP/2 that state no length: stored is what ended by END_STREAM, not what was reset or lost.
import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { ask } from '../support/ask.ts'
import { agentFor, assertStored, endOf, isStored, KEPT, PATHS, startHttp2 } from '../support/http2-ends.ts'
import { startOrigin } from '../support/origin.ts'

// The first test: nothing has come by HTTP/2 yet.
test("Node's diagnostics of HTTP/2 are asked for once something has come by it, and not before", async () => {
  const names = ['http2.client.stream.finish', 'http2.client.stream.close']
  const areSubscribed = () => names.map(name => channel(name).hasSubscribers)
  await using plain = await startOrigin()
  await using origin = await startHttp2('some')
  const agent = agentFor(origin)
  const dispatcher = agent.compose(cacheInterceptor())
  await ask(dispatcher, plain.url)
  assert.deepEqual(areSubscribed(), [false, false])
  await ask(dispatcher, `${origin.url}/end`)
  assert.deepEqual(areSubscribed(), [true, true])
  await agent.destroy()
})

for (const storeUnverifiedHttp2 of [true, false]) {
  for (const path of PATHS) {
    const what = `${endOf(path).isWhole ? 'is' : 'is not'} stored, storeUnverifiedHttp2: ${storeUnverifiedHttp2}`
    test(`a response by HTTP/2 that ends by ${path.slice(1)} ${what}`, async () => {
      await using origin = await startHttp2('some')
      const agent = agentFor(origin)
      const dispatcher = agent.compose(cacheInterceptor({ storeUnverifiedHttp2 }))
      await assertStored(origin, path, url => ask(dispatcher, url))
      await agent.destroy()
    })
  }

  test(`a whole response is stored for each content that has no end of its own, storeUnverifiedHttp2: ${storeUnverifiedHttp2}`, async () => {
    await using origin = await startOrigin(({ path }, response) => {
      response.writeHead(path === '/204' ? 204 : 200, KEPT)
      response.end()
    }, 'h2')
    const agent = agentFor(origin)
    const dispatcher = agent.compose(cacheInterceptor({ storeUnverifiedHttp2 }))
    for (const path of ['/empty', '/204']) {
      assert.ok(await isStored(origin, path, url => ask(dispatcher, url)), path)
    }
    assert.ok(await isStored(origin, '/head', url => ask(dispatcher, url, { method: 'HEAD' })))
    await agent.destroy()
  })
}

test('a response by HTTP/2 whose length is stated is stored where that much has come', async () => {
  for (const length of [4, 8]) {
    await using origin = await startHttp2('some', { 'content-length': String(length) })
    const agent = agentFor(origin)
    const dispatcher = agent.compose(cacheInterceptor())
    for (const path of ['/end', '/destroy', '/cancel', '/lost']) {
      const isComplete = await isStored(origin, path, url => ask(dispatcher, url))
      if (length === 8) assert.ok(!isComplete, path)
      else if (path === '/end') assert.ok(isComplete)
    }
    await agent.destroy()
  }
})

test('a reader that pauses changes nothing of which responses by HTTP/2 are stored', async () => {
  for (const size of [4, 40_000, 400_000]) {
    await using origin = await startHttp2(Buffer.alloc(size, 'x'))
    const agent = agentFor(origin)
    const dispatcher = agent.compose(cacheInterceptor())
    for (const path of PATHS) {
      // undici 7 ends a response at its trailers, and gives nothing of what had to wait.
      if (path === '/trailers') continue
      await assertStored(origin, path, async url => {
        const { body } = await request(url, { dispatcher })
        await sleep(60)
        for await (const _ of body) await sleep(1)
      })
    }
    await agent.destroy()
  }
})

test('what a paused reader has lost at the trailers of HTTP/2 is not stored', async () => {
  await using origin = await startHttp2(Buffer.alloc(400_000, 'x'))
  const agent = agentFor(origin)
  const dispatcher = agent.compose(cacheInterceptor())
  const lengths: number[] = []
  for (let i = 0; i < 2; i++) {
    const { body } = await request(`${origin.url}/trailers`, { dispatcher })
    await sleep(60)
    lengths.push((await body.arrayBuffer()).byteLength)
  }
  assert.equal(origin.requests.length, lengths[0] === 400_000 ? 1 : 2)
  await agent.destroy()
})

test('streams of one HTTP/2 connection are told apart', async () => {
  await using origin = await startHttp2('some')
  const agent = agentFor(origin)
  const dispatcher = agent.compose(cacheInterceptor())
  const paths = PATHS.filter(path => path !== '/lost').flatMap(path => [1, 2, 3, 4].map(n => `${path}?${n}`))
  for (let i = 0; i < 2; i++) await Promise.all(paths.map(path => ask(dispatcher, origin.url + path).catch(() => {})))
  for (const path of paths) {
    const times = origin.requests.filter(request => request.path === path).length
    assert.equal(times, endOf(path).isWhole ? 1 : 2, path)
  }
  await agent.destroy()
})

test('two readers of one response by HTTP/2 both have all of it, and it is stored if it was whole', async () => {
  await using origin = await startHttp2(Buffer.alloc(100_000, 'x'))
  const agent = agentFor(origin)
  const dispatcher = agent.compose(cacheInterceptor())
  for (const path of ['/end', '/trailers', '/destroy', '/no-error', '/cancel']) {
    const before = origin.requests.length
    const both = () => Promise.allSettled([ask(dispatcher, origin.url + path), ask(dispatcher, origin.url + path)])
    const [first, second] = await both()
    assert.equal(first?.status, second?.status, path)
    assert.equal(origin.requests.length - before, 1, path)
    await both()
    assert.equal(origin.requests.length - before, endOf(path).isWhole ? 1 : 2, path)
  }
  await agent.destroy()
})
