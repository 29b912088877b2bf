// The fetch of a CachedClient, and those that createFetch() makes: they take what the built-in fetch and undici's fetch
// take, and send what those send.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import * as undici from 'undici'
import { CachedClient, cacheInfo, createFetch } from 'undici-http-cache'
import { ended } from '../support/child.ts'
import { type Origin, type SeenRequest, startOrigin } from '../support/origin.ts'
import { type Arguments, type Classes, COMMON, OF_CLASSES } from './fetch-inputs.ts'

type Fetch = typeof globalThis.fetch

const FRESH = { 'cache-control': 'max-age=60' }
const BUILT_IN: Classes = globalThis
const UNDICI = undici as unknown as Classes
const undiciFetch = undici.fetch as unknown as Fetch

const client = new CachedClient()
const agent = new undici.Agent()
after(() => Promise.all([client.close(), agent.close()]))

const FETCHES: Record<string, (origin: Origin) => Fetch> = {
  'of a CachedClient': () => client.fetch.bind(client),
  'of a CachedClient, detached': () => {
    const { fetch } = client
    return fetch
  },
  'of a CachedClient for one origin': ({ url }) => new CachedClient(url).fetch,
  'of createFetch()': () => createFetch(),
  'of createFetch({ dispatcher, origin })': ({ url }) => createFetch({ dispatcher: agent, origin: url })
}

/** What has come in, the boundary of multipart content apart, which is random. */
function sent({ method, path, rawHeaders, body }: SeenRequest): unknown {
  const boundary = /boundary=([^,]+)/.exec(rawHeaders.join())?.[1]
  const json = JSON.stringify({ method, path, rawHeaders, body })
  return JSON.parse(boundary === undefined ? json : json.replaceAll(boundary, 'BOUNDARY'))
}

/** What one request of a fetch is to the server. */
async function sending(origin: Origin, fetch: Fetch, args: Arguments): Promise<unknown> {
  origin.requests.length = 0
  const response = await fetch(...args)
  await response.arrayBuffer()
  assert.equal(origin.requests.length, 1)
  return sent(origin.requests[0] as SeenRequest)
}

for (const [which, make] of Object.entries(FETCHES)) {
  describe(`the fetch ${which} sends what the built-in fetch sends`, () => {
    const inputs: [string, (url: string) => Arguments][] = [
      ...Object.entries(COMMON),
      ...Object.entries(OF_CLASSES).map(([what, of]) => [what, (url: string) => of(url, BUILT_IN)] as never)
    ]
    for (const [what, argumentsOf] of inputs) {
      test(`for ${what}`, async () => {
        await using origin = await startOrigin()
        const expected = await sending(origin, globalThis.fetch, argumentsOf(origin.url))
        assert.deepEqual(await sending(origin, make(origin), argumentsOf(origin.url)), expected)
      })
    }
  })

  describe(`the fetch ${which} sends what undici's fetch sends`, () => {
    for (const [what, of] of Object.entries(OF_CLASSES)) {
      test(`for ${what} of undici`, async () => {
        await using origin = await startOrigin()
        const expected = await sending(origin, undiciFetch, of(origin.url, UNDICI))
        const actual = await sending(origin, make(origin), of(origin.url, UNDICI))
        // A Request as an init is an init like any.
        if (what === 'a Request as an init') agree(actual, expected, 'user-agent')
        else assert.deepEqual(actual, expected)
      })
    }

    test("for undici's Request with the built-in FormData and Headers, as if they were undici's", async () => {
      await using origin = await startOrigin()
      const init = (classes: Classes): RequestInit => {
        const body = new classes.FormData()
        body.append('a', 'b')
        body.append('file', new Blob(['c'], { type: 'text/plain' }), 'name')
        return { method: 'POST', headers: new classes.Headers({ 'x-own': 'a' }), body }
      }
      for (const [own, other] of [
        [UNDICI, BUILT_IN],
        [BUILT_IN, UNDICI]
      ] as const) {
        const fetch = own === UNDICI ? undiciFetch : globalThis.fetch
        const expected = await sending(origin, fetch, [new own.Request(origin.url), init(own)])
        assert.deepEqual(await sending(origin, make(origin), [new own.Request(origin.url), init(other)]), expected)
      }
    })
  })
}

test('a length that the caller states is sent once, by every fetch that is built in', async () => {
  await using origin = await startOrigin()
  for (const name of ['content-length', 'Content-Length']) {
    for (const fetch of [client.fetch as Fetch, createFetch() as Fetch]) {
      const args: Arguments = [origin.url, { method: 'PUT', body: 'content', headers: { [name]: '7' } }]
      const expected = await sending(origin, undiciFetch, args)
      agree(await sending(origin, fetch, args), expected, 'user-agent')
      agree(await sending(origin, fetch, [new Request(...args)]), expected, 'user-agent')
    }
  }
})

describe('the init of a fetch', () => {
  /** The members that are read from it, and how often. */
  async function readBy(fetch: Fetch, url: string): Promise<Map<string, number>> {
    const read = new Map<string, number>()
    const init = new Proxy({ method: 'PUT', body: 'x' } as RequestInit, {
      get(target, name) {
        read.set(String(name), (read.get(String(name)) ?? 0) + 1)
        return Reflect.get(target, name)
      }
    })
    await (await fetch(url, init)).text()
    return read
  }

  test('is read member by member, each once, and none is left out that the built-in fetch or undici reads', async () => {
    await using origin = await startOrigin()
    for (const fetch of [client.fetch as Fetch, createFetch() as Fetch]) {
      const read = await readBy(fetch, origin.url)
      assert.deepEqual([...new Set(read.values())], [1])
      for (const other of [globalThis.fetch, undiciFetch]) {
        const missing = [...(await readBy(other, origin.url)).keys()].filter(name => !read.has(name))
        assert.deepEqual(missing, [])
      }
    }
  })
})

const failing: Record<string, (url: string, classes: Classes) => Arguments> = {
  'a GET with a body': url => [url, { body: 'x' }],
  'a method that is none': url => [url, { method: 'a b' }],
  'a forbidden method': url => [url, { method: 'TRACE' }],
  'a field name that is none': url => [url, { headers: { 'a b': 'c' } }],
  'a stream without duplex': url => [url, { method: 'POST', body: new Blob(['x']).stream() as never }],
  'a stream that was read': url => {
    const body = new Blob(['x']).stream()
    void body.getReader().read()
    return [url, { method: 'POST', body, duplex: 'half' } as never]
  },
  'a Request that was used': (url, { Request }) => {
    const request = new Request(url, { method: 'POST', body: 'x' })
    void request.text()
    return [request]
  },
  'a signal that has been aborted': url => [url, { signal: AbortSignal.abort(new RangeError('enough')) }],
  'a signal that times out': url => [`${url}/slow`, { signal: AbortSignal.timeout(50) }],
  'what is no signal': url => [url, { signal: {} as never }],
  'a Request with a signal that has been aborted': (url, { Request }) => [
    new Request(url, { signal: AbortSignal.abort() })
  ],
  'credentials in the URL': url => [url.replace('//', '//user:password@')],
  'an unknown scheme': () => ['other://host/'],
  'integrity that does not hold': url => [url, { integrity: `sha256-${'A'.repeat(43)}=` }],
  'a redirect as an error': url => [`${url}/redirect`, { redirect: 'error' }],
  'a word that is none': url => [url, { redirect: 'sometimes' } as never],
  'nobody at the port': () => ['http://127.0.0.1:1/'],
  'a blob: URL that names nothing': () => ['blob:nodedata:nothing']
}

const startFailing = () =>
  startOrigin(({ path }) => {
    if (path === '/slow') return new Promise(() => {})
    return path === '/redirect' ? { status: 302, headers: { location: '/' } } : { body: 'x' }
  })

/** As text: two fetches have two realms of errors, and stacks of their own. */
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    ({ name, message, code, cause }) => `${name} ${code}: ${message} (${cause?.code})`
  )

describe('a fetch fails as the built-in fetch does', () => {
  for (const [what, argumentsOf] of Object.entries(failing)) {
    test(`for ${what}`, async () => {
      await using origin = await startFailing()
      for (const [classes, reference] of [
        [BUILT_IN, globalThis.fetch],
        [UNDICI, undiciFetch]
      ] as const) {
        if (classes === UNDICI && !what.includes('Request')) continue
        const expected = await failure(reference(...argumentsOf(origin.url, classes)))
        assert.notEqual(expected, 'no error')
        for (const fetch of [client.fetch as Fetch, createFetch() as Fetch]) {
          assert.equal(await failure(fetch(...argumentsOf(origin.url, classes))), expected)
        }
      }
    })
  }

  test('for an init that is no object, with a TypeError', async () => {
    await using origin = await startOrigin()
    for (const init of [1, 'GET', true, Symbol('s')]) {
      for (const fetch of [globalThis.fetch, client.fetch as Fetch, createFetch() as Fetch]) {
        await assert.rejects(fetch(origin.url, init as never), TypeError)
      }
    }
    assert.equal(origin.requests.length, 0)
  })

  test('with a rejection, whatever it is given: never with an exception', async () => {
    for (const fetch of [client.fetch as unknown as (...args: unknown[]) => Promise<unknown>, createFetch()]) {
      const all = [[], [undefined], [null], [1], [Symbol('s')], [{}], ['http://'], ['/path'], [Object.create(null)]]
      for (const args of all) await assert.rejects(fetch(...(args as [never])))
    }
  })

  test('a body that breaks off is an error for who reads it', async () => {
    await using origin = await startOrigin((_request, response) => {
      response.writeHead(200, { 'content-length': 100, 'cache-control': 'max-age=60' })
      response.write('x', () => response.destroy())
    })
    for (const fetch of [client.fetch as Fetch, createFetch() as Fetch]) {
      await assert.rejects((await fetch(origin.url)).text(), TypeError)
    }
  })

  test('an abort while the body comes is the reason of the abort', async () => {
    await using origin = await startOrigin((_request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' }).write('x')
    })
    for (const fetch of [client.fetch as Fetch, createFetch() as Fetch]) {
      const controller = new AbortController()
      const response = await fetch(origin.url, { signal: controller.signal })
      const text = response.text()
      controller.abort(new RangeError('enough'))
      await assert.rejects(text, { name: 'RangeError', message: 'enough' })
    }
  })
})

describe('the Response of a fetch', () => {
  test("is of the built-in class, or of undici's where it got an object of undici's classes, hit and miss", async () => {
    await using origin = await startOrigin()
    for (const fetch of [new CachedClient().fetch, createFetch()] as unknown as Fetch[]) {
      for (const fromCache of [false, true]) {
        for (const args of [[`${origin.url}/1`], [new Request(`${origin.url}/2`)]] as Arguments[]) {
          const response = await fetch(...args)
          assert.equal(response instanceof Response, true)
          assert.equal((response as unknown as { fromCache: boolean }).fromCache, fromCache)
          assert.equal(await response.text(), await (await fetch(...args)).text())
        }
        for (const args of [
          [new UNDICI.Request(`${origin.url}/3`)],
          [`${origin.url}/4`, { headers: new UNDICI.Headers() }]
        ] as Arguments[]) {
          const response = await fetch(...args)
          assert.equal(response instanceof undici.Response, true)
          assert.equal((response as unknown as { fromCache: boolean }).fromCache, fromCache)
          await response.text()
        }
      }
    }
  })

  test('says what the cache did, without a Cache-Status field too, of whichever class it is', async () => {
    await using origin = await startOrigin(({ path, number }) => ({ headers: FRESH, body: `${path} ${number}` }))
    const cache = { cacheStatus: false } as const
    for (const fetch of [new CachedClient({ cache }).fetch, createFetch({ cache })]) {
      for (const classes of [BUILT_IN, UNDICI]) {
        const path = classes === UNDICI ? '/undici' : '/built-in'
        for (const [fromCache, outcome] of [
          [false, 'miss'],
          [true, 'hit']
        ] as const) {
          const response = await fetch(new classes.Request(origin.url + path))
          assert.equal(response.headers.has('cache-status'), false)
          assert.deepEqual([response.fromCache, cacheInfo(response)?.outcome], [fromCache, outcome])
          const clone = response.clone().clone() as typeof response
          assert.deepEqual([clone.fromCache, cacheInfo(clone)?.outcome], [fromCache, outcome])
          assert.equal(await clone.text(), await response.text())
        }
      }
    }
  })

  test('is of a data: or blob: URL what the built-in fetch makes of it, for one origin as for any', async () => {
    const blob = URL.createObjectURL(new Blob(['blob']) as never)
    for (const fetch of [client.fetch, new CachedClient('http://127.0.0.1:1').fetch, createFetch()]) {
      const response = await fetch('data:text/plain,text')
      assert.deepEqual([await response.text(), response.fromCache, cacheInfo(response)], ['text', false, undefined])
      assert.equal(await (await fetch(blob)).text(), 'blob')
    }
    URL.revokeObjectURL(blob)
  })

  test('follows redirects, or does not, as it is told', async () => {
    await using origin = await startOrigin(({ path }) =>
      path === '/first' ? { status: 302, headers: { ...FRESH, location: '/second' } } : { headers: FRESH, body: 'x' }
    )
    for (const fetch of [new CachedClient(origin.url).fetch, createFetch()]) {
      for (const fromCache of [false, true]) {
        const followed = await fetch(`${origin.url}/first`)
        assert.deepEqual([followed.redirected, followed.url], [true, `${origin.url}/second`])
        assert.deepEqual([followed.fromCache, await followed.text()], [fromCache, 'x'])
        const manual = await fetch(`${origin.url}/first`, { redirect: 'manual' })
        assert.equal(manual.status, 302)
        assert.equal(manual.fromCache, true)
      }
    }
  })

  test('is decoded, and verified by integrity, from the cache as from the server', async () => {
    await using origin = await startOrigin({
      headers: { ...FRESH, 'content-encoding': 'gzip' },
      body: gzipSync('content')
    })
    const integrity = `sha256-${createHash('sha256').update('content').digest('base64')}`
    for (const fetch of [new CachedClient().fetch, createFetch()]) {
      for (const fromCache of [false, true]) {
        const response = await fetch(origin.url, { integrity })
        assert.deepEqual([await response.text(), response.fromCache], ['content', fromCache])
      }
    }
  })
})

describe('the fetch of a CachedClient', () => {
  test('is, without a cast, what takes the place of the built-in fetch and of undici', async () => {
    const builtIn: typeof globalThis.fetch = client.fetch
    const ofUndici: typeof undici.fetch = client.fetch
    const created = createFetch()
    const others: [typeof globalThis.fetch, typeof undici.fetch] = [created, created]
    for (const fetch of [builtIn, ofUndici, ...others]) assert.equal(typeof fetch, 'function')
  })

  test('that a class overrides is that of the class, detached too', async () => {
    await using origin = await startOrigin()
    class Counting extends CachedClient {
      count = 0
      override fetch(input: unknown, init?: unknown): Promise<never> {
        this.count++
        return super.fetch(input as Request, init as RequestInit) as Promise<never>
      }
    }
    await using counting = new Counting()
    const { fetch } = counting
    await fetch(origin.url)
    await counting.fetch(origin.url)
    assert.equal(counting.count, 2)
  })

  test('called on another object is that of the client, and of composed clients goes through each', async () => {
    await using origin = await startOrigin()
    await using one = new CachedClient()
    let seen = 0
    const composed = one.compose(dispatch => (opts, handler) => {
      seen++
      return dispatch(opts, handler)
    }) as CachedClient
    for (const holder of [{ fetch: one.fetch }, { fetch: composed.fetch }]) {
      await (await holder.fetch(origin.url)).text()
      assert.equal(seen, 0)
    }
    await (await composed.fetch(origin.url)).text()
    assert.equal(seen, 1)
  })
})

describe('a program whose global fetch is ours', () => {
  const ROWS: Record<string, readonly string[]> = {
    assigned: ['#1 false true', '#1 true true', '#2 false true', '#2 true true'],
    wrapped: ['#1 false', '#1 true', '#2 false'],
    'wrapped, without an init': ['#1 false', '#1 true', '#2 false']
  }
  for (const [how, lines] of Object.entries(ROWS)) {
    test(`has what it asks for, and no more requests: ${how}`, { timeout: 30_000 }, async () => {
      await using origin = await startOrigin()
      const script = fileURLToPath(new URL('fetch-replaced.ts', import.meta.url))
      const child = spawn(process.execPath, [...process.execArgv, script, origin.url, how], {
        stdio: ['ignore', 'pipe', 'inherit']
      })
      const output = text(child.stdout)
      assert.equal(await ended(child), 0)
      assert.deepEqual((await output).trim().split('\n'), lines)
      const posted = origin.requests.find(({ method }) => method === 'POST')
      if (how !== 'assigned') assert.deepEqual([posted?.body, posted?.headers['x-own']], ['content', 'a'])
    })
  }
})

function agree(actual: unknown, expected: unknown, but: string): void {
  const without = (seen: unknown) => {
    const { rawHeaders, ...rest } = seen as SeenRequest
    return { ...rest, rawHeaders: rawHeaders.filter((_, i) => rawHeaders[i - (i % 2)]?.toLowerCase() !== but) }
  }
  assert.deepEqual(without(actual), without(expected))
}
