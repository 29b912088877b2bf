// Responses kept as plain objects: the default of the memory store, and the fastest.
//
//   npx tsx examples/serializers/object.ts
import { CachedClient, MemoryStore } from 'undici-http-cache'
import { ObjectSerializer } from 'undici-http-cache/serializers/object'
import { startOrigin } from '../support/origin.ts'

await using origin = await startOrigin((_request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end('héllo')
})

const serializer = new ObjectSerializer()
const store = new MemoryStore({ serializer }) // the same as new MemoryStore()
await using client = new CachedClient({ cache: store })

for (let i = 0; i < 2; i++) {
  const { body, fromCache } = await client.get(origin.url)
  console.log(await body.text(), '- from the cache:', fromCache)
}

// All that it takes to give the response again.
for await (const entry of store.entries()) {
  const record = serializer.encode({ version: 1, entry })
  console.log(record.entry.statusCode, record.entry.statusText, record.entry.lines)
}
