import { deserialize, serialize } from 'node:v8'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { LmdbStore } from 'undici-http-cache/stores/lmdb'
import { testStore } from 'undici-http-cache/stores/testing'
import type { Serializer } from '../../serializers/serializer.ts'
import { removeStore, scratchStore } from './lmdb-stores.ts'

const custom: Serializer<Uint8Array> = {
  name: 'v8',
  encode: record => serialize(record),
  decode: encoded => deserialize(encoded)
}

const memory = [16 * 1_048_576, 0]

for (const serializer of [new MessagePackSerializer(), new JsonBytesSerializer(), custom]) {
  for (const maxMemorySizeBytes of serializer === custom ? memory.slice(0, 1) : memory) {
    testStore({
      name: `LmdbStore, ${serializer.name}, ${maxMemorySizeBytes === 0 ? 'nothing kept decoded' : 'as by default'}`,
      create: ({ maxEntrySizeBytes }) => scratchStore({ serializer, maxEntrySizeBytes, maxMemorySizeBytes }),
      reopen: store => new LmdbStore({ directory: (store as LmdbStore).directory, serializer, maxMemorySizeBytes }),
      dispose: store => removeStore(store as LmdbStore)
    })
  }
}
