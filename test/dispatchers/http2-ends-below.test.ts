// The ends of responses by HTTP/2, below whatever else may stand between the server and the cache.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers'
import { brotliCompressSync } from 'node:zlib'
import { type Dispatcher, fetch, interceptors } from 'undici'
import { CachedClient, cacheInterceptor } from 'undici-http-cache'
import { ask } from '../support/ask.ts'
import { agentFor, assertStored, isStored, PATHS, startHttp2 } from '../support/http2-ends.ts'
import { missing } from '../support/undici.ts'

const BELOW: Readonly<Record<string, () => Dispatcher.DispatcherComposeInterceptor>> = {
  retry: () => interceptors.retry({ maxRetries: 1 }),
  redirect: () => interceptors.redirect({ maxRedirections: 1 }),
  dump: () => interceptors.dump({ maxSize: 1_000 }),
  decompress: () => interceptors.decompress(),
  deduplicate: () => interceptors.deduplicate(),
  responseError: () => interceptors.responseError(),
  dns: () => interceptors.dns()
}

for (const [name, create] of Object.entries(BELOW)) {
  const skip = missing(name as keyof typeof interceptors)
  test(`with interceptors.${name} below, what ended by HTTP/2 is stored, and what was cut off is not`, {
    skip
  }, async () => {
    await using origin = await startHttp2(brotliCompressSync('some'), { 'content-encoding': 'br' })
    const agent = agentFor(origin)
    const dispatcher = agent.compose(create(), cacheInterceptor({ storeUnverifiedHttp2: false }))
    for (const path of PATHS) await assertStored(origin, path, url => ask(dispatcher, url))
    await agent.destroy()
  })
}

test('where the header section is handed on later, storeUnverifiedHttp2 decides for responses by HTTP/2', async () => {
  await using origin = await startHttp2('some')
  const agent = agentFor(origin)
  for (const storeUnverifiedHttp2 of [true, false]) {
    const dispatcher = agent.compose(handsOnLater, cacheInterceptor({ storeUnverifiedHttp2 }))
    for (const path of ['/end', '/trailers', '/destroy']) {
      assert.equal(await isStored(origin, path, url => ask(dispatcher, url)), storeUnverifiedHttp2, path)
    }
  }
  await agent.destroy()
})

/** Tells all of a response in later turns of the event loop. */
function handsOnLater(dispatch: Dispatcher.Dispatch): Dispatcher.Dispatch {
  return (opts, handler) =>
    dispatch(opts, {
      onRequestStart: (...told) => handler.onRequestStart?.(...told),
      onResponseStart: (...told) => void setImmediate(() => handler.onResponseStart?.(...told)),
      onResponseData: (...told) => void setImmediate(() => handler.onResponseData?.(...told)),
      onResponseEnd: (...told) => void setImmediate(() => handler.onResponseEnd?.(...told)),
      onResponseError: (...told) => void setImmediate(() => handler.onResponseError?.(...told))
    })
}

test('an HTTP/2 connection may be older than the cache', async () => {
  await using origin = await startHttp2('some')
  const agent = agentFor(origin)
  await ask(agent, `${origin.url}/end`)
  const dispatcher = agent.compose(cacheInterceptor({ storeUnverifiedHttp2: false }))
  for (const path of PATHS) await assertStored(origin, path, url => ask(dispatcher, url))
  await agent.destroy()
})

test('a CachedClient stores by HTTP/2 what ended, by request() and by fetch()', async () => {
  await using origin = await startHttp2('some')
  for (const path of PATHS) {
    const options = { allowH2: true, connect: { ca: origin.ca }, cache: { storeUnverifiedHttp2: false } }
    await using client = new CachedClient(origin.url, options)
    await assertStored(origin, path, async url => {
      const { body } = await client.request({ method: 'GET', path: new URL(url).pathname })
      await body.text()
    })
    await assertStored(origin, `${path}?fetch`, async url => (await client.fetch(url)).text())
  }
})

test('fetch() stores by HTTP/2 what ended', async () => {
  await using origin = await startHttp2('some')
  const agent = agentFor(origin)
  const dispatcher = agent.compose(cacheInterceptor({ storeUnverifiedHttp2: false }))
  for (const path of PATHS) await assertStored(origin, path, async url => (await fetch(url, { dispatcher })).text())
  await agent.destroy()
})
