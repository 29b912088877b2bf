// What settled() and close() of a cache wait for, and for how long.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { CachedClient, type CacheInterceptor, type CacheOptions, cacheInterceptor } from 'undici-http-cache'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import type { CacheStore } from '../../stores/store.ts'
import { read } from '../support/ask.ts'
import { AsyncStore } from '../support/async-store.ts'
import { CachedAgent, gate, until } from '../support/cached-agent.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { startOrigin } from '../support/origin.ts'

const KIB = 1024
const FRESH = { 'cache-control': 'max-age=60' }

/** What has become of it by now. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  const pending = Symbol('pending')
  for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  const state = promise.then(
    () => 'fulfilled',
    () => 'rejected'
  )
  const result = await Promise.race([state, Promise.resolve(pending)])
  return result === pending ? 'pending' : (result as string)
}

/** A store of promises whose operations a test holds up. */
function faultyStore(): FaultyStore {
  return new FaultyStore(new AsyncStore())
}

type Wait = (cache: CacheInterceptor) => Promise<void>
const WAITS: Record<string, Wait> = {
  'settled()': cache => cache.settled(),
  'close()': cache => cache.close(),
  '`await using`': cache => cache[Symbol.asyncDispose]()
}

/** Without waiting for anything as it ends. */
function cachedAgent(store: CacheStore, options: CacheOptions = {}): CachedAgent {
  return new CachedAgent({ store, storeTimeoutMs: 10_000, ...options })
}

for (const [name, wait] of Object.entries(WAITS)) {
  describe(`${name} of a cache`, () => {
    test('waits until a body that has come whole is committed', async () => {
      await using origin = await startOrigin()
      const [store, commit] = [faultyStore(), gate()]
      store.faults.commit = async real => {
        await commit.opened
        return real()
      }
      await using cached = cachedAgent(store)
      await cached.get(origin.url)
      const waiting = wait(cached.cache)
      assert.equal(await stateOf(waiting), 'pending')
      commit.open()
      await waiting
      await using other = cachedAgent(store)
      assert.equal((await other.get(origin.url)).fromCache, true)
    })

    test('waits for what is still to be begun and written', async () => {
      await using origin = await startOrigin({ headers: FRESH, body: Buffer.alloc(300 * KIB) })
      const store = faultyStore()
      for (const operation of ['put', 'write', 'commit'] as const) {
        store.faults[operation] = async real => {
          await sleep(20)
          return real()
        }
      }
      await using cached = cachedAgent(store)
      await cached.get(origin.url)
      await wait(cached.cache)
      await using other = cachedAgent(store)
      assert.equal((await other.get(origin.url)).fromCache, true)
    })

    test('waits for a commit that is later than storeTimeoutMs', async () => {
      await using origin = await startOrigin()
      const [store, commit] = [faultyStore(), gate()]
      store.faults.commit = async real => {
        await commit.opened
        return real()
      }
      await using cached = cachedAgent(store, { storeTimeoutMs: 20 })
      await cached.get(origin.url)
      await sleep(60)
      const waiting = wait(cached.cache)
      assert.equal(await stateOf(waiting), 'pending')
      commit.open()
      await waiting
      await using other = cachedAgent(store)
      assert.equal((await other.get(origin.url)).fromCache, true)
    })

    for (const failure of ['rejects', 'answers false'] as const) {
      test(`is fulfilled where a commit ${failure}`, async () => {
        await using origin = await startOrigin()
        const [store, commit] = [faultyStore(), gate()]
        store.faults.commit = async () => {
          await commit.opened
          if (failure === 'rejects') throw new Error('no room')
          return false
        }
        await using cached = cachedAgent(store)
        await cached.get(origin.url)
        const waiting = wait(cached.cache)
        assert.equal(await stateOf(waiting), 'pending')
        commit.open()
        await waiting
      })
    }

    for (const operation of ['put', 'write', 'commit'] as const) {
      test(`waits at most closeTimeoutMs for a store that hangs at ${operation}`, async () => {
        await using origin = await startOrigin()
        const store = faultyStore()
        store.faults[operation] = () => new Promise(() => {})
        await using cached = cachedAgent(store, { closeTimeoutMs: 100 })
        await cached.get(origin.url)
        const beganMs = performance.now()
        await wait(cached.cache)
        const tookMs = performance.now() - beganMs
        assert.ok(tookMs >= 90 && tookMs < 5_000, `${tookMs} ms`)
      })
    }

    test('does not wait where closeTimeoutMs is 0, nor where nothing is pending', async () => {
      await using origin = await startOrigin()
      const store = faultyStore()
      store.faults.commit = () => new Promise(() => {})
      await using cached = cachedAgent(store, { closeTimeoutMs: 0 })
      await cached.get(origin.url)
      const beganMs = performance.now()
      await wait(cached.cache)
      await using idle = cachedAgent(faultyStore())
      await wait(idle.cache)
      assert.ok(performance.now() - beganMs < 2_000)
    })

    for (const ending of ['the connection is lost', 'the caller leaves'] as const) {
      test(`waits until the part is kept that is there once ${ending}`, async () => {
        const [half, lose] = [256 * KIB, gate()]
        await using origin = await startOrigin(async ({ headers }, response) => {
          const fields = { ...FRESH, etag: '"a"' }
          const body = Buffer.alloc(2 * half, 'x')
          if (headers.range !== undefined) {
            const range = { 'content-range': `bytes ${half}-${2 * half - 1}/${2 * half}` }
            return { status: 206, headers: { ...fields, ...range }, body: body.subarray(half) }
          }
          response.writeHead(200, { ...fields, 'content-length': 2 * half })
          response.write(body.subarray(0, half))
          await lose.opened
          response.destroy()
          return undefined
        })
        const store = faultyStore()
        store.faults.commit = async real => {
          await sleep(50)
          return real()
        }
        await using cached = cachedAgent(store)
        const aborting = new AbortController()
        const { body } = await cached.open(origin.url, { signal: aborting.signal })
        let bytes = 0
        await assert.rejects(async () => {
          for await (const chunk of body) {
            bytes += chunk.byteLength
            if (bytes < half) continue
            if (ending === 'the caller leaves') aborting.abort()
            else lose.open()
          }
        })
        await wait(cached.cache)
        lose.open()
        await using other = cachedAgent(store)
        assert.equal((await other.get(origin.url)).bytes.byteLength, 2 * half)
        assert.equal(origin.requests.at(-1)?.headers.range, `bytes=${half}-`)
      })
    }

    test('waits for a deletion that nobody has waited for', async () => {
      await using origin = await startOrigin(({ method }, response) => {
        if (method === 'GET') return { headers: FRESH, body: 'x' }
        response.destroy()
        return undefined
      })
      const [store, deletion] = [faultyStore(), gate()]
      await using cached = cachedAgent(store)
      await cached.get(origin.url)
      await cached.cache.settled()
      store.faults.delete = async real => {
        await deletion.opened
        return real()
      }
      await assert.rejects(cached.get(origin.url, { method: 'POST' }))
      const waiting = wait(cached.cache)
      assert.equal(await stateOf(waiting), 'pending')
      deletion.open()
      await waiting
      await using other = cachedAgent(store)
      assert.equal((await other.get(origin.url)).fromCache, false)
    })

    test('does not wait for what is still on its way', async () => {
      const end = gate()
      await using origin = await startOrigin(async (_request, response) => {
        response.writeHead(200, FRESH)
        response.write('half')
        await end.opened
        response.end('whole')
        return undefined
      })
      const store = faultyStore()
      await using cached = cachedAgent(store)
      const { body } = await cached.open(origin.url)
      const beganMs = performance.now()
      await wait(cached.cache)
      assert.ok(performance.now() - beganMs < 2_000)
      end.open()
      assert.equal(await body.text(), 'halfwhole')
    })
  })
}

test('settled() waits for what is pending as it is called, and not for what comes after', async () => {
  await using origin = await startOrigin()
  const store = faultyStore()
  const commits = [gate(), gate()]
  let count = 0
  store.faults.commit = async real => {
    await commits[count++]?.opened
    return real()
  }
  await using cached = cachedAgent(store)
  await cached.get(`${origin.url}/1`)
  await until(() => count === 1)
  const waiting = cached.cache.settled()
  await cached.get(`${origin.url}/2`)
  await until(() => count === 2)
  commits[0]?.open()
  await waiting
  const later = cached.cache.settled()
  assert.equal(await stateOf(later), 'pending')
  commits[1]?.open()
  await later
  assert.equal((await cached.get(`${origin.url}/2`)).fromCache, true)
})

test('close() waits for all who call it', async () => {
  await using origin = await startOrigin()
  const [store, commit] = [faultyStore(), gate()]
  store.faults.commit = async real => {
    await commit.opened
    return real()
  }
  await using cached = cachedAgent(store)
  await cached.get(origin.url)
  const closing = [cached.cache.close(), cached.cache.close()]
  for (const each of closing) assert.equal(await stateOf(each), 'pending')
  commit.open()
  await Promise.all(closing)
})

test('close() does not reject, whatever its own store does', async () => {
  const client = new CachedClient()
  client.cache.store.close = () => {
    throw new Error('a fault')
  }
  await client.cache.close()
  await client.close()
})

for (const end of ['close', 'destroy'] as const) {
  for (const isShared of [true, false]) {
    test(`${end}() of a client waits as its ${isShared ? 'shared ' : ''}cache does`, async () => {
      await using origin = await startOrigin()
      const [store, commit] = [faultyStore(), gate()]
      store.faults.commit = async real => {
        await commit.opened
        return real()
      }
      const options = { store, storeTimeoutMs: 10_000 }
      const client = new CachedClient({ cache: isShared ? cacheInterceptor(options) : options })
      await read(await client.get(origin.url))
      const ended = client[end]()
      await sleep(50)
      assert.equal(await stateOf(ended), 'pending')
      commit.open()
      await ended
      await using other = cachedAgent(store)
      assert.equal((await other.get(origin.url)).fromCache, true)
    })
  }
}

test('what is fetched in the background is stored where it has come whole, although the client is closed', async () => {
  await using origin = await startOrigin(({ number }) => ({
    headers: { age: number === 1 ? '2' : '0', 'cache-control': 'max-age=1, stale-while-revalidate=1000' },
    body: `#${number}`
  }))
  const [store, commit] = [faultyStore(), gate()]
  const client = new CachedClient({ cache: { store, storeTimeoutMs: 10_000 } })
  await read(await client.get(origin.url))
  await client.cache.settled()
  const begun = store.countOf('commit')
  store.faults.commit = async real => {
    await commit.opened
    return real()
  }
  assert.equal((await read(await client.get(origin.url))).outcome, 'stale')
  await until(() => store.countOf('commit') > begun)
  const closed = client.close()
  assert.equal(await stateOf(closed), 'pending')
  commit.open()
  await closed
  await using other = cachedAgent(store)
  assert.equal((await other.get(origin.url)).body, '#2')
})

test('a store of memory is settled at once', async () => {
  await using origin = await startOrigin()
  const cache = cacheInterceptor({ store: new MemoryStore() })
  const agent = new Agent().compose(cache)
  await (await request(origin.url, { dispatcher: agent })).body.text()
  await cache.settled()
  await agent.close()
  await cache.close()
})
