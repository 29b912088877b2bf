// A command-line tool that downloads something and ends, in one of several ways: run by command-line.test.ts, which says
// what to do as JSON in the arguments.
import { setTimeout } from 'node:timers'
import { Agent, request } from 'undici'
import { CachedClient, cacheInterceptor } from 'undici-http-cache'
import { openStore, type Place } from './persistent-stores.ts'

export interface Task extends Place {
  readonly store: string
  readonly url: string
  readonly ending:
    | 'closes the client and the store'
    | 'closes the client alone, and exits'
    | 'closes the composed dispatcher, the cache and the store'
    | 'waits for settled(), and exits'
    | 'closes the store alone, and exits'
    | 'closes nothing, and ends by itself'
    | 'is interrupted'
    | 'is interrupted, with a composed dispatcher'
}

const task: Task = JSON.parse(process.argv[2] ?? '')
const { ending, url } = task
const store = openStore(task.store, task)
const options = { store, storeTimeoutMs: 10_000, closeTimeoutMs: 30_000 }
const cache = cacheInterceptor(options)
const agent = new Agent().compose(cache)
const client = new CachedClient({ cache: cache })

async function download(): Promise<void> {
  const { body } = ending.includes('composed') ? await request(url, { dispatcher: agent }) : await client.get(url)
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (ending.startsWith('is interrupted')) process.stdout.write(`${bytes}\n`)
  }
  process.stdout.write(`read ${bytes}\n`)
}

async function interrupted(): Promise<void> {
  if (ending.includes('composed')) await agent.destroy()
  else await client.destroy()
  await cache.close()
  await store.close()
  process.exit(130)
}

process.once('SIGINT', interrupted)

try {
  await download()
} catch (error) {
  // Ctrl-C: what ends the process is on its way.
  process.stdout.write(`${(error as Error).message}\n`)
  await new Promise(resolve => setTimeout(resolve, 60_000))
}

if (ending === 'closes the client and the store') {
  await client.close()
  await cache.close()
  await store.close()
} else if (ending === 'closes the client alone, and exits') {
  await client.close()
  process.exit()
} else if (ending === 'closes the composed dispatcher, the cache and the store') {
  await agent.close()
  await cache.close()
  await store.close()
} else if (ending === 'waits for settled(), and exits') {
  await cache.settled()
  process.exit()
} else if (ending === 'closes the store alone, and exits') {
  await store.close()
  process.exit()
}
