// Uses a cache in one of several ways, closes the agent, and says what is still active then and how long the process went
// on: run by fairness.test.ts.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { type CacheOptions, cacheInterceptor } from '../../lib/index.ts'
import { AsyncStore } from '../stores/async-store.ts'
import { FaultyStore } from '../stores/faulty-store.ts'
import { startOrigin } from '../support/origin.ts'

const scenario = process.argv[2]

const slow = new AsyncStore()
slow.pace = () => sleep(5)
const hung = new FaultyStore(new AsyncStore())
for (const operation of ['get', 'put'] as const) hung.faults[operation] = () => new Promise(() => {})

const options: Record<string, CacheOptions> = {
  'slow-store': { store: slow },
  'hung-store': { store: hung },
  background: { staleWhileRevalidateSeconds: 60 },
  followers: { coalesceTimeoutMs: 60_000 },
  unread: { coalesceTimeoutMs: 60_000 }
}

const origin = await startOrigin(({ path, number }, response) => {
  if (path === '/hangs' || (scenario === 'background' && number > 2)) return undefined
  if (path === '/half') {
    response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': 1000 })
    response.write('half')
    return undefined
  }
  return { headers: { 'cache-control': scenario === 'background' ? 'max-age=0' : 'max-age=60' }, body: 'x' }
})

let nowMs = Date.now()
const cache = cacheInterceptor({ now: () => nowMs, ...options[scenario ?? ''] })
const agent = new Agent().compose(cache)
async function get(path = '/'): Promise<string> {
  const { body } = await request(origin.url + path, { dispatcher: agent })
  return body.text()
}

await get()
await get()
nowMs += 1000
await Promise.all([get(), get(), get()])
const failing: Promise<unknown>[] = []
if (scenario === 'followers') {
  failing.push(...Array.from({ length: 3 }, () => get('/hangs')))
  await sleep(20)
}
if (scenario === 'unread') {
  const { body } = await request(`${origin.url}/half`, { dispatcher: agent })
  body.on('error', () => {})
  await once(body, 'readable')
}
const settled = Promise.allSettled(failing)
await agent.destroy()
await settled
await origin.close()

const closedAt = performance.now()
const active = process.getActiveResourcesInfo()
process.on('exit', () => {
  // Pipes and the like are the process's own.
  const activeAfterClose = active.filter(name => /timeout|immediate|tcp|http/i.test(name))
  process.stdout.write(JSON.stringify({ activeAfterClose, msUntilExit: performance.now() - closedAt }))
})
