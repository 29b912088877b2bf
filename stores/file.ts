import { byteLimit, flag, positiveInteger } from '../lib/option-checks.ts'
import type { CacheKey, Entry, VariantKey } from '../lib/rfc9111/types.ts'
import { MessagePackSerializer } from '../serializers/message-pack.ts'
import type { Serializer } from '../serializers/serializer.ts'
import { acceptBytesSerializer } from '../serializers/serializer-option.ts'
import { FileBodyWriter } from './file/body-writer.ts'
import { Commit } from './file/commit.ts'
import type { FileContext } from './file/context.ts'
import { Deletion } from './file/delete.ts'
import { DeletionLog } from './file/deletion-log.ts'
import { LogPosition } from './file/deletion-log-view.ts'
import { type FileSystem, METHODS } from './file/file-system.ts'
import { Folders } from './file/folders.ts'
import { listStored } from './file/listing.ts'
import { FileLookup } from './file/lookup.ts'
import { nativeFileSystem } from './file/native-file-system.ts'
import { Recency } from './file/recency.ts'
import { RecordReader } from './file/record-reader.ts'
import { RecordWriter } from './file/record-writer.ts'
import { SweepSchedule } from './file/sweep-schedule.ts'
import { BackgroundTasks } from './shared/background-tasks.ts'
import { closedError } from './shared/closed-error.ts'
import { acceptDirectory, acceptFileSystem, cacheDirectory } from './shared/file-options.ts'
import { KeyedMutex } from './shared/keyed-mutex.ts'
import { OpenWriters } from './shared/open-writers.ts'
import { StoreTime } from './shared/store-time.ts'
import { checkedTag } from './shared/tags.ts'
import type { BodyWriter, CacheStore, Lookup, PutOptions, UpdateOptions } from './store.ts'

export type { FileHandle, FileStats, FileSystem } from './file/file-system.ts'

export interface FileStoreOptions {
  /** Where the files go, a path or a `file:` URL; made if it is not there.
   * @default `undici-http-cache` in `$XDG_CACHE_HOME`, or in `~/.cache` */
  readonly directory?: string | URL
  /** Upper bound of what the files occupy, in blocks of 4 KiB. Bytes.
   * @default `2147483648` (2 GiB) */
  readonly maxSizeBytes?: number
  /** Responses with larger bodies are not stored. Bytes.
   * @default half of `maxSizeBytes` */
  readonly maxEntrySizeBytes?: number
  /** How records are written: one that encodes to bytes.
   * @default `MessagePackSerializer` */
  readonly serializer?: Serializer<Uint8Array>
  /** Another file system that looks like `node:fs/promises`, such as `memfs`.
   * @default Node's own */
  readonly fs?: FileSystem | { readonly promises: FileSystem }
  /** Wait until what is written has reached the disk.
   * @default `false` */
  readonly fsync?: boolean
}

const GIBIBYTE = 1_073_741_824
const DELAY_AFTER_TAG_MS = 10_000

/** Keeps responses in files: they outlive the process, and any number of processes share them, without locks.
 *
 * Every lookup reads one file where the key has a single variant. Bodies beyond 64 KiB are streamed both ways. Whatever
 * is damaged is found out by checksums, before its first byte is served or, in the middle of a large body, before that
 * part is: the body then fails with a CacheError, ERR_CACHE_BODY, and the response is removed. Nothing of a request's
 * credentials is written: a variant key is kept as a digest, which `entries()` gives in its place.
 *
 * Files have the mode 0600, folders 0700. A folder that belongs to another user, or that others can write to, is not
 * used: methods reject with a CacheError, ERR_CACHE_STORE. After close() they reject with ERR_CACHE_CLOSED, but for `get`,
 * which finds nothing.
 * Throws a TypeError with ERR_CACHE_OPTION for a bad option. */
export class FileStore implements CacheStore {
  readonly capabilities = {
    tags: true,
    ranges: true,
    shared: true
  } as const
  readonly maxEntrySizeBytes: number
  readonly suggestedTimeoutMs = 1000
  /** Where this store's files are: a folder in `directory` that is named after the serializer. */
  readonly path: string
  readonly #context: FileContext
  readonly #lookup: FileLookup
  readonly #commit: Commit
  readonly #deletion: Deletion
  readonly #sweeps: SweepSchedule
  readonly #open = new OpenWriters('FileStore')
  #arrivals = 0
  #closing: Promise<void> | undefined
  #isClosed = false

  constructor(options: FileStoreOptions = {}) {
    const { maxSizeBytes = 2 * GIBIBYTE, maxEntrySizeBytes = Math.ceil(maxSizeBytes / 2), fsync = false } = options
    positiveInteger('maxSizeBytes', maxSizeBytes, 'bytes')
    byteLimit('maxEntrySizeBytes', maxEntrySizeBytes)
    flag('fsync', fsync)
    const { directory } = options
    const fs = options.fs === undefined ? nativeFileSystem : acceptFileSystem<FileSystem>(options.fs, METHODS)
    const serializer =
      options.serializer === undefined ? new MessagePackSerializer() : acceptBytesSerializer(options.serializer)
    const folders = new Folders(
      fs,
      directory === undefined ? cacheDirectory() : acceptDirectory(directory),
      serializer.name,
      fsync
    )
    this.maxEntrySizeBytes = Math.min(maxEntrySizeBytes, maxSizeBytes)
    this.path = folders.storage
    this.#context = {
      serializer,
      folders,
      records: new RecordReader(folders, serializer),
      writer: new RecordWriter(folders, byteLength => this.#sweeps.added(byteLength)),
      deletions: new DeletionLog(folders),
      mutex: new KeyedMutex(),
      recency: new Recency(folders),
      background: new BackgroundTasks(),
      time: new StoreTime()
    }
    this.#deletion = new Deletion(this.#context)
    this.#commit = new Commit(this.#context)
    this.#lookup = new FileLookup(this.#context, this.#deletion)
    this.#sweeps = new SweepSchedule(this.#context, this.#deletion, maxSizeBytes)
  }

  async get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): Promise<Lookup> {
    return this.#isClosed ? NOTHING : this.#lookup.find(key, variantOf)
  }

  /** Declined, too, while a sweep has yet to make room for what is there already. */
  async put(_entry: Entry, options: PutOptions = {}): Promise<BodyWriter | undefined> {
    return this.#open.begin(() => this.#begin(options))
  }

  async #begin(options: PutOptions): Promise<BodyWriter | undefined> {
    const arrival = ++this.#arrivals
    if (this.#sweeps.isFull) return undefined
    const position = options.asOf === undefined ? await this.#context.deletions.now() : options.asOf
    if (!(position instanceof LogPosition)) return undefined
    return new FileBodyWriter({
      context: this.#context,
      commit: this.#commit,
      position,
      maxBytes: this.maxEntrySizeBytes,
      arrival
    })
  }

  async update(entry: Entry, { asOf, from }: UpdateOptions = {}): Promise<boolean> {
    this.#assertOpen()
    if (asOf !== undefined && !(asOf instanceof LogPosition)) return false
    if (!(await this.#context.folders.isThere())) return false
    return this.#commit.update(entry, asOf, from)
  }

  async remove(entry: Entry): Promise<void> {
    this.#assertOpen()
    if (await this.#context.folders.isThere()) await this.#deletion.removeEntry(entry)
  }

  async delete(key: CacheKey): Promise<void> {
    this.#assertOpen()
    await this.#deletion.deleteKey(key)
  }

  /** In effect at once; the files go with the next sweep. */
  async deleteByTag(tag: string): Promise<void> {
    this.#assertOpen()
    await this.#deletion.deleteTag(checkedTag(tag))
    this.#sweeps.request(DELAY_AFTER_TAG_MS)
  }

  /** In effect at once; waits until the files are gone. */
  async clear(): Promise<void> {
    this.#assertOpen()
    await this.#deletion.clear()
    this.#sweeps.cleared()
  }

  /** All that is stored, with the digests of variant keys in the place of variant keys. */
  async *entries(): AsyncGenerator<Entry> {
    this.#assertOpen()
    yield* listStored(this.#context)
  }

  /** Removes at once what is deleted, expired or left behind, and what is too much: all that happens by itself in the
   * background as well, once an hour and when there is too much. */
  async sweep(): Promise<void> {
    this.#assertOpen()
    await this.#sweeps.run()
  }

  /** Waits for what is being stored, at most five seconds for what is not complete yet, which is then forgotten. The files
   * stay. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#open.close()
    this.#isClosed = true
    await this.#sweeps.close()
    await this.#context.background.idle()
    await this.#context.recency.flush()
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closedError('FileStore')
  }
}

const NOTHING: Lookup = {
  stored: [],
  otherVariants: false,
  asOf() {
    throw closedError('FileStore')
  }
}
