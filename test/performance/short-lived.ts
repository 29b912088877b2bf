// Has requests of each way served, one after the other, and says how many of them garbage collections of the new
// generation leave in memory though nobody refers to them any more: run by short-lived.test.ts with --expose-gc.
import { Agent, type Dispatcher } from 'undici'
import { cacheInterceptor, MemoryStore } from 'undici-http-cache'
import { asyncStore } from '../support/async-memory-store.ts'
import { startOrigin } from '../support/origin.ts'

export interface Kept {
  readonly way: string
  /** How many were asked for. */
  readonly requests: number
  readonly kept: number
}

const WARM_UP = 100
const REQUESTS = 40
/** Of memory outside of the heap, which each request's handler holds on to, and which is counted. */
const BYTES = 50_000

await using origin = await startOrigin(({ path, headers }) => {
  const cacheControl = path.slice(1).split('?')[0] ?? ''
  const fields = { 'cache-control': cacheControl, etag: '"1"' }
  return headers['if-none-match'] === undefined ? { headers: fields, body: 'x' } : { status: 304, headers: fields }
})

const memory = () => new Agent().compose(cacheInterceptor({ store: new MemoryStore() }))
const slow = () => new Agent().compose(cacheInterceptor({ store: asyncStore() }))

/** Each asks for its own path, or all for the same. */
const WAYS: Record<string, { dispatcher: Dispatcher; path: (index: number) => string; together?: number }> = {
  'no cache at all': { dispatcher: new Agent(), path: index => `/max-age=60?${index}` },
  hit: { dispatcher: memory(), path: () => '/max-age=60' },
  'hit of an asynchronous store': { dispatcher: slow(), path: () => '/max-age=60' },
  miss: { dispatcher: memory(), path: index => `/max-age=60?${index}` },
  'miss of an asynchronous store': { dispatcher: slow(), path: index => `/max-age=60?${index}` },
  'misses that share one response': { dispatcher: memory(), path: index => `/max-age=60?${index}`, together: 4 },
  'not to be stored': { dispatcher: memory(), path: index => `/no-store?${index}` },
  validated: { dispatcher: memory(), path: () => '/no-cache' },
  'stale while revalidated': { dispatcher: memory(), path: () => '/max-age=0,stale-while-revalidate=60' }
}

for (const way of Object.keys(WAYS)) process.stdout.write(`${JSON.stringify(await measure(way))}\n`)
for (const { dispatcher } of Object.values(WAYS)) await dispatcher.close()

async function measure(way: string): Promise<Kept> {
  const { dispatcher, path, together = 1 } = WAYS[way] ?? WAYS['hit']!
  const serve = (index: number, bytes: number) =>
    Promise.all(Array.from({ length: together }, () => once(dispatcher, path(index), bytes)))
  for (let i = 0; i < WARM_UP; i++) await serve(i, 1)
  await idle()
  for (let i = 0; i < 2; i++) globalThis.gc?.()
  for (let i = 0; i < REQUESTS; i++) await serve(WARM_UP + i, BYTES)
  await idle()
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.({ type: 'minor', execution: 'sync' })
    await new Promise(setImmediate)
  }
  const { arrayBuffers } = process.memoryUsage()
  for (let i = 0; i < 2; i++) globalThis.gc?.()
  const kept = (arrayBuffers - process.memoryUsage().arrayBuffers) / BYTES
  return { way, requests: REQUESTS * together, kept: Math.round(kept) }
}

/** One request, read to its end. */
function once(dispatcher: Dispatcher, path: string, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const handler = {
      held: new ArrayBuffer(bytes),
      onRequestStart() {},
      onResponseStart() {},
      onResponseData() {},
      onResponseEnd() {
        resolve()
      },
      onResponseError(_controller: unknown, error: Error) {
        reject(error)
      }
    }
    dispatcher.dispatch({ origin: origin.url, path, method: 'GET' }, handler)
  })
}

/** Lets what goes on after the last response end. */
function idle(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 200))
}
