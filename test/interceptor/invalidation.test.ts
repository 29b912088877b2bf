// Unsafe methods and purge(): both win over what is under way.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Dispatcher } from 'undici'
import { MemoryStore } from 'undici-http-cache'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, gate, until } from '../support/cached-agent.ts'
import { startOrigin } from '../support/origin.ts'
import { startRawOrigin } from '../support/raw-origin.ts'

const FRESH = { 'cache-control': 'max-age=60' }

/** Answers GET with 'path number'; what it says to other methods is up to the test. */
function resource(unsafe: { status?: number; headers?: Record<string, string> } = {}) {
  return startOrigin(({ method, path, number }) =>
    method === 'GET' ? { headers: FRESH, body: `${path} ${number}` } : { body: 'done', ...unsafe }
  )
}

type HttpMethod = Dispatcher.HttpMethod

describe('an unsafe request', () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'MKCOL', 'NOTIFY'] as const) {
    test(`of method ${method} invalidates its URL, and is reported as passing by`, async () => {
      await using origin = await resource()
      await using cached = new CachedAgent()
      await cached.get(`${origin.url}/a`)
      await cached.get(`${origin.url}/b`)
      const { body, info } = await cached.get(`${origin.url}/a`, { method: method as HttpMethod })
      assert.deepEqual([body, info.outcome, info.reason], ['done', 'bypass', 'unsafe-method'])
      assert.equal((await cached.get(`${origin.url}/a`)).fromCache, false)
      assert.equal((await cached.get(`${origin.url}/b`)).fromCache, true)
    })
  }

  test('of a method that nobody knows invalidates its URL', async () => {
    await using origin = await startRawOrigin((socket, number) => {
      socket.write(`HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\n${number}`)
    })
    await using cached = new CachedAgent()
    assert.equal((await cached.get(origin.url)).body, '1')
    assert.equal((await cached.get(origin.url, { method: 'BREW' as HttpMethod })).body, '2')
    assert.equal((await cached.get(origin.url)).body, '3')
  })

  for (const method of ['OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'SEARCH']) {
    test(`of a safe method such as ${method} invalidates nothing`, async () => {
      await using origin = await resource()
      await using cached = new CachedAgent()
      await cached.get(origin.url)
      const { info } = await cached.get(origin.url, { method: method as HttpMethod })
      assert.deepEqual([info.outcome, info.reason], ['bypass', 'method'])
      assert.equal((await cached.get(origin.url)).fromCache, true)
    })
  }

  test('invalidates what Location and Content-Location name at the same origin, and nowhere else', async () => {
    await using elsewhere = await resource()
    await using origin = await resource({
      status: 201,
      headers: { location: '/made', 'content-location': 'http://user@host.invalid/' }
    })
    await using renaming = await resource({ headers: { 'content-location': `${elsewhere.url}/a`, location: '../b?c' } })
    await using cached = new CachedAgent()
    const urls = [`${origin.url}/made`, `${renaming.url}/b?c`, `${elsewhere.url}/a`, `${origin.url}/other`]
    for (const url of urls) await cached.get(url)
    await cached.get(`${origin.url}/list`, { method: 'POST' })
    await cached.get(`${renaming.url}/deep/er`, { method: 'PUT' })
    const again: boolean[] = []
    for (const url of urls) again.push((await cached.get(url)).fromCache)
    assert.deepEqual(again, [false, false, true, true])
  })

  test('invalidates every variant', async () => {
    await using origin = await startOrigin({ headers: { ...FRESH, vary: 'x' } })
    await using cached = new CachedAgent()
    for (const x of ['1', '2', '3']) await cached.get(origin.url, { headers: { x } })
    await cached.get(origin.url, { method: 'POST' })
    for (const x of ['1', '2', '3']) assert.equal((await cached.get(origin.url, { headers: { x } })).fromCache, false)
  })

  test('that the origin refuses invalidates nothing', async () => {
    await using origin = await resource({ status: 409 })
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    await cached.get(origin.url, { method: 'DELETE' })
    assert.equal((await cached.get(origin.url)).fromCache, true)
  })

  test('whose answer is lost invalidates: it may have been carried out', async () => {
    await using origin = await startOrigin(({ method, number }, response) => {
      if (method === 'GET') return { headers: FRESH, body: `#${number}` }
      response.destroy()
      return undefined
    })
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    await assert.rejects(cached.get(origin.url, { method: 'PUT', body: 'x' }))
    assert.equal((await cached.get(origin.url)).fromCache, false)
  })

  test('whose client gives up invalidates as well', async () => {
    await using origin = await startOrigin(({ method, number }) =>
      method === 'GET' ? { headers: FRESH, body: `#${number}` } : undefined
    )
    await using cached = new CachedAgent()
    await cached.get(origin.url)
    const aborting = new AbortController()
    const lost = cached.get(origin.url, { method: 'DELETE', signal: aborting.signal })
    await until(() => origin.requests.length === 2)
    aborting.abort()
    await assert.rejects(lost, { name: 'AbortError' })
    assert.equal((await cached.get(origin.url)).fromCache, false)
  })

  test('is over for the store before its answer reaches the client', async () => {
    await using origin = await resource()
    const memory = new MemoryStore()
    const deletion = gate()
    const store = Object.assign(memory, {
      async delete(key: string) {
        await deletion.opened
        MemoryStore.prototype.delete.call(memory, key)
      }
    })
    await using cached = new CachedAgent({ store, storeTimeoutMs: 5000 })
    await cached.get(origin.url)
    let answered = false
    const posted = cached.get(origin.url, { method: 'POST' }).finally(() => {
      answered = true
    })
    await until(() => origin.requests.length === 2)
    await new Promise(resolve => setTimeout(resolve, 20))
    assert.equal(answered, false)
    deletion.open()
    assert.equal((await posted).body, 'done')
    assert.equal((await cached.get(origin.url)).fromCache, false)
  })

  test('may bring what a later GET would: POST with explicit freshness and its own Content-Location', async () => {
    await using origin = await startOrigin(({ method, path, number }) => ({
      headers: method === 'GET' ? FRESH : { ...FRESH, 'content-location': path },
      body: `${method} ${number}`
    }))
    await using cached = new CachedAgent()
    assert.equal((await cached.get(`${origin.url}/a`)).body, 'GET 1')
    assert.equal((await cached.get(`${origin.url}/a`, { method: 'POST', body: 'x' })).body, 'POST 2')
    assert.equal((await cached.get(`${origin.url}/a`)).body, 'POST 2')
    assert.equal((await cached.get(`${origin.url}/a`, { method: 'POST', body: 'x' })).body, 'POST 3')
  })
})

describe('a POST in flight that may bring what a later GET would', () => {
  /** The first POST is answered once the gate is opened: as a whole, or but for its first byte. */
  async function slowPost(heldBack: 'answer' | 'body') {
    const release = gate()
    let posts = 0
    const origin = await startOrigin(async ({ method, path, number }, response) => {
      const headers = method === 'GET' ? FRESH : { ...FRESH, 'content-location': path }
      if (method === 'GET' || ++posts > 1) return { headers, body: `${method} ${number}` }
      if (heldBack === 'answer') await release.opened
      response.writeHead(200, { ...headers, 'content-length': 6 })
      response.write('P')
      await release.opened
      response.end('OST 1')
      return undefined
    })
    return { origin, release }
  }

  const overtaking: Record<string, (cached: CachedAgent, url: string) => Promise<unknown>> = {
    'another POST': (cached, url) => cached.get(url, { method: 'POST', body: 'y' }),
    'a DELETE': (cached, url) => cached.get(url, { method: 'DELETE' }),
    'purge({ url })': (cached, url) => cached.cache.purge({ url }),
    'purge({ tag })': (cached, url) => cached.cache.purge({ tag: `origin:${new URL(url).origin}` }),
    'purge({ origin })': (cached, url) => cached.cache.purge({ origin: new URL(url).origin }),
    'purge()': cached => cached.cache.purge()
  }
  for (const [what, overtake] of Object.entries(overtaking)) {
    for (const heldBack of ['answer', 'body'] as const) {
      for (const [kind, makeStore] of [
        ['memory', () => new MemoryStore()],
        ['a store of promises', () => new AsyncStore()]
      ] as const) {
        test(`is not stored when ${what} overtakes its ${heldBack}, with ${kind}`, async () => {
          const { origin, release } = await slowPost(heldBack)
          await using _ = origin
          await using cached = new CachedAgent({ store: makeStore() })
          const url = `${origin.url}/a`
          const early = cached.get(url, { method: 'POST', body: 'x' })
          await until(() => origin.requests.length === 1)
          await overtake(cached, url)
          release.open()
          assert.equal((await early).body, 'POST 1')
          assert.notEqual((await cached.get(url)).body, 'POST 1')
        })
      }
    }
  }

  test('comes to its end where it waits for the store as another POST overtakes it', async () => {
    const body = Buffer.alloc(1_000_000, 'x')
    let posts = 0
    await using origin = await startOrigin(({ path }) => {
      return { headers: { ...FRESH, 'content-location': path }, body: ++posts === 1 ? body : 'second' }
    })
    const store = new AsyncStore()
    const held = gate()
    let writes = 0
    store.pace = async operation => {
      if (operation === 'write' && writes++ === 0) await held.opened
    }
    await using cached = new CachedAgent({ store, maxBufferedBytes: 1000, storeTimeoutMs: 10_000 })
    const url = `${origin.url}/a`
    const first = cached.get(url, { method: 'POST', body: 'x' })
    await until(() => writes === 1)
    assert.equal((await cached.get(url, { method: 'POST', body: 'y' })).body, 'second')
    assert.equal((await first).bytes.byteLength, body.byteLength)
    held.open()
    assert.equal((await cached.get(url)).body, 'second')
  })

  test('is stored where what overtakes it is of another URL', async () => {
    const { origin, release } = await slowPost('answer')
    await using _ = origin
    await using cached = new CachedAgent()
    const early = cached.get(`${origin.url}/a`, { method: 'POST', body: 'x' })
    await until(() => origin.requests.length === 1)
    await cached.get(`${origin.url}/b`, { method: 'POST', body: 'y' })
    release.open()
    await early
    assert.equal((await cached.get(`${origin.url}/a`)).body, 'POST 1')
  })
})

describe('a GET in flight', () => {
  /** GETs wait for the gate; the first byte of a GET's response is sent before. */
  async function slowResource() {
    const release = gate()
    const origin = await startOrigin(async ({ method, number }, response) => {
      if (method !== 'GET' || number > 1) return { headers: FRESH, body: `#${number}` }
      response.writeHead(200, { ...FRESH, 'content-length': 2 })
      response.write('#')
      await release.opened
      response.end('1')
      return undefined
    })
    return { origin, release }
  }

  const overtaking: Record<string, (cached: CachedAgent, url: string) => Promise<unknown>> = {
    'a POST': (cached, url) => cached.get(url, { method: 'POST' }),
    'purge({ url })': (cached, url) => cached.cache.purge({ url }),
    'purge({ url }) with a URL object and a fragment': (cached, url) =>
      cached.cache.purge({ url: new URL(`${url}#f`) }),
    'purge({ tag })': (cached, url) => cached.cache.purge({ tag: `origin:${url}` }),
    'purge({ tag }) with a slash': (cached, url) => cached.cache.purge({ tag: `origin:${url}/` }),
    'purge({ origin })': (cached, url) => cached.cache.purge({ origin: url }),
    'purge({ origin }) with a URL object': (cached, url) => cached.cache.purge({ origin: new URL(url) }),
    'purge()': cached => cached.cache.purge()
  }
  for (const [what, overtake] of Object.entries(overtaking)) {
    test(`is not stored when ${what} overtakes its body`, async () => {
      const { origin, release } = await slowResource()
      await using _ = origin
      await using cached = new CachedAgent()
      const early = cached.get(origin.url)
      await until(() => origin.requests.length === 1)
      await overtake(cached, origin.url)
      release.open()
      assert.equal((await early).body, '#1')
      assert.equal((await cached.get(origin.url)).fromCache, false)
      assert.equal((await cached.get(origin.url)).fromCache, true)
    })
  }

  test('of another URL is stored all the same', async () => {
    const { origin, release } = await slowResource()
    await using _ = origin
    await using cached = new CachedAgent()
    const early = cached.get(`${origin.url}/a`)
    await until(() => origin.requests.length === 1)
    await cached.get(`${origin.url}/b`, { method: 'POST' })
    release.open()
    await early
    assert.equal((await cached.get(`${origin.url}/a`)).fromCache, true)
  })
})

describe('purge', () => {
  test('removes what is stored for a URL, every variant of it, and nothing else', async () => {
    await using origin = await startOrigin({ headers: { ...FRESH, vary: 'x' }, body: 'y' })
    await using cached = new CachedAgent()
    const ask = async (path: string, x: string) => (await cached.get(origin.url + path, { headers: { x } })).fromCache
    for (const path of ['/a', '/b']) for (const x of ['1', '2']) await ask(path, x)
    await cached.cache.purge({ url: `${origin.url}/a` })
    assert.deepEqual(await Promise.all([ask('/a', '1'), ask('/a', '2')]), [false, false])
    assert.deepEqual(await Promise.all([ask('/b', '1'), ask('/b', '2')]), [true, true])
    await cached.cache.purge()
    assert.deepEqual(await Promise.all([ask('/a', '1'), ask('/b', '2')]), [false, false])
  })

  test('removes everything of an origin, by its name or its tag, and nothing else', async () => {
    await using one = await startOrigin()
    await using other = await startOrigin()
    await using cached = new CachedAgent()
    const urls = [`${one.url}/a`, `${one.url}/b`, `${other.url}/a`]
    const tag = `origin:${one.url}`
    for (const target of [{ origin: one.url }, { origin: `${one.url}/` }, { origin: new URL(one.url) }, { tag }]) {
      for (const url of urls) await cached.get(url)
      await cached.cache.purge(target)
      const found = []
      for (const url of urls) found.push((await cached.get(url)).fromCache)
      assert.deepEqual(found, [false, false, true])
    }
    await cached.cache.purge({ tag: 'nobody carries it' })
    assert.equal((await cached.get(urls[0] ?? '')).fromCache, true)
  })

  test('of what is not stored does nothing', async () => {
    await using cached = new CachedAgent()
    await cached.cache.purge({ url: 'https://example.com/nothing' })
    await cached.cache.purge()
  })

  for (const target of [
    { url: '/relative' },
    { url: 'data:text/plain,x' },
    { url: '' },
    { url: undefined },
    { uri: 'https://a/' },
    { tag: undefined },
    { tag: 1 },
    { tag: 'origin:https://a/path' },
    { tag: 'origin:nonsense' },
    { origin: undefined },
    { origin: 'a.example' },
    { origin: 'https://a/path' },
    { origin: 'https://user@a' },
    { origin: 'ftp://a' },
    { origins: ['https://a'] },
    { url: 'https://a/', tag: 'b' },
    { tag: 'b', origin: 'https://a' },
    { url: 'https://a/', other: true },
    {},
    [],
    ['https://a/'],
    'https://a/',
    true,
    null
  ]) {
    test(`of ${JSON.stringify(target)} (${Object.keys(target ?? {})}) is refused, and removes nothing`, async () => {
      await using origin = await startOrigin()
      await using cached = new CachedAgent()
      await cached.get(origin.url)
      await assert.rejects(cached.cache.purge(target as never), (error: Error & { code?: string }) => {
        assert.ok(error instanceof TypeError)
        assert.equal(error.code, 'ERR_CACHE_OPTION')
        assert.match(error.message, /purge target|url|tag|origin/)
        return true
      })
      assert.equal((await cached.get(origin.url)).fromCache, true)
    })
  }

  test("rejects with the store's error", async () => {
    const store = Object.assign(new MemoryStore(), {
      delete: () => Promise.reject(new Error('no delete')),
      deleteByTag: () => Promise.reject(new Error('no deletion by tag')),
      clear: () => {
        throw new Error('no clear')
      }
    })
    await using cached = new CachedAgent({ store })
    await assert.rejects(cached.cache.purge({ url: 'https://example.com/' }), { message: 'no delete' })
    await assert.rejects(cached.cache.purge({ tag: 'a' }), { message: 'no deletion by tag' })
    await assert.rejects(cached.cache.purge({ origin: 'https://example.com' }), { message: 'no deletion by tag' })
    await assert.rejects(cached.cache.purge(), { message: 'no clear' })
  })
})
