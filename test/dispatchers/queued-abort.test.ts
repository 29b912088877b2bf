// Callers that abort while their request waits for a connection: undici takes it out of its queue from 8.13 on.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher, request } from 'undici'
import { cacheInterceptor } from 'undici-http-cache'
import { type Origin, startOrigin } from '../support/origin.ts'

/** An origin with one connection, which is busy until `free` is called. */
async function busyOrigin() {
  let free = () => {}
  const freed = new Promise<void>(resolve => {
    free = resolve
  })
  const origin = await startOrigin(async ({ path }) => {
    if (path === '/busy') await freed
    return { headers: { 'cache-control': 'max-age=60' }, body: path }
  })
  return { origin, free: () => free() }
}

/** Takes the only connection; what is returned settles once it is free again. */
async function occupy(origin: Origin, dispatcher: Dispatcher): Promise<{ over: Promise<unknown> }> {
  const over = request(`${origin.url}/busy`, { dispatcher }).then(({ body }) => body.text())
  while (origin.requests.length === 0) await sleep(5)
  return { over }
}

const agent = () => new Agent({ connections: 1, pipelining: 1 })

/** Whether a caller hears of its own abort while its request is queued; and of which paths the origin then hears. */
async function abortedWhileQueued(dispatcher: Dispatcher): Promise<{ isPrompt: boolean; paths: string[] }> {
  const { origin, free } = await busyOrigin()
  await using _ = origin
  const busy = await occupy(origin, dispatcher)
  const aborting = new AbortController()
  const aborted = request(`${origin.url}/a`, { dispatcher, signal: aborting.signal }).then(
    () => assert.fail('not aborted'),
    () => true
  )
  await sleep(20)
  aborting.abort()
  const isPrompt = await Promise.race([aborted, sleep(300, false)])
  free()
  await busy.over
  await aborted
  const last = await request(`${origin.url}/last`, { dispatcher })
  await last.body.text()
  await dispatcher.destroy()
  return { isPrompt, paths: origin.requests.map(({ path }) => path) }
}

describe('a request that is aborted while it waits for a connection', () => {
  test('ends as soon as it does without the cache, and is not sent where it is not without', async () => {
    const plain = await abortedWhileQueued(agent())
    for (const options of [{}, { methods: ['HEAD' as const] }]) {
      const cached = await abortedWhileQueued(agent().compose(cacheInterceptor(options)))
      assert.deepEqual(cached, plain, JSON.stringify(options))
    }
  })

  test('goes on for those who wait for it too', async () => {
    const { origin, free } = await busyOrigin()
    await using _ = origin
    const dispatcher = agent().compose(cacheInterceptor())
    const busy = await occupy(origin, dispatcher)
    const aborting = new AbortController()
    const first = request(`${origin.url}/a`, { dispatcher, signal: aborting.signal })
    const gone = assert.rejects(first, { name: 'AbortError' })
    const following = [1, 2].map(async () => (await request(`${origin.url}/a`, { dispatcher })).body.text())
    await sleep(20)
    aborting.abort()
    free()
    await Promise.all([gone, busy.over])
    assert.deepEqual(await Promise.all(following), ['/a', '/a'])
    assert.deepEqual(
      origin.requests.map(({ path }) => path),
      ['/busy', '/a']
    )
    await dispatcher.destroy()
  })
})
