// Every store of this process passes the contract suite, with every serializer it takes.
import { deserialize, serialize } from 'node:v8'
import { MemoryStore } from 'undici-http-cache/stores/memory'
import { testStore } from 'undici-http-cache/stores/testing'
import type { Serializer } from '../../serializers/serializer.ts'
import { LeasingStore } from '../support/leasing-store.ts'
import { serializers } from '../support/serializers.ts'

/** A user's own. */
const v8Serializer: Serializer<Uint8Array> = { name: 'v8', encode: serialize, decode: deserialize }

for (const serializer of [...serializers, v8Serializer]) {
  testStore({
    name: `MemoryStore with the serializer ${serializer.name}`,
    isSynchronous: true,
    create: ({ maxEntrySizeBytes }) => new MemoryStore({ maxEntrySizeBytes, serializer })
  })
}

testStore({
  name: 'a store of promises, with leases',
  create: ({ maxEntrySizeBytes }) => new LeasingStore({ maxEntrySizeBytes })
})
