// Every CacheStore's tests, on a FileStore as it is by default and on a file system in memory with a serializer of one's
// own; in the long form, with every kind of serializer on the disk.
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memfs } from 'memfs'
import { JsonBytesSerializer } from 'undici-http-cache/serializers/json-bytes'
import { MessagePackSerializer } from 'undici-http-cache/serializers/message-pack'
import { FileStore, type FileStoreOptions } from 'undici-http-cache/stores/file'
import { testStore } from 'undici-http-cache/stores/testing'
import type { BodyWriter, Entry, PutOptions } from '../../../stores/store.ts'
import { isStress } from '../../support/file-store.ts'

/** A FileStore keeps digests of variant keys, and lists those; the suite is told which keys they are of. */
class ListingStore extends FileStore {
  readonly options: FileStoreOptions
  readonly #variantKeys = new Map<string, string>()

  constructor(options: FileStoreOptions) {
    super(options)
    this.options = options
  }

  override put(entry: Entry, options?: PutOptions): Promise<BodyWriter | undefined> {
    const digest = createHash('sha256').update(entry.variantKey, 'utf16le').digest('hex')
    this.#variantKeys.set(`sha256-${digest}`, entry.variantKey)
    return super.put(entry, options)
  }

  override async *entries(): AsyncGenerator<Entry> {
    for await (const entry of super.entries()) {
      yield { ...entry, variantKey: this.#variantKeys.get(entry.variantKey) ?? 'unknown' }
    }
  }
}

const json = new JsonBytesSerializer()
const variantCount = isStress ? 1000 : 100

/** Every bit turned round, as one that encrypts would. */
const custom = {
  name: 'turned-round',
  encode: (record: Parameters<typeof json.encode>[0]) => json.encode(record).map(byte => byte ^ 0xff),
  decode: (encoded: Uint8Array) => json.decode(encoded.map(byte => byte ^ 0xff))
}

testFileStore('FileStore with MessagePackSerializer', { serializer: new MessagePackSerializer() })
if (isStress) {
  testFileStore('FileStore with JsonBytesSerializer', { serializer: json })
  testFileStore('FileStore with a custom serializer', { serializer: custom })
  testFileStore('FileStore with fsync', { fsync: true })
}

testStore({
  name: 'FileStore on memfs, with a custom serializer',
  create: ({ maxEntrySizeBytes }) => {
    const options = { fs: memfs().fs, serializer: custom, directory: '/cache', maxEntrySizeBytes }
    return new ListingStore(options as unknown as FileStoreOptions)
  },
  reopen: store => new ListingStore((store as ListingStore).options),
  variantCount
})

function testFileStore(name: string, options: FileStoreOptions): void {
  testStore({
    name,
    create: async ({ maxEntrySizeBytes }) => {
      const directory = await mkdtemp(join(tmpdir(), 'file-store-'))
      return new ListingStore({ ...options, directory, maxEntrySizeBytes })
    },
    reopen: store => new ListingStore((store as ListingStore).options),
    dispose: async store => rm((store as ListingStore).options.directory ?? '', { recursive: true }),
    variantCount
  })
}
