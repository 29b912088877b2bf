// Command-line tools: processes that end as soon as they have what they want.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CachedClient } from 'undici-http-cache'
import { ended } from '../support/child.ts'
import { type Origin, startOrigin } from '../support/origin.ts'
import { missingRedis, RedisServer } from '../support/redis/server.ts'
import type { Task } from './closing-process.ts'
import { LATE_STORE, needsRedis, PERSISTENT_STORES, type Place } from './persistent-stores.ts'

const BYTES = 5_000_000
const HALF = 2_000_000
const ENDINGS: readonly Task['ending'][] = [
  'closes the client and the store',
  'closes the client alone, and exits',
  'closes the composed dispatcher, the cache and the store',
  'waits for settled(), and exits',
  'closes the store alone, and exits',
  'closes nothing, and ends by itself'
]

/** What each store is tried with; one of them with everything. Processes take their time to start. */
const ESSENTIAL: readonly Task['ending'][] = ['closes the client and the store']

let origin: Origin
let redis: RedisServer | undefined
let directories: string

before(async () => {
  origin = await startOrigin(({ path, headers }, response) => {
    const fields = { 'cache-control': 'max-age=600', etag: `"${path}"` }
    const body = Buffer.alloc(BYTES, path)
    if (headers.range !== undefined) {
      const start = Number(/^bytes=(\d+)-/.exec(headers.range)?.[1])
      const range = { 'content-range': `bytes ${start}-${BYTES - 1}/${BYTES}` }
      return { status: 206, headers: { ...fields, ...range }, body: body.subarray(start) }
    }
    if (!path.startsWith('/half')) return { headers: fields, body, chunked: path.endsWith('chunked') }
    response.writeHead(200, { ...fields, 'content-length': BYTES })
    response.write(body.subarray(0, HALF))
    return undefined
  })
  if (missingRedis === false) redis = await RedisServer.start()
  directories = await mkdtemp(join(tmpdir(), 'command-line-'))
})

after(async () => {
  await origin.close()
  await redis?.[Symbol.asyncDispose]()
  await rm(directories, { recursive: true, force: true })
})

async function placeOf(): Promise<Place> {
  return { directory: await mkdtemp(join(directories, 'run-')), redisUrl: redis?.url }
}

interface Ended {
  readonly how: number | NodeJS.Signals | null
  readonly output: string
}

/** Runs the tool; interrupts it once it has read so much. */
async function run(task: Task, interruptAfterBytes = Infinity): Promise<Ended> {
  const script = join(import.meta.dirname, 'closing-process.ts')
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000
  })
  let output = ''
  let isInterrupted = false
  child.stdout.on('data', chunk => {
    output += chunk
    const bytes = Number(output.trimEnd().split('\n').at(-1))
    if (isInterrupted || !(bytes >= interruptAfterBytes)) return
    isInterrupted = true
    child.kill('SIGINT')
  })
  return { how: await ended(child), output }
}

async function fromCache(store: string, place: Place, path: string): Promise<boolean> {
  const opened = PERSISTENT_STORES[store]?.(place) ?? assert.fail()
  const client = new CachedClient(origin.url, { cache: { store: opened, storeTimeoutMs: 10_000 } })
  const { body, fromCache } = await client.get(path)
  assert.deepEqual(Buffer.from(await body.arrayBuffer()), Buffer.alloc(BYTES, path))
  await client.close()
  await opened.close()
  return fromCache
}

test('a command-line tool waits for a store that has nothing to keep the process alive', async () => {
  const ending = 'closes the client and the store'
  const place = await placeOf()
  const { how, output } = await run({ ...place, store: LATE_STORE, ending, url: `${origin.url}/late` })
  assert.deepEqual([how, output], [0, `read ${BYTES}\n`])
  assert.equal(await fromCache('FileStore', place, '/late'), true)
})

for (const store of ['FileStore', 'LmdbStore', 'RedisStore']) {
  describe(`a command-line tool with ${store}`, {
    skip: needsRedis(store) && missingRedis,
    concurrency: 2
  }, () => {
    for (const ending of store === 'FileStore' ? ENDINGS : ESSENTIAL) {
      test(`that ${ending} has stored what it has read`, async () => {
        const place = await placeOf()
        const path = `/${store}-${ENDINGS.indexOf(ending)}-chunked`.replaceAll(' ', '-')
        const { how, output } = await run({ ...place, store, ending, url: origin.url + path })
        assert.deepEqual([how, output], [0, `read ${BYTES}\n`])
        assert.equal(await fromCache(store, place, path), true)
      })
    }

    for (const ending of ['is interrupted', 'is interrupted, with a composed dispatcher'] as const) {
      if (store !== 'FileStore' && ending !== 'is interrupted') continue
      test(`that ${ending} keeps what has come, and exits with 130`, async () => {
        const place = await placeOf()
        const path = `/half-${store}-${ending.length}`.replaceAll(' ', '-')
        const beganMs = performance.now()
        const { how } = await run({ ...place, store, ending, url: origin.url + path }, HALF)
        assert.equal(how, 130)
        assert.ok(performance.now() - beganMs < 20_000)
        await fromCache(store, place, path)
        const asked = origin.requests.filter(request => request.path === path)
        assert.deepEqual(
          asked.map(({ headers }) => headers.range),
          [undefined, `bytes=${HALF}-`]
        )
      })
    }
  })
}
