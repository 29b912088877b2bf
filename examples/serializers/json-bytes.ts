// Responses kept as JSON in UTF-8, which every store can keep.
//
//   npx tsx examples/serializers/json-bytes.ts
import { CachedClient, MemoryStore } from 'undici-http-cache'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { startOrigin } from '../support/origin.ts'

await using origin = await startOrigin((_request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end('héllo')
})

const serializer = new JsonBytesSerializer()
const store = new MemoryStore({ serializer })
await using client = new CachedClient({ cache: store })

for (let i = 0; i < 2; i++) {
  const { body, fromCache } = await client.get(origin.url)
  console.log(await body.text(), '- from the cache:', fromCache)
}

for await (const entry of store.entries()) {
  const bytes = serializer.encode({ version: 1, entry, body: Buffer.from('héllo') })
  console.log(`${bytes.byteLength} bytes that start with ${Buffer.from(bytes.subarray(0, 20))}`)
}
