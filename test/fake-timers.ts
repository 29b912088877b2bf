// Uses caches while timers are replaced, and after that: run by fake-timers.test.ts. Arguments: what replaces them, when, and
// where Redis is.
import { mkdtempSync, rmSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import timers from 'node:timers'
import FakeTimers from '@sinonjs/fake-timers'
import { Agent, type Dispatcher, request } from 'undici'
import type { CacheStore } from 'undici-http-cache'
import { startOrigin } from './support/origin.ts'

const [faker = '', moment = '', redisUrl = ''] = process.argv.slice(2)
const realSetTimeout = timers.setTimeout
const realSetImmediate = timers.setImmediate

/** What is stuck never comes; what is slow comes within that. */
const LONG_MS = 10_000
const MICROTASKS = ['nextTick', 'queueMicrotask'] as const

/** How timers are replaced; each gives what brings the real ones back. */
const fakers: Record<string, () => () => void> = {
  globals() {
    const names = [
      'setTimeout',
      'setInterval',
      'setImmediate',
      'clearTimeout',
      'clearInterval',
      'clearImmediate'
    ] as const
    const real = names.map(name => globalThis[name])
    for (const name of names) Object.assign(globalThis, { [name]: () => ({ ref() {}, unref: () => ({}) }) })
    return () => {
      names.forEach((name, i) => {
        Object.assign(globalThis, { [name]: real[i] })
      })
    }
  },
  // As Vitest has it.
  sinon() {
    const clock = FakeTimers.install({ now: 0, toNotFake: [...MICROTASKS] })
    return () => clock.uninstall()
  },
  // As sinon alone has it. Streams of Node, and with them sockets, wait for nextTick.
  'sinon, with microtasks': () => {
    const clock = FakeTimers.install({ now: 0 })
    return () => clock.uninstall()
  },
  // As a program in CommonJS sees it: there, what Node's modules export is looked up at each call.
  'sinon, in modules of Node': () => {
    const clock = FakeTimers.install({ now: 0, toNotFake: [...MICROTASKS] })
    syncBuiltinESMExports()
    return () => {
      clock.tick(86_400_000)
      clock.uninstall()
      syncBuiltinESMExports()
    }
  },
  'the mocks of node:test': () => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
    syncBuiltinESMExports()
    return () => {
      mock.timers.reset()
      syncBuiltinESMExports()
    }
  }
}

const directory = mkdtempSync(join(tmpdir(), 'fake-timers-'))
let count = 0
const newDirectory = () => join(directory, String(count++))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const stores: Record<string, () => Promise<CacheStore>> = {
  memory: async () => new (await import('undici-http-cache')).MemoryStore({ maxEntrySizeBytes: 8_000_000 }),
  file: async () => new (await import('undici-http-cache/stores/file')).FileStore({ directory: newDirectory() }),
  lmdb: async () => new (await import('undici-http-cache/stores/lmdb')).LmdbStore({ directory: newDirectory() }),
  redis: async () =>
    new (await import('undici-http-cache/stores/redis')).RedisStore({ url: redisUrl, namespace: `n${count++}` })
}

const pause = (ms: number) => new Promise(resolve => realSetTimeout(resolve, ms))
const turn = () => new Promise(resolve => realSetImmediate(resolve))
const within = <T>(ms: number, work: Promise<T>) => Promise.race([work, pause(ms).then(() => 'late' as const)])

const origin = await startOrigin(({ path }) => ({
  headers: { 'cache-control': 'max-age=100000000' },
  body: path.startsWith('/large') ? 'x'.repeat(4_500_000) : 'x'
}))
const install = fakers[faker]
if (install === undefined) throw new Error(faker)
let restore = moment === 'before loading' ? install() : undefined
const { cacheInterceptor, cacheInfo } = await import('undici-http-cache')

/** A cache over one of the stores. */
class Subject {
  readonly #store: CacheStore
  readonly #cache
  #dispatcher: Dispatcher

  constructor(store: CacheStore) {
    this.#store = store
    this.#cache = cacheInterceptor({ store, storeTimeoutMs: 2000 })
    this.#dispatcher = new Agent().compose(this.#cache)
  }

  async get(path: string): Promise<string> {
    const response = await request(origin.url + path, { dispatcher: this.#dispatcher })
    await response.body.text()
    return cacheInfo(response)?.outcome ?? 'none'
  }

  /** Everything that the replaced timers let pass, and what they hold up. */
  async useUnderFakes(): Promise<void> {
    await within(300, this.get('/early'))
    for (let i = 0; i < 200; i++) if ((await within(100, this.get('/early'))) === 'late') break
    await within(300, this.get('/large'))
    await within(300, this.get('/large'))
    await within(200, this.#purge('/early'))
  }

  async useAfterwards(hitCount: number) {
    // What undici has lost is none of ours.
    this.#dispatcher = new Agent().compose(this.#cache)
    // A connection to Redis whose socket waits for what is lost is given up, and another made, within some seconds.
    for (let i = 0; i < 100 && (await within(LONG_MS, this.get('/again'))) !== 'hit'; i++) await pause(100)
    const outcomes = []
    for (const path of ['/late', '/late', '/large/late', '/large/late']) {
      outcomes.push(await within(LONG_MS, this.get(path)))
      await pause(300)
    }
    let hits = 0
    while (hits < hitCount && (await within(LONG_MS, this.get('/late'))) === 'hit') hits++
    await within(LONG_MS, this.#purge('/late'))
    outcomes.push(await within(LONG_MS, this.get('/late')))
    const closing = Promise.resolve(this.#store.close())
    const closed = await within(
      LONG_MS,
      closing.then(() => 'closed')
    )
    return { outcomes, missingHits: hitCount - hits, closed }
  }

  async #purge(path: string): Promise<void> {
    await this.#cache.purge({ url: origin.url + path })
  }
}

const kinds = Object.keys(stores).filter(kind => kind !== 'redis' || redisUrl !== '')
const makeAll = () => Promise.all(kinds.map(async kind => new Subject((await stores[kind]?.()) as CacheStore)))
const made = { before: restore === undefined ? await makeAll() : [], after: [] as Subject[] }
if (restore === undefined) {
  await Promise.all(made.before.map(subject => subject.get('/early')))
  await pause(100)
  restore = install()
}
made.after = await makeAll()
const subjects = [...made.before, ...made.after]
await Promise.all(subjects.map(subject => subject.useUnderFakes()))
await turn()
restore()
await pause(20)
const results = await Promise.all(subjects.map(subject => subject.useAfterwards(150)))
const names = [...made.before.map((_, i) => `${kinds[i]}, made before`), ...made.after.map((_, i) => `${kinds[i]}`)]
process.stdout.write(JSON.stringify(Object.fromEntries(names.map((name, i) => [name, results[i]]))))
process.exit()
