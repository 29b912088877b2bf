// Every CacheStore's tests, on an ObjectStore in files, in a file system in memory, and with a driver that can do little.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memfs } from 'memfs'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { type DriverFileSystem, fsDriver } from 'undici-http-cache/stores/object'
import { testStore } from 'undici-http-cache/stores/testing'
import type { Serializer } from '../../../serializers/serializer.ts'
import { isStress } from '../../support/file-store.ts'
import { ListingStore } from './listing-store.ts'

const variantCount = isStress ? 1000 : 20
const json = new JsonBytesSerializer()

/** Every bit turned round, as one that encrypts would. */
const custom: Serializer<Uint8Array> = {
  name: 'turned-round',
  encode: record => json.encode(record).map(byte => byte ^ 0xff),
  decode: encoded => json.decode(encoded.map(byte => byte ^ 0xff))
}

const all = [new MessagePackSerializer(), json, custom]

for (const serializer of isStress ? all : all.slice(0, 1)) {
  testStore({
    name: `ObjectStore in files, with the serializer ${serializer.name}`,
    create: async ({ maxEntrySizeBytes }) => {
      const directory = await mkdtemp(join(tmpdir(), 'object-store-'))
      return new InFiles(directory, { driver: fsDriver({ directory }), serializer, maxEntrySizeBytes })
    },
    reopen: store => new InFiles((store as InFiles).directory, (store as InFiles).options),
    dispose: store => rm((store as InFiles).directory, { recursive: true }),
    variantCount
  })
}

for (const serializer of isStress ? all : all.slice(2)) {
  testStore({
    name: `ObjectStore in memfs, with the serializer ${serializer.name}`,
    create: ({ maxEntrySizeBytes }) => {
      const fs = memfs().fs as unknown as { promises: DriverFileSystem }
      return new ListingStore({ driver: fsDriver({ directory: '/cache', fs }), serializer, maxEntrySizeBytes })
    },
    reopen: store => new ListingStore((store as ListingStore).options),
    variantCount
  })
}

class InFiles extends ListingStore {
  readonly directory: string

  constructor(directory: string, options: ListingStore['options']) {
    super(options)
    this.directory = directory
  }
}
