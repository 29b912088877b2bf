import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memfs } from 'memfs'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { FileStore, type FileStoreOptions } from 'undici-http-cache/stores/file'
import { testStore } from 'undici-http-cache/stores/testing'

const json = new JsonBytesSerializer()

/** Every byte turned round, as one that encrypts would. */
const custom = {
  name: 'turned-round',
  encode: (record: Parameters<typeof json.encode>[0]) => json.encode(record).map(byte => byte ^ 0xff),
  decode: (encoded: Uint8Array) => json.decode(encoded.map(byte => byte ^ 0xff))
}

for (const serializer of [new MessagePackSerializer(), json, custom]) {
  testFileStore(`FileStore with ${serializer.name}`, { serializer })
}

testFileStore('FileStore with fsync', { fsync: true })

const directories = new WeakMap<object, string>()

function testFileStore(name: string, options: FileStoreOptions): void {
  const open = (directory: string, maxEntrySizeBytes: number) => {
    const store = new FileStore({ ...options, directory, maxEntrySizeBytes })
    directories.set(store, directory)
    return store
  }
  testStore({
    name,
    create: async ({ maxEntrySizeBytes }) => open(await mkdtemp(join(tmpdir(), 'file-store-')), maxEntrySizeBytes),
    reopen: store => open(directories.get(store) ?? '', store.maxEntrySizeBytes ?? 0),
    dispose: async store => rm(directories.get(store) ?? '', { recursive: true })
  })
}

const volumes = new WeakMap<object, FileStoreOptions>()

testStore({
  name: 'FileStore on memfs',
  create: ({ maxEntrySizeBytes }) => {
    const options = { fs: memfs().fs.promises, directory: '/cache', maxEntrySizeBytes } as unknown as FileStoreOptions
    const store = new FileStore(options)
    volumes.set(store, options)
    return store
  },
  reopen: store => new FileStore(volumes.get(store))
})
