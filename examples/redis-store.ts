// A store in Redis that a fleet of processes shares: what one of them stores the others hit, what one purges is gone for all.
//
//   npm install ioredis
//   REDIS_URL=redis://127.0.0.1:6379 npx tsx examples/redis-store.ts
import { CachedClient } from 'undici-http-cache'
import { RedisStore } from 'undici-http-cache/stores/redis'
import { startOrigin } from './support/origin.ts'

await using origin = await startOrigin((request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end(`the page ${request.url}`)
})

const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'

// Two that stand for two processes.
const stores = ['one', 'two'].map(() => new RedisStore({ url, namespace: 'example', defaultTtlSeconds: 3600 }))
const [one, two] = stores.map(store => new CachedClient({ cache: store }))

async function read(name: string, client: CachedClient | undefined): Promise<void> {
  const response = await client?.get(`${origin.url}/1`)
  console.log(`${name}: ${await response?.body.text()} - from the cache: ${response?.fromCache}`)
  await client?.cache.settled() // what has come is stored, for the others too
}

await read('one process', one)
await read('the other', two)
await stores[0]?.deleteByTag(`origin:${origin.url}`)
await read('the other, after a purge', two)
console.log(`requests that reached the server: ${origin.requestCount}`)

await one?.close()
await two?.close()
// Who makes a store closes it; what is stored stays in Redis.
for (const store of stores) await store.close()
