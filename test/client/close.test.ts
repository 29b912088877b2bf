import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { Client } from 'undici'
import { CachedClient, type CacheStore, cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { read } from '../support/ask.ts'
import { startOrigin } from '../support/origin.ts'

/** A store that counts how often it is closed. */
function countingStore(): CacheStore & { closed: number } {
  const memory = new MemoryStore()
  return Object.assign(Object.create(memory) as MemoryStore, {
    closed: 0,
    get: memory.get.bind(memory),
    put: memory.put.bind(memory),
    update: memory.update.bind(memory),
    delete: memory.delete.bind(memory),
    deleteByTag: memory.deleteByTag.bind(memory),
    clear: memory.clear.bind(memory),
    close() {
      this.closed++
      return memory.close()
    }
  })
}

/** For any origin, and for one. */
const KINDS: Record<string, (url: string, cache?: CacheStore) => CachedClient> = {
  'for any origin': (_url, cache) => new CachedClient(cache === undefined ? {} : { cache }),
  'for one origin': (url, cache) => new CachedClient(url, cache === undefined ? {} : { cache })
}

/** What became of a promise, as text. */
const settled = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fulfilled',
    (error: { code?: string }) => error.code
  )

for (const [kind, make] of Object.entries(KINDS)) {
  describe(`a CachedClient ${kind}`, () => {
    test('closes by promise, and then refuses requests as a Client does', async () => {
      await using origin = await startOrigin()
      const client = make(origin.url)
      await read(await client.request({ origin: origin.url, path: '/', method: 'GET' }))
      await client.close()
      assert.deepEqual([client.closed, client.destroyed], [true, true])
      for (const path of ['/', '/other']) {
        const asked = client.request({ origin: origin.url, path, method: 'GET' })
        await assert.rejects(asked, { code: 'UND_ERR_DESTROYED' })
      }
      assert.equal(origin.requests.length, 1)
    })

    test('closes by callback', async () => {
      await using origin = await startOrigin()
      const client = make(origin.url)
      await new Promise<void>(resolve => client.close(resolve))
      assert.deepEqual([client.closed, client.destroyed], [true, true])
    })

    test('waits for the requests under way as it closes, and refuses others at once', async () => {
      let release = (): void => {}
      const released = new Promise<void>(resolve => {
        release = resolve
      })
      await using origin = await startOrigin(async () => {
        await released
        return { body: 'late' }
      })
      const client = make(origin.url)
      const options = { origin: origin.url, method: 'GET' } as const
      const underWay = client.request({ ...options, path: '/' })
      while (origin.requests.length === 0) await new Promise(setImmediate)
      const closing = client.close()
      await assert.rejects(client.request({ ...options, path: '/other' }), { code: 'UND_ERR_CLOSED' })
      release()
      assert.equal((await read(await underWay)).body, 'late')
      await closing
      assert.equal(origin.requests.length, 1)
    })

    test("waits as it closes for those who wait for another's response as well", async () => {
      let release = (): void => {}
      const released = new Promise<void>(resolve => {
        release = resolve
      })
      await using origin = await startOrigin(async () => {
        await released
        return { headers: { 'cache-control': 'max-age=60' }, body: 'late' }
      })
      const client = make(origin.url)
      const asked = [1, 2, 3].map(() => client.request({ origin: origin.url, path: '/', method: 'GET' }).then(read))
      while (origin.requests.length === 0) await new Promise(setImmediate)
      const closing = client.close()
      release()
      for (const { body } of await Promise.all(asked)) assert.equal(body, 'late')
      await closing
    })

    test('closes twice as a Client does', async () => {
      await using origin = await startOrigin()
      const client = make(origin.url)
      const plain = new Client(origin.url)
      const expected = [settled(plain.close()), settled(plain.close())]
      const actual = [settled(client.close()), settled(client.close())]
      assert.deepEqual(await Promise.all(actual), await Promise.all(expected))
      assert.equal(await settled(client.close()), await settled(plain.close()))
      const error = await new Promise<unknown>(resolve => client.close(resolve as () => void))
      assert.equal((error as { code: string }).code, 'UND_ERR_DESTROYED')
    })

    test('is destroyed by promise and by callback, with and without an error, however often', async () => {
      await using origin = await startOrigin()
      const ends: ((client: CachedClient) => Promise<unknown>)[] = [
        client => client.destroy(),
        client => client.destroy(null),
        client => client.destroy(new Error('own')),
        client => new Promise<void>(resolve => client.destroy(resolve)),
        client => new Promise<void>(resolve => client.destroy(new Error('own'), resolve))
      ]
      for (const end of ends) {
        const client = make(origin.url)
        await Promise.all([end(client), end(client)])
        assert.equal(client.destroyed, true)
        await end(client)
        await assert.rejects(client.request({ origin: origin.url, path: '/', method: 'GET' }), {
          code: 'UND_ERR_DESTROYED'
        })
      }
    })

    test('ends the requests under way with the error it is destroyed with', async () => {
      await using origin = await startOrigin(() => undefined)
      const client = make(origin.url)
      const error = new Error('own')
      const asked = [1, 2].map(() =>
        client.request({ origin: origin.url, path: '/', method: 'GET' }).catch((reason: unknown) => reason)
      )
      while (origin.requests.length === 0) await new Promise(setImmediate)
      await client.destroy(error)
      const errors = await Promise.all(asked)
      // Who has waited for another's response asks for itself, and finds the client destroyed.
      assert.equal(errors[0], error)
      assert.equal(errors[1] === error || (errors[1] as { code?: string }).code === 'UND_ERR_DESTROYED', true)
    })

    test('is closed by `await using`, also where it is closed or destroyed before', async () => {
      await using origin = await startOrigin()
      let kept: CachedClient
      {
        await using client = make(origin.url)
        kept = client
        await read(await client.request({ origin: origin.url, path: '/', method: 'GET' }))
      }
      assert.equal(kept.destroyed, true)
      {
        await using client = make(origin.url)
        await client.close()
      }
      {
        await using client = make(origin.url)
        await client.destroy()
      }
    })

    test('closes its connections', async () => {
      await using origin = await startOrigin()
      const closed = once(origin.server, 'connection').then(([socket]) => once(socket, 'close'))
      const client = make(origin.url)
      await read(await client.request({ origin: origin.url, path: '/', method: 'GET' }))
      await client.close()
      await closed
    })

    test('leaves a store that it was given open', async () => {
      await using origin = await startOrigin()
      const store = countingStore()
      const client = make(origin.url, store)
      await client.close()
      await client.close().catch(() => {})
      await client.destroy()
      assert.equal(store.closed, 0)
    })

    test('cancels the revalidation that goes on in the background', async () => {
      let cancelled: Promise<unknown> | undefined
      await using origin = await startOrigin(({ number }, response) => {
        if (number === 1) {
          return { headers: { age: '2', 'cache-control': 'max-age=1, stale-while-revalidate=1000' }, body: 'x' }
        }
        cancelled = once(response, 'close')
        return undefined
      })
      const client = make(origin.url)
      const options = { origin: origin.url, path: '/', method: 'GET' } as const
      await read(await client.request(options))
      assert.equal((await read(await client.request(options))).outcome, 'stale')
      while (origin.requests.length < 2) await new Promise(setImmediate)
      await client.close()
      await cancelled
    })
  })
}

test('closing a client leaves the cache of an interceptor that it shares', async () => {
  await using origin = await startOrigin()
  const cache = cacheInterceptor()
  for (const make of [() => new CachedClient({ cache }), () => new CachedClient(origin.url, { cache })]) {
    const first = make()
    await read(await first.get(origin.url))
    await first.close()
    await assert.rejects(first.get(origin.url), { code: 'UND_ERR_DESTROYED' })
    await using second = make()
    assert.equal((await second.get(origin.url)).fromCache, true)
  }
  assert.equal(origin.requests.length, 1)
  await cache.close()
})

test('closing a composed client closes the client', async () => {
  await using origin = await startOrigin()
  const client = new CachedClient(origin.url)
  const composed = client.compose(dispatch => (opts, handler) => dispatch(opts, handler))
  await read(await composed.request({ path: '/', method: 'GET' }))
  await composed.close()
  assert.equal(client.closed, true)
})
