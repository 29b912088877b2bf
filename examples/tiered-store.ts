// Memory over files: what a tool has fetched is there when it is run again, and what it reads twice comes from memory.
//
//   npx tsx examples/tiered-store.ts
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CachedClient, MemoryStore } from 'undici-http-cache'
import { FileStore } from 'undici-http-cache/stores/file'
import { TieredStore } from 'undici-http-cache/stores/tiered'
import { startOrigin } from './support/origin.ts'

await using origin = await startOrigin((request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end(`the page ${request.url}`)
})

const directory = await mkdtemp(join(tmpdir(), 'tiers-'))

for (const run of ['first run', 'second run']) {
  const memory = new MemoryStore()
  const store = new TieredStore([memory, new FileStore({ directory })])
  const client = new CachedClient({ cache: { store, storeTimeoutMs: 2000 } })
  for (const time of ['once', 'twice']) {
    const tier = memory.entryCount > 0 ? 'memory' : 'files'
    const { body, fromCache } = await client.get(`${origin.url}/1`)
    await body.text()
    console.log(`${run}, ${time}: from ${fromCache ? tier : 'the server'}`)
    await client.cache.settled() // what has come is stored
  }
  await client.close()
  await store.close()
}
console.log(`requests that reached the server: ${origin.requestCount}`)
await rm(directory, { recursive: true })
