// A serializer of your own: an object with a name, encode and decode. This one compresses.
//
//   npx tsx examples/serializers/custom.ts
import { deflateSync, inflateSync } from 'node:zlib'
import { CachedClient, CacheError, MemoryStore, type Serializer, type StoredRecord } from 'undici-http-cache'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { startOrigin } from '../support/origin.ts'

class DeflatedJsonSerializer implements Serializer<Uint8Array> {
  /** Part of the storage name: what another serializer wrote is never looked at. */
  readonly name = 'deflated-json'
  readonly #json = new JsonBytesSerializer()

  encode(record: StoredRecord): Uint8Array {
    return deflateSync(this.#json.encode(record))
  }

  /** What cannot be decoded is a miss, if the error says so. */
  decode(encoded: Uint8Array): StoredRecord {
    try {
      return this.#json.decode(inflateSync(encoded))
    } catch (cause) {
      throw new CacheError('ERR_CACHE_RECORD', 'this is no deflated record', { cause })
    }
  }
}

await using origin = await startOrigin((_request, response) => {
  response.setHeader('cache-control', 'max-age=60')
  response.end('hello '.repeat(10_000))
})

const store = new MemoryStore({ serializer: new DeflatedJsonSerializer() })
await using client = new CachedClient({ cache: store })

for (let i = 0; i < 2; i++) {
  const { body, fromCache } = await client.get(origin.url)
  const text = await body.text()
  console.log(`${text.length} characters - from the cache: ${fromCache}`)
}
console.log(`stored in ${store.sizeBytes} bytes, bookkeeping included`)
