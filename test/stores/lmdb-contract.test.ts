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

for (const [serializer, maxMemorySizeBytes] of [
  [new MessagePackSerializer(), 16_777_216],
  [new JsonBytesSerializer(), 16_777_216],
  [custom, 0]
] as const) {
  testStore({
    name: `LmdbStore, ${serializer.name}, ${maxMemorySizeBytes === 0 ? 'nothing kept decoded' : 'as by default'}`,
    create: ({ maxEntrySizeBytes }) => scratchStore({ serializer, maxEntrySizeBytes, maxMemorySizeBytes }),
    reopen: store => new LmdbStore({ directory: (store as LmdbStore).directory, serializer, maxMemorySizeBytes }),
    dispose: store => removeStore(store as LmdbStore)
  })
}
