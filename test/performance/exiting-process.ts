// Uses caches in several ways, closes the agents, and says what kept the process alive and for how long: run by
// fairness.test.ts.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { type CacheOptions, cacheInterceptor } from 'undici-http-cache'
import { AsyncStore } from '../support/async-store.ts'
import { FaultyStore } from '../support/faulty-store.ts'
import { startOrigin } from '../support/origin.ts'

const slow = new AsyncStore()
slow.pace = () => sleep(5)
const hung = new FaultyStore(new AsyncStore())
for (const operation of ['get', 'put'] as const) hung.faults[operation] = () => new Promise(() => {})

const scenarios: Record<string, CacheOptions> = {
  memory: {},
  'slow store': { store: slow },
  'hung store': { store: hung },
  background: { staleWhileRevalidateSeconds: 60 },
  followers: { coalesceTimeoutMs: 60_000 },
  'unread body': { coalesceTimeoutMs: 60_000 }
}

async function run(scenario: string, options: CacheOptions): Promise<string[]> {
  const origin = await startOrigin(({ path, number }, response) => {
    if (path === '/hangs' || (scenario === 'background' && number > 1)) return undefined
    if (path === '/half') {
      response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': 1000 })
      response.write('half')
      return undefined
    }
    return { headers: { 'cache-control': scenario === 'background' ? 'max-age=0' : 'max-age=60' }, body: 'x' }
  })
  const agent = new Agent().compose(cacheInterceptor(options))
  async function get(path = '/'): Promise<string> {
    const { body } = await request(origin.url + path, { dispatcher: agent })
    return body.text()
  }
  await get()
  await Promise.all([get(), get(), get()])
  const failing: Promise<unknown>[] = []
  if (scenario === 'followers') {
    failing.push(...Array.from({ length: 3 }, () => get('/hangs')))
    await sleep(20)
  }
  if (scenario === 'unread body') {
    const { body } = await request(`${origin.url}/half`, { dispatcher: agent })
    body.on('error', () => {})
    await once(body, 'readable')
  }
  const settled = Promise.allSettled(failing)
  await agent.destroy()
  await settled
  await origin.close()
  return process.getActiveResourcesInfo().filter(name => /timeout|immediate/i.test(name))
}

const active: Record<string, string[]> = {}
for (const [scenario, options] of Object.entries(scenarios)) active[scenario] = await run(scenario, options)
const closedAtMs = performance.now()
process.on('exit', () => {
  process.stdout.write(JSON.stringify({ active, msUntilExit: performance.now() - closedAtMs }))
})
