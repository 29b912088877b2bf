// A client that caches, for any origin.
//
//   npx tsx examples/client.ts
import { CachedClient, httpxCacheDefaults } from 'undici-http-cache'
import { startOrigin } from './support/origin.ts'

// This server says nothing about caching; with the preset, such responses are stored, and stay fresh.
await using origin = await startOrigin((_request, response) => response.end('hello'))
await using client = new CachedClient({ cache: httpxCacheDefaults })

const response1 = await client.get(`${origin.url}/get`) // will be cached
console.log(await response1.body.text(), '- from the cache:', response1.fromCache)

const response2 = await client.get(`${origin.url}/get`) // comes from the cache
console.log(await response2.body.text(), '- from the cache:', response2.fromCache)

console.log('requests that reached the server:', origin.requestCount)
