// Responses kept as MessagePack: compact, quick, and bodies are bytes.
//
//   npx tsx examples/serializers/message-pack.ts
import { CachedClient, MemoryStore } from 'undici-http-cache'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { startOrigin } from '../support/origin.ts'

await using origin = await startOrigin((_request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end('héllo')
})

const serializer = new MessagePackSerializer()
const store = new MemoryStore({ serializer })
await using client = new CachedClient({ cache: store })

for (let i = 0; i < 2; i++) {
  const { body, fromCache } = await client.get(origin.url)
  console.log(await body.text(), '- from the cache:', fromCache)
}

for await (const entry of store.entries()) {
  const record = { version: 1, entry, body: Buffer.from('héllo') } as const
  const packed = serializer.encode(record).byteLength
  const json = new JsonBytesSerializer().encode(record).byteLength
  console.log(`${packed} bytes; as JSON it would be ${json}`)
}
