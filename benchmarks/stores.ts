// Hits and stores per second with every store, beside undici's own stores and the floor, interleaved in one process.
//   npm run bench:stores [-- --short] [name ...]
//
// A hit goes through `dispatch`, and its body is read; a lookup (get and open) and a store are done by the store's own
// interface. Each figure is the median of the rounds. undici's SqliteCacheStore takes part where Node has `node:sqlite`,
// and what needs Redis where there is a redis-server.
import { parseArgs } from 'node:util'
import { median } from './compare.ts'
import { startOrigin } from './exchange.ts'
import { KINDS, type Kind, type StoreSubject } from './store-subject.ts'
import { makeSubjects } from './store-subjects.ts'

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean', default: false } }
})
const ROUNDS = options.short ? 2 : 5
const SLICE_MS = options.short ? 60 : 200
const SIZES = [1024, 65_536]
const CONCURRENCIES = [1, 64]
/** What others are compared with. */
const BASE = 'undici MemoryCacheStore'

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

await using origin = await startOrigin()
const subjects = (await makeSubjects(origin.url)).filter(({ name }) => names.length === 0 || names.includes(name))
let failed = false
try {
  for (const kind of KINDS) {
    for (const bytes of SIZES) {
      for (const subject of subjects) await subject.prepare(bytes)
      for (const concurrency of CONCURRENCIES) await measure(kind, bytes, concurrency)
    }
  }
} finally {
  for (const subject of subjects) await subject.close()
}
process.exitCode = failed ? 1 : 0

async function measure(kind: Kind, bytes: number, concurrency: number): Promise<void> {
  const taking = subjects.filter(subject => subject[kind] !== undefined)
  if (taking.length === 0) return
  const rates = new Map<string, number[]>(taking.map(({ name }) => [name, []]))
  for (const subject of taking) await perSecond(subject, kind, bytes, concurrency)
  for (let round = 0; round < ROUNDS; round++) {
    for (const subject of taking) rates.get(subject.name)?.push(await perSecond(subject, kind, bytes, concurrency))
  }
  const medians = new Map([...rates].map(([name, values]) => [name, median(values)]))
  const base = medians.get(BASE)
  console.log(`${kind} a second, ${bytes / 1024} KB, ${concurrency} at a time`)
  for (const [name, rate] of medians) {
    const ratio = base === undefined ? '' : `${(rate / base).toFixed(2).padStart(8)} x`
    console.log(`  ${name.padEnd(30)}${Math.round(rate).toLocaleString('en').padStart(10)}${ratio}`)
  }
  check(kind, bytes, concurrency, medians)
}

function check(kind: Kind, bytes: number, concurrency: number, medians: ReadonlyMap<string, number>): void {
  for (const { store, beside, least, ...where } of TARGETS) {
    if (where.kind !== kind || (where.bytes ?? bytes) !== bytes || (where.concurrency ?? concurrency) !== concurrency)
      continue
    const ratio = (medians.get(store) ?? Number.NaN) / (medians.get(beside) ?? Number.NaN)
    if (Number.isNaN(ratio)) continue
    failed ||= ratio < least
    console.log(
      `  ${store} / ${beside}: ${ratio.toFixed(2)} (at least ${least.toFixed(2)}: ${ratio >= least ? 'yes' : 'NO'})`
    )
  }
}

/** So many loops, each of which begins its next operation when its last one has ended. */
async function perSecond(subject: StoreSubject, kind: Kind, bytes: number, concurrency: number): Promise<number> {
  const operate = subject[kind]
  if (operate === undefined) return Number.NaN
  const startedMs = performance.now()
  let operations = 0
  const loop = async () => {
    while (performance.now() - startedMs < SLICE_MS) {
      await operate(bytes)
      operations++
      // What is never asynchronous would let nothing else have its turn.
      if (operations % 100 === 0) await new Promise(setImmediate)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
  return (operations / (performance.now() - startedMs)) * 1000
}
