// Processes of their own, on one Redis: what one of them fetches it fetches for all.
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CacheOptions } from 'undici-http-cache'
import type { RedisStoreOptions } from 'undici-http-cache/stores/redis'
import { type Origin, type Reply as OriginReply, type Responder, startOrigin } from '../../support/origin.ts'
import { RedisCluster, until } from '../../support/redis/cluster.ts'
import { missingRedis, RedisServer } from '../../support/redis/server.ts'
import { newNamespace, PATIENT } from '../../support/redis/settings.ts'
import type { Ask, Got, Open, Reply } from './fleet-process.ts'

const SIZE = 8
const STORE_TIMEOUT_MS = 500
/** For a machine that is busy with other things. */
const SLACK_MS = 1500
const FRESH = { 'cache-control': 'max-age=60' }

class Member implements AsyncDisposable {
  readonly #child: ChildProcess = fork(join(import.meta.dirname, 'fleet-process.ts'), [], {
    execArgv: ['--import', 'tsx']
  })
  readonly isReady = once(this.#child, 'message')
  #told = 0

  tell(message: { readonly open: Open } | { readonly ask: Ask }): Promise<Reply> {
    const id = ++this.#told
    const child = this.#child
    return new Promise(resolve => {
      const listen = (reply: Reply) => {
        if (reply.id !== id) return
        child.off('message', listen)
        resolve(reply)
      }
      child.on('message', listen)
      child.send({ ...message, id })
    })
  }

  /** At once, in the midst of what it does. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.kill()
    await exited
  }
}

let server: RedisServer
let members: readonly Member[] = []

before(async () => {
  if (missingRedis !== false) return
  server = await RedisServer.start()
  members = Array.from({ length: SIZE }, () => new Member())
  await Promise.all(members.map(member => member.isReady))
})

after(async () => {
  for (const member of members) await member[Symbol.asyncDispose]()
  await server?.[Symbol.asyncDispose]()
})

interface OpenOptions {
  readonly redis?: RedisStoreOptions
  readonly isTiered?: boolean
  readonly options?: CacheOptions
  readonly of?: readonly Member[]
}

/** A cache for each of them, on a namespace that nobody has used. */
async function open({ redis = { url: server.url }, isTiered = false, options, of = members }: OpenOptions = {}) {
  const namespace = newNamespace()
  const message: Open = {
    redis: { options: PATIENT, ...redis, namespace },
    isTiered,
    options: { coalesce: 'fleet', storeTimeoutMs: 5000, ...options }
  }
  await Promise.all(of.map(member => member.tell({ open: message })))
  // The connections are made with the first use.
  await using warm = await startOrigin({ headers: { 'cache-control': 'no-store' } })
  await Promise.all(of.map(member => member.tell({ ask: { url: warm.url, count: 1 } })))
}

async function ask(url: string, count = 1, of = members): Promise<Got[]> {
  return (await Promise.all(of.map(member => member.tell({ ask: { url, count } })))).flatMap(({ got }) => got)
}

function assertAll(got: readonly Got[], count: number, body?: Uint8Array): void {
  assert.equal(got.length, count)
  for (const each of got) assert.deepEqual([each.error, each.status], [undefined, 200])
  if (body === undefined) return
  const digest = createHash('sha256').update(body).digest('hex')
  for (const each of got) assert.equal(each.digest, digest)
}

/** The first answer waits until the origin is told. */
async function slowOrigin(answer: OriginReply | Responder): Promise<Origin & { answerFirst(): void }> {
  let answerFirst = () => {}
  const told = new Promise<void>(resolve => {
    answerFirst = resolve
  })
  const origin = await startOrigin(async (request, response) => {
    if (request.number === 1) await told
    return typeof answer === 'function' ? answer(request, response) : answer
  })
  return Object.assign(origin, { answerFirst })
}

const slowest = (got: readonly Got[]) => Math.max(...got.map(({ tookMs }) => tookMs))
const arrived = (origin: Origin, count = 1) => until(async () => origin.requests.length >= count)

describe('eight processes', { skip: missingRedis }, () => {
  const kinds: Record<string, () => Promise<OpenOptions & { close?: () => Promise<void> }>> = {
    'on Redis': async () => ({}),
    'with memory over Redis': async () => ({ isTiered: true }),
    'on a cluster': async () => {
      const cluster = await RedisCluster.start()
      return { redis: { cluster: cluster.nodes }, close: () => cluster[Symbol.asyncDispose]() }
    }
  }
  for (const [kind, make] of Object.entries(kinds)) {
    it(`${kind} that ask for something cold at once make one request, and get the same bytes`, async context => {
      const { close, ...options } = await make()
      try {
        await open(options)
        const body = randomBytes(300_000)
        await using origin = await startOrigin(async () => {
          await sleep(100)
          return { headers: FRESH, body }
        })
        for (const path of ['/a', '/b', '/c']) {
          const got = await ask(origin.url + path, 5)
          assertAll(got, 5 * SIZE, body)
          context.diagnostic(`${kind}, ${path}: slowest ${Math.round(slowest(got))} ms`)
        }
        assert.deepEqual(origin.requests.map(({ path }) => path).sort(), ['/a', '/b', '/c'])
      } finally {
        await close?.()
      }
    })
  }

  it('without the option make a request each', async () => {
    await open({ options: { coalesce: 'process' } })
    await using origin = await startOrigin(async () => {
      await sleep(500)
      return { headers: FRESH, body: 'x' }
    })
    assertAll(await ask(origin.url, 5), 5 * SIZE)
    assert.equal(origin.requests.length, SIZE)
  })

  for (const [what, reply] of Object.entries({
    'that is for one alone': { headers: { 'cache-control': 'no-store' }, body: 'x' },
    'of another variant for each': { headers: { ...FRESH, vary: 'x' }, body: 'x' }
  })) {
    it(`do not queue for an answer ${what}`, async context => {
      const LATENCY_MS = 1000
      await open()
      let busy = 0
      let most = 0
      await using origin = await startOrigin(async () => {
        most = Math.max(most, ++busy)
        await sleep(LATENCY_MS)
        busy--
        return reply
      })
      const answers = members.map((member, i) =>
        member.tell({ ask: { url: origin.url, count: 1, headers: { x: `${i}` } } })
      )
      const got = (await Promise.all(answers)).flatMap(answer => answer.got)
      assertAll(got, SIZE)
      context.diagnostic(`${what}: slowest ${Math.round(slowest(got))} ms, ${origin.requests.length} requests`)
      assert.ok(slowest(got) < 2 * LATENCY_MS + SLACK_MS, `${slowest(got)} ms`)
      assert.equal(origin.requests.length, SIZE)
      assert.ok(most >= SIZE - 1, `${most} at the same time`)
    })
  }

  it('wait for one that dies no longer than its lease, and get no error', async context => {
    const LEASE_MS = 1000
    await using doomed = new Member()
    await doomed.isReady
    await open({ options: { leaseMs: LEASE_MS }, of: [...members, doomed] })
    await using origin = await slowOrigin(({ number }) => ({ headers: FRESH, body: `#${number}` }))
    void doomed.tell({ ask: { url: origin.url, count: 1 } })
    await arrived(origin)
    const asked = ask(origin.url)
    await sleep(700)
    const killedMs = performance.now()
    doomed.kill()
    const got = await asked
    const tookMs = performance.now() - killedMs
    context.diagnostic(`${Math.round(tookMs)} ms after its death, with a lease of ${LEASE_MS} ms`)
    assert.ok(tookMs < LEASE_MS + SLACK_MS, `${tookMs} ms`)
    assertAll(got, SIZE, Buffer.from('#2'))
    assert.equal(origin.requests.length, 2)
    origin.answerFirst()
  })

  it('that abort while they wait leave, and the others do not notice', async () => {
    await open()
    await using origin = await slowOrigin({ headers: FRESH, body: 'x' })
    const leader = ask(origin.url, 1, members.slice(0, 1))
    await arrived(origin)
    const aborted = members
      .slice(1, 4)
      .map(member => member.tell({ ask: { url: origin.url, count: 2, abortAfterMs: 200 } }))
    const others = ask(origin.url, 2, members.slice(4))
    for (const { got } of await Promise.all(aborted))
      assert.deepEqual(
        got.map(({ error }) => error),
        ['TimeoutError', 'TimeoutError']
      )
    origin.answerFirst()
    assertAll([...(await leader), ...(await others)], 9)
    assert.equal(origin.requests.length, 1)
  })

  for (const isTiered of [false, true]) {
    it(`make one request in the background for fifty hits${isTiered ? ', with memory over Redis' : ''}`, async () => {
      const four = members.slice(0, 4)
      await open({ isTiered, options: { coalesce: 'process' }, of: four })
      await using origin = await startOrigin(async ({ number }) => {
        if (number > 1) await sleep(2000)
        const lifetime = number > 1 ? 'max-age=60' : 'max-age=1'
        return { headers: { 'cache-control': `${lifetime}, stale-while-revalidate=60` }, body: `#${number}` }
      })
      await ask(origin.url, 1, four.slice(0, 1))
      assertAll(await ask(origin.url, 1, four), 4)
      assert.equal(origin.requests.length, 1)
      await sleep(1200)
      const hits = [...(await ask(origin.url, 13, four.slice(0, 2))), ...(await ask(origin.url, 12, four.slice(2)))]
      assertAll(hits, 50, Buffer.from('#1'))
      assert.deepEqual(new Set(hits.map(({ outcome }) => outcome)), new Set(['stale']))
      await arrived(origin, 2)
      await until(async () => (await ask(origin.url, 1, four)).every(({ outcome }) => outcome === 'hit'))
      await sleep(300)
      assert.equal(origin.requests.length, 2)
    })
  }

  for (const [what, stop] of Object.entries({
    hangs: (redis: RedisServer) => redis.pause(),
    'is killed': (redis: RedisServer) => redis.kill()
  })) {
    it(`that wait as Redis ${what} each get their response within storeTimeoutMs`, async context => {
      await using redis = await RedisServer.start()
      await open({ redis: { url: redis.url }, options: { storeTimeoutMs: STORE_TIMEOUT_MS } })
      await using origin = await slowOrigin({ headers: FRESH, body: 'x' })
      const leader = ask(origin.url, 1, members.slice(0, 1))
      await arrived(origin)
      const others = ask(origin.url, 3, members.slice(1))
      await sleep(500)
      assert.ok(origin.requests.length < 3, 'they wait, but for one that the machine may have kept from it')
      const stoppedMs = performance.now()
      await stop(redis)
      const got = await others
      const tookMs = performance.now() - stoppedMs
      context.diagnostic(`Redis ${what}: ${Math.round(tookMs)} ms later all have it`)
      assert.ok(tookMs < STORE_TIMEOUT_MS + SLACK_MS, `${tookMs} ms`)
      assertAll(got, 3 * (SIZE - 1))
      const late = await ask(`${origin.url}/late`, 2)
      assertAll(late, 2 * SIZE)
      assert.ok(slowest(late) < STORE_TIMEOUT_MS + SLACK_MS, `${slowest(late)} ms`)
      origin.answerFirst()
      assertAll(await leader, 1)
      redis.resume()
    })
  }
})
