// Hits and stores per second with every store, beside undici's own stores and the floor: each in a process of its own,
// which take turns.
//   npm run bench:stores [-- --short] [--json <file>] [--note <conditions>] [name ...]
//
// A hit goes through `dispatch`, and its body is read; a lookup (get and open) and a store are done by the store's own
// interface. Each figure is the median of the rounds, and each ratio that of the ratios within a round. undici's
// SqliteCacheStore takes part where Node has `node:sqlite`, and what needs Redis where there is a redis-server.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { missingRedis, RedisServer } from '../test/support/redis/server.ts'
import { median } from './compare.ts'
import { startOrigin } from './exchange.ts'
import { ReportWriter, type Role } from './report.ts'
import type { Order } from './store-process.ts'
import { KINDS, type Kind, URLS } from './store-subject.ts'
import { type Ground, NEED_REDIS, SUBJECTS } from './store-subjects.ts'

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean', default: false }, json: { type: 'string' }, note: { type: 'string' } }
})
const ROUNDS = options.short ? 3 : 9
const SLICE_MS = options.short ? 60 : 200
const SIZES = [1024, 65_536]
const CONCURRENCIES = [1, 64]
/** What others are compared with. */
const BASE = 'undici MemoryCacheStore'

/** As a process is that has run for a while. glibc keeps as much of what is freed as the largest block was that it ever had
 * back; until that is some megabytes, it is chance whether the pages of each body are fetched from the system anew. */
const SETTLED_HEAP = { MALLOC_TRIM_THRESHOLD_: String(64 * 1024 * 1024) }

/** What has to hold: a store does at least so many times as much of that as another subject. */
interface Target {
  readonly kind: Kind
  readonly store: string
  readonly beside: string
  readonly least: number
  /** Where it has to hold; left out: everywhere. */
  readonly bytes?: number
  readonly concurrency?: number
}
const TARGETS: readonly Target[] = [
  { kind: 'hits', store: 'FileStore', beside: 'fs.promises.readFile', least: 0.5 },
  { kind: 'hits', store: 'LmdbStore', beside: BASE, least: 2, bytes: 1024 },
  { kind: 'hits', store: 'TieredStore of memory, Redis', beside: 'MemoryStore', least: 1 / 1.3 },
  { kind: 'lookups', store: 'RedisStore', beside: 'HMGET', least: 0.6, bytes: 1024, concurrency: 64 }
]

/** A store's process. */
interface Worker {
  readonly name: string
  readonly kinds: readonly Kind[]
  obey(order: Partial<Order> & Pick<Order, 'kind'>): Promise<number>
}

await using origin = await startOrigin()
const server = missingRedis === false ? await RedisServer.start() : undefined
if (missingRedis !== false) console.log(missingRedis)
const workers: Worker[] = []
const report = new ReportWriter()
let failed = false
try {
  for (const name of Object.keys(SUBJECTS)) {
    if ((names.length > 0 && !names.includes(name)) || (server === undefined && NEED_REDIS.includes(name))) continue
    const worker = await start(name, { origin: origin.url, redisUrl: server?.url })
    if (worker !== undefined) workers.push(worker)
  }
  for (const kind of KINDS) {
    for (const bytes of SIZES) {
      for (const worker of workers) await worker.obey({ kind: 'prepare', bytes })
      for (const concurrency of CONCURRENCIES) await measure(kind, bytes, concurrency)
    }
  }
} finally {
  for (const worker of workers) await worker.obey({ kind: 'close' })
  await server?.[Symbol.asyncDispose]()
}
report.write(options.json, ['undici-http-cache', 'undici', 'lmdb', 'ioredis', 'undici-cache-redis'], options.note)
process.exitCode = failed ? 1 : 0

async function start(name: string, ground: Ground): Promise<Worker | undefined> {
  const env = { ...process.env, ...SETTLED_HEAP }
  const child = fork(join(import.meta.dirname, 'store-process.ts'), [name, JSON.stringify(ground)], { env })
  const [{ kinds, unavailable }] = await once(child, 'message')
  if (unavailable !== undefined) {
    console.log(`${name}: ${unavailable}`)
    return undefined
  }
  return {
    name,
    kinds,
    async obey(order) {
      child.send({ bytes: 0, concurrency: 1, forMs: SLICE_MS, ...order })
      const [{ rate }] = await once(child, 'message')
      return rate
    }
  }
}

async function measure(kind: Kind, bytes: number, concurrency: number): Promise<void> {
  const taking = workers.filter(({ kinds }) => kinds.includes(kind))
  if (taking.length === 0) return
  const rates = new Map<string, number[]>(taking.map(({ name }) => [name, []]))
  for (const worker of taking) await worker.obey({ kind, bytes, concurrency, forMs: 5 * SLICE_MS })
  for (let round = 0; round < ROUNDS; round++) {
    for (const worker of taking) rates.get(worker.name)?.push(await worker.obey({ kind, bytes, concurrency }))
  }
  const ratio = (name: string, beside: string) => {
    const others = rates.get(beside) ?? []
    return median(rates.get(name)?.map((rate, round) => rate / (others[round] ?? Number.NaN)) ?? [])
  }
  const title = `${kind} a second, ${bytes / 1024} KB, ${concurrency} at a time`
  const id = `stores-${kind}-${bytes / 1024}KB-${concurrency}`
  report.add({ id, title, unit: 'per second', parameters: { kind, bytes, concurrency, urls: URLS } }, rates, roleOf)
  console.log(title)
  for (const [name, values] of rates) {
    const rate = Math.round(median(values)).toLocaleString('en')
    const besideBase = rates.has(BASE) ? `${ratio(name, BASE).toFixed(2).padStart(8)} x` : ''
    console.log(`  ${name.padEnd(30)}${rate.padStart(10)}${besideBase}`)
  }
  check(kind, bytes, concurrency, ratio)
}

function roleOf(name: string): Role {
  if (name === 'HMGET' || name === 'fs.promises.readFile') return 'floor'
  return name.startsWith('undici') ? 'other' : 'ours'
}

function check(
  kind: Kind,
  bytes: number,
  concurrency: number,
  ratioOf: (name: string, beside: string) => number
): void {
  for (const { store, beside, least, ...where } of TARGETS) {
    if (where.kind !== kind || (where.bytes ?? bytes) !== bytes || (where.concurrency ?? concurrency) !== concurrency) {
      continue
    }
    const ratio = ratioOf(store, beside)
    if (Number.isNaN(ratio)) continue
    failed ||= ratio < least
    const verdict = ratio >= least ? 'yes' : 'NO'
    console.log(`  ${store} / ${beside}: ${ratio.toFixed(2)} (at least ${least.toFixed(2)}: ${verdict})`)
  }
}
