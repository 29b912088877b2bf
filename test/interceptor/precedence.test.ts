// A whole body that takes its time, and what is asked for of the same URL meanwhile.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { MemoryStore } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import type { CacheStore } from '../../stores/store.ts'
import { CachedAgent, type Gate, gate, readWhole, until } from '../support/cached-agent.ts'
import { type Origin, type SeenRequest, startOrigin } from '../support/origin.ts'

const MEBIBYTE = 1_048_576
const BODY = randomBytes(4 * MEBIBYTE)
const HALF = BODY.byteLength / 2
const LEFT_AFTER = 200_000

const STORES: Record<string, (directory: string) => CacheStore> = {
  'a MemoryStore': () => new MemoryStore(),
  'a FileStore': directory => new FileStore({ directory }),
  'an LmdbStore': directory => new LmdbStore({ directory })
}

interface Behaviour {
  readonly etagOf?: (request: SeenRequest) => string
  /** Opened for all but the first request. */
  readonly others?: Gate
}

/** The first request's body stops half-way until the gate is open, others' after a MiB for as long. */
function startSlowOrigin(rest: Gate, { etagOf = () => '"a"', others }: Behaviour): Promise<Origin> {
  return startOrigin(async (request, response) => {
    const fields = { 'cache-control': 'max-age=60', etag: etagOf(request) }
    if (request.number > 1) await others?.opened
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    if (first !== undefined) {
      const [start, end] = [Number(first), Number(last) + 1]
      const headers = { ...fields, 'content-range': `bytes ${start}-${end - 1}/${BODY.byteLength}` }
      return { status: 206, headers, body: BODY.subarray(start, end) }
    }
    response.writeHead(200, { ...fields, 'content-length': BODY.byteLength })
    if (request.method === 'HEAD') response.end()
    else await sendInTwo(response, request.number === 1 ? HALF : MEBIBYTE, rest)
    return undefined
  })
}

async function sendInTwo(response: ServerResponse, length: number, rest: Gate): Promise<void> {
  response.write(BODY.subarray(0, length))
  await rest.opened
  response.end(BODY.subarray(length))
}

/** A whole body of which half has come, and what stops when it is complete. */
async function startScene(makeStore: (directory: string) => CacheStore, behaviour: Behaviour = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'precedence-'))
  const store = makeStore(directory)
  const rest = gate()
  const origin = await startSlowOrigin(rest, behaviour)
  const cached = new CachedAgent({ store, storeTimeoutMs: 30_000 })
  const slow = await cached.open(origin.url)
  return {
    origin,
    cached,
    /** Lets the rest come, and reads all of it. */
    end: async () => {
      rest.open()
      return readWhole(cached.cache, slow)
    },
    [Symbol.asyncDispose]: async () => {
      rest.open()
      await cached[Symbol.asyncDispose]()
      await origin[Symbol.asyncDispose]()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    }
  }
}

type Scene = Awaited<ReturnType<typeof startScene>>

const RANGE = { headers: { range: 'bytes=0-99' } }

const MEANWHILE: Record<string, (scene: Scene) => Promise<void>> = {
  HEAD: async ({ cached, origin }) => {
    const head = await cached.get(origin.url, { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.equal((await cached.get(origin.url, { method: 'HEAD' })).info.outcome, 'hit')
  },
  'a request for a range': async ({ cached, origin }) => {
    const part = await cached.get(origin.url, RANGE)
    assert.ok(part.bytes.equals(BODY.subarray(0, 100)))
    assert.equal((await cached.get(origin.url, RANGE)).info.outcome, 'hit')
  },
  'a reload that breaks off': async ({ cached, origin }) => {
    const { body } = await cached.open(origin.url, { headers: { 'cache-control': 'no-cache' } })
    let received = 0
    for await (const chunk of body) {
      received += chunk.byteLength
      if (received > LEFT_AFTER) break
    }
    await stored(cached, origin)
  }
}

/** Settles once the first bytes are stored. */
async function stored(cached: CachedAgent, origin: Origin): Promise<void> {
  const headers = { range: 'bytes=0-99', 'cache-control': 'only-if-cached' }
  let isStored = false
  await until(() => {
    void cached.get(origin.url, { headers }).then(({ status }) => {
      isStored ||= status === 206
    })
    return isStored
  })
}

for (const [kind, makeStore] of Object.entries(STORES)) {
  describe(`a whole body that takes its time, in ${kind},`, () => {
    for (const [what, run] of Object.entries(MEANWHILE)) {
      test(`is stored although ${what} came meanwhile`, async () => {
        await using scene = await startScene(makeStore)
        await run(scene)
        assert.ok((await scene.end()).bytes.equals(BODY))
        const asked = scene.origin.requests.length
        const next = await scene.cached.get(scene.origin.url)
        assert.deepEqual([next.info.outcome, next.bytes.equals(BODY)], ['hit', true])
        assert.deepEqual([asked, scene.origin.requests.length], [2, 2])
      })
    }

    for (const [what, options] of [
      ['HEAD', { method: 'HEAD' }],
      ['a request for a range', RANGE]
    ] as const) {
      test(`stays although ${what} that came meanwhile is answered later`, async () => {
        const others = gate()
        await using scene = await startScene(makeStore, { others })
        const { cached, origin } = scene
        const answered = cached.get(origin.url, options)
        await until(() => origin.requests.length === 2)
        await scene.end()
        others.open()
        await answered
        const next = await cached.get(origin.url)
        assert.deepEqual([next.info.outcome, next.bytes.equals(BODY)], ['hit', true])
        assert.equal(origin.requests.length, 2)
      })

      test(`gives way to another version that ${what} has shown meanwhile`, async () => {
        await using scene = await startScene(makeStore, { etagOf: ({ number }) => (number === 1 ? '"a"' : '"b"') })
        const { cached, origin } = scene
        await cached.get(origin.url, options)
        assert.ok((await scene.end()).bytes.equals(BODY))
        assert.equal((await cached.get(origin.url, options)).info.outcome, 'hit')
        const next = await cached.get(origin.url)
        assert.deepEqual([next.info.outcome, next.headers.etag], ['miss', '"b"'])
      })
    }
  })
}

test('a part takes the place of a response to HEAD of its version', async () => {
  await using scene = await startScene(() => new MemoryStore())
  const { cached, origin } = scene
  await cached.get(origin.url, { method: 'HEAD' })
  await cached.get(origin.url, RANGE)
  assert.equal((await cached.get(origin.url, RANGE)).info.outcome, 'hit')
  await scene.end()
})
