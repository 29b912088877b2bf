// Responses kept as JSON, in strings.
//
//   npx tsx examples/serializers/json-string.ts
import { CachedClient, MemoryStore } from 'undici-http-cache'
import { JsonStringSerializer } from 'undici-http-cache/serializers/json-string'
import { startOrigin } from '../support/origin.ts'

await using origin = await startOrigin((_request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end('héllo')
})

const serializer = new JsonStringSerializer()
const store = new MemoryStore({ serializer })
await using client = new CachedClient({ cache: store })

for (let i = 0; i < 2; i++) {
  const { body, fromCache } = await client.get(origin.url)
  console.log(await body.text(), '- from the cache:', fromCache)
}

// A body is text where it is valid UTF-8, else base64, and marked as such: any bytes survive.
for await (const entry of store.entries()) {
  console.log(serializer.encode({ version: 1, entry, body: Buffer.from('héllo') }))
  const { body } = JSON.parse(serializer.encode({ version: 1, entry, body: Buffer.from([0xff, 0xfe]) }))
  console.log(body)
}
