// A store in memory, bounded in bytes: the least recently used responses make room for new ones.
//
//   npx tsx examples/memory-store.ts
import { CachedClient, MemoryStore } from 'undici-http-cache'
import { startOrigin } from './support/origin.ts'

await using origin = await startOrigin((request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end(`the page ${request.url} `.repeat(1000))
})

const store = new MemoryStore({ maxSizeBytes: 100_000, maxEntrySizeBytes: 50_000 })
await using client = new CachedClient({ cache: store })

/** Reads a page; whether it came from the cache. */
async function read(path: string): Promise<boolean> {
  const { body, fromCache } = await client.get(origin.url + path)
  await body.text()
  return fromCache
}

for (const path of ['/1', '/2', '/3', '/1']) {
  const fromCache = await read(path)
  console.log(`${path}: from the cache: ${fromCache}; ${store.entryCount} stored in ${store.sizeBytes} bytes`)
}

for (const path of ['/4', '/5', '/6', '/7']) await read(path)
console.log(`after four more, ${store.entryCount} are stored, in ${store.sizeBytes} of 100000 bytes`)
console.log(`/7: from the cache: ${await read('/7')}`)
console.log(`/2: from the cache: ${await read('/2')}`)

// Who makes a store closes it: it may be shared by several clients.
store.close()
