// A process of fleet.test.ts: tsx fleet-process.ts, with messages over IPC. It asks through a cache on Redis, as often as it
// is told, and says what it got.
import { createHash } from 'node:crypto'
import { Agent, request } from 'undici'
import { type CacheOptions, cacheInfo, cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { RedisStore, type RedisStoreOptions } from 'undici-http-cache/stores/redis'
import { TieredStore } from 'undici-http-cache/stores/tiered'

/** The cache to ask through from now on. */
export interface Open {
  readonly redis: RedisStoreOptions
  readonly isTiered: boolean
  readonly options: CacheOptions
}

export interface Ask {
  readonly url: string
  readonly count: number
  readonly headers?: Record<string, string>
  readonly abortAfterMs?: number
}

/** What came of one request. */
export interface Got {
  readonly tookMs: number
  readonly status?: number
  readonly digest?: string
  readonly outcome?: string | undefined
  readonly error?: string
}

export interface Reply {
  readonly id: number
  readonly got: readonly Got[]
  /** What onStoreError was told of. */
  readonly faults: readonly string[]
}

type Message = { readonly id: number } & ({ readonly open: Open } | { readonly ask: Ask })

let faults: string[] = []
let dispatcher = new Agent().compose([])

function open({ redis, isTiered, options }: Open): void {
  const shared = new RedisStore(redis)
  const store = isTiered ? new TieredStore([new MemoryStore(), shared]) : shared
  faults = []
  const told = faults
  const cache = cacheInterceptor({ ...options, store, onStoreError: (_, operation) => told.push(operation) })
  dispatcher = new Agent().compose(cache)
}

async function get({ url, headers = {}, abortAfterMs }: Ask): Promise<Got> {
  const startedMs = performance.now()
  const signal = abortAfterMs === undefined ? null : AbortSignal.timeout(abortAfterMs)
  try {
    const response = await request(url, { dispatcher, headers, signal })
    const hash = createHash('sha256')
    for await (const chunk of response.body) hash.update(chunk)
    const tookMs = performance.now() - startedMs
    const { outcome } = cacheInfo(response) ?? {}
    return { tookMs, status: response.statusCode, digest: hash.digest('hex'), outcome }
  } catch (error) {
    return { tookMs: performance.now() - startedMs, error: (error as Error).name }
  }
}

process.on('message', async (message: Message) => {
  let got: readonly Got[] = []
  if ('open' in message) open(message.open)
  else {
    const { ask } = message
    got = await Promise.all(Array.from({ length: ask.count }, () => get(ask)))
  }
  process.send?.({ id: message.id, got, faults } satisfies Reply)
})
process.send?.('ready')
