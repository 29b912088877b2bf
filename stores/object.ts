import { byteLimit, positiveInteger } from '../lib/option-checks.ts'
import type { CacheKey, Entry, VariantKey } from '../lib/rfc9111/types.ts'
import { MessagePackSerializer } from '../serializers/message-pack.ts'
import type { Serializer } from '../serializers/serializer.ts'
import { acceptBytesSerializer } from '../serializers/serializer-option.ts'
import { expectedBytesOf, ObjectBodyWriter } from './object/body-writer.ts'
import { Commit } from './object/commit.ts'
import type { ObjectContext } from './object/context.ts'
import { Deletion } from './object/delete.ts'
import { DeletionLog, ObjectPosition } from './object/deletion-log.ts'
import { DeletionMarks } from './object/deletion-marks.ts'
import { acceptDriver, type ObjectDriver } from './object/driver.ts'
import { DriverCalls } from './object/driver-calls.ts'
import { acceptPrefix } from './object/layout.ts'
import { listStored } from './object/listing.ts'
import { ObjectLookup } from './object/lookup.ts'
import { RecordReader } from './object/record-reader.ts'
import { Sweep } from './object/sweep.ts'
import { BackgroundTasks } from './shared/background-tasks.ts'
import { closedError } from './shared/closed-error.ts'
import { digestOf, tagDigestOf } from './shared/entry-names.ts'
import { KeyedMutex } from './shared/keyed-mutex.ts'
import { OpenWriters } from './shared/open-writers.ts'
import { StoreTime } from './shared/store-time.ts'
import { checkedTag } from './shared/tags.ts'
import type { BodyWriter, CacheStore, Capabilities, Lookup, PutOptions, UpdateOptions } from './store.ts'

export type {
  CallOptions,
  DriverCapabilities,
  GetObjectOptions,
  ObjectBody,
  ObjectDriver,
  PutObjectOptions
} from './object/driver.ts'
export type { DriverFileSystem } from './object/driver-file-system.ts'
export { type FsDriverOptions, fsDriver } from './object/fs-driver.ts'

export interface ObjectStoreOptions {
  /** Where the objects go: `fsDriver()`, `s3Driver()` of `undici-http-cache/stores/object/s3`, or one of your own. */
  readonly driver: ObjectDriver
  /** What all names begin with: letters, digits and `_ - . ! ' ( )`, with slashes between parts; up to 512 characters.
   * Objects of others there are left alone, except for `e/`, `d/` and `m/` in the part that is named after the
   * serializer.
   * @default `'undici-http-cache/'` */
  readonly prefix?: string
  /** How records are written. Records of another serializer are neither found nor removed.
   * @default `MessagePackSerializer` */
  readonly serializer?: Serializer<Uint8Array>
  /** Responses with larger bodies are not stored. Bytes.
   * @default 1 GiB; 8 MiB where the driver has no `streams` */
  readonly maxEntrySizeBytes?: number
  /** How long the driver may take for one answer, or for the next piece of a long one, before it is given up. It bounds
   * what a driver that hangs can hold on to; how long a request waits is `storeTimeoutMs` of the cache. Milliseconds.
   * @default `30000` */
  readonly timeoutMs?: number
}

const GIBIBYTE = 1_073_741_824
const IN_MEMORY_BYTES = 8_388_608

/** Keeps responses as objects: in S3 and what speaks its language, in a folder of any file system, or by a driver of your
 * own. Any number of processes may share them.
 *
 * A lookup reads one object where the key has a single variant, and another where the body is larger than 64 KiB; such
 * bodies are streamed both ways. Whatever is damaged is found out by checksums, before its first byte is served or, in the
 * middle of a large body, before that part is: the body then fails with a CacheError, ERR_CACHE_BODY, and the response is
 * removed. Nothing of a request's credentials is written: a variant key is kept as a digest, which `entries()` gives in its
 * place.
 *
 * Deletions win, without clocks and locks. Within a process this is exact: once `delete`, `deleteByTag` or `clear` has
 * resolved, nothing is found that was asked for before. Among processes it holds for what is being stored, too: `commit`
 * looks for deletions before it makes a response visible, and once more after that, and takes it back. In between, which
 * takes two requests to the storage, other processes may find it; where its process ends in between, until the next
 * `sweep()`. `deleteByTag` and `clear` are known to all processes once they have resolved, and removed one by one until
 * then. A process that was told of no deletion may take a response for one from before it, and not store it.
 *
 * It relies on a storage that shows, to everybody, what has been put or deleted as soon as it says so, in lists too: as S3
 * does. Clocks may differ by hours; a response that takes more than 12 hours to come is not stored. Where several processes
 * store variants of one key, or the driver has no `ifAbsent`, one may be lost to another.
 *
 * Nothing is bounded in bytes, and nothing is removed by itself but what is replaced or damaged: call `sweep()` now and
 * then, or give the storage a rule for how long objects live. Methods reject with what the driver has failed with; with a
 * CacheError, ERR_CACHE_TIMEOUT where it does not answer, ERR_CACHE_STORE where it answers with nonsense, and, after
 * close(), ERR_CACHE_CLOSED. The driver is left open.
 * Throws a TypeError with ERR_CACHE_OPTION for a bad option. */
export class ObjectStore implements CacheStore {
  readonly capabilities: Capabilities
  readonly maxEntrySizeBytes: number
  readonly suggestedTimeoutMs = 2000
  readonly #context: ObjectContext
  readonly #lookup: ObjectLookup
  readonly #commit: Commit
  readonly #deletion: Deletion
  readonly #sweep: Sweep
  readonly #open = new OpenWriters('ObjectStore')
  #closing: Promise<void> | undefined
  #isClosed = false

  constructor(options: ObjectStoreOptions) {
    const driver = acceptDriver(options?.driver)
    const { ranges, streams, shared } = driver.capabilities
    const { prefix = 'undici-http-cache/', timeoutMs = 30_000 } = options
    const { maxEntrySizeBytes = streams ? GIBIBYTE : IN_MEMORY_BYTES } = options
    byteLimit('maxEntrySizeBytes', maxEntrySizeBytes)
    positiveInteger('timeoutMs', timeoutMs, 'milliseconds')
    const serializer =
      options.serializer === undefined ? new MessagePackSerializer() : acceptBytesSerializer(options.serializer)
    const calls = new DriverCalls(driver, `${acceptPrefix(prefix)}${serializer.name}/`, timeoutMs)
    const marks = new DeletionMarks(calls)
    this.capabilities = { tags: true, ranges, shared }
    this.maxEntrySizeBytes = maxEntrySizeBytes
    this.#context = {
      calls,
      serializer,
      marks,
      records: new RecordReader(calls, serializer),
      deletions: new DeletionLog(calls, marks),
      mutex: new KeyedMutex(),
      background: new BackgroundTasks(),
      uploading: new Set(),
      time: new StoreTime()
    }
    this.#deletion = new Deletion(this.#context)
    this.#commit = new Commit(this.#context)
    this.#lookup = new ObjectLookup(this.#context, this.#deletion)
    this.#sweep = new Sweep(this.#context, this.#deletion)
  }

  async get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): Promise<Lookup> {
    return this.#lookup.find(key, variantOf)
  }

  async put(entry: Entry, options: PutOptions = {}): Promise<BodyWriter | undefined> {
    return this.#open.begin(() => this.#begin(entry, options))
  }

  async #begin(entry: Entry, options: PutOptions): Promise<BodyWriter | undefined> {
    const key = digestOf(entry.key)
    const position = options.asOf === undefined ? await this.#context.deletions.now(key) : options.asOf
    this.#assertOpen()
    if (!(position instanceof ObjectPosition) || position.key !== key) return undefined
    return new ObjectBodyWriter({
      context: this.#context,
      commit: this.#commit,
      position,
      maxBytes: this.maxEntrySizeBytes,
      expectedBytes: expectedBytesOf(entry)
    })
  }

  async update(entry: Entry, { asOf, from }: UpdateOptions = {}): Promise<boolean> {
    if (asOf !== undefined && !(asOf instanceof ObjectPosition && asOf.key === digestOf(entry.key))) return false
    return this.#commit.update(entry, asOf, from)
  }

  async remove(entry: Entry): Promise<void> {
    await this.#deletion.removeEntry(entry)
  }

  async delete(key: CacheKey): Promise<void> {
    await this.#deletion.deleteKey(digestOf(key))
  }

  /** Goes through all that is stored: in effect at once for this process, for others as it goes. */
  async deleteByTag(tag: string): Promise<void> {
    await this.#sweep.deleteTag(tagDigestOf(checkedTag(tag)))
  }

  /** Goes through all that is stored: in effect at once for this process, for others as it goes. */
  async clear(): Promise<void> {
    await this.#sweep.clear()
  }

  /** All that is stored, with the digests of variant keys in the place of variant keys. Reads every record. */
  async *entries(): AsyncGenerator<Entry> {
    yield* listStored(this.#context)
  }

  /** Removes what has expired, was deleted or belongs to nothing, and traces of deletions that are older than a day. Reads
   * the beginning of every record; nothing else does that by itself. */
  async sweep(): Promise<void> {
    await this.#sweep.run()
  }

  /** Waits for what is being stored, at most five seconds for what is not complete yet, which is then forgotten; and for
   * the driver no longer than it may take. The objects stay. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#open.close()
    this.#isClosed = true
    await this.#context.background.idle()
    this.#context.calls.close()
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closedError('ObjectStore')
  }
}
