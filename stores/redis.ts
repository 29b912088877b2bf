import type { ClusterNode, RedisOptions } from 'ioredis'
import { byteLimit, positiveInteger } from '../lib/option-checks.ts'
import type { CacheKey, Entry, VariantKey } from '../lib/rfc9111/types.ts'
import { MessagePackSerializer } from '../serializers/message-pack.ts'
import { RECORD_VERSION, type Serializer } from '../serializers/serializer.ts'
import { acceptBytesSerializer } from '../serializers/serializer-option.ts'
import { RedisBodyWriter } from './redis/body-writer.ts'
import type { RedisClient } from './redis/client.ts'
import { Commit } from './redis/commit.ts'
import type { Connection } from './redis/connection.ts'
import { Deletion } from './redis/delete.ts'
import { DeletionLog } from './redis/deletion-log.ts'
import { InvalidationFeed } from './redis/invalidation-feed.ts'
import { Names, shortDigestOf } from './redis/layout.ts'
import { Leases } from './redis/leases.ts'
import { listStored } from './redis/listing.ts'
import { RedisLookup } from './redis/lookup.ts'
import { acceptConnection, acceptNamespace, acceptTtl } from './redis/options.ts'
import { RecordCodec } from './redis/record-codec.ts'
import { OpenWriters } from './shared/open-writers.ts'
import { StoreTime } from './shared/store-time.ts'
import { checkedTag } from './shared/tags.ts'
import type { BodyWriter, CacheStore, Invalidations, LeaseAnswer, Lookup, PutOptions, UpdateOptions } from './store.ts'

export type { RedisClient } from './redis/client.ts'

export interface RedisStoreOptions {
  /** The server; `rediss://` is with TLS.
   * @default `redis://127.0.0.1:6379` */
  readonly url?: string | URL
  /** What ioredis connects with: `password`, `tls`, `sentinels` and `name`, `connectTimeout` (2,000 ms) and
   * `commandTimeout` (1,000 ms). How it retries and queues is the store's affair. */
  readonly options?: RedisOptions
  /** Nodes to find a cluster by, such as `[{ host, port }]`; `options` is then for each of its connections. */
  readonly cluster?: readonly ClusterNode[]
  /** Your own client in the place of the three above. It is used as it is, and never closed. */
  readonly client?: RedisClient
  /** What all names in Redis begin with; 1 to 100 of `A-Z a-z 0-9 _ . : -`.
   * @default `'undici-http-cache'` */
  readonly namespace?: string
  /** Upper bound of how long a response is kept, from when it was stored or last confirmed. Seconds.
   * @default as long as a response may be of use */
  readonly defaultTtlSeconds?: number
  /** How records are written. What another one has written is not found, and not deleted.
   * @default `MessagePackSerializer` */
  readonly serializer?: Serializer<Uint8Array>
  /** How many variants of one URL are kept; those that were written longest ago go first.
   * @default `100` */
  readonly maxVariants?: number
  /** Responses with larger bodies are not stored. Bytes.
   * @default `33554432` (32 MiB) */
  readonly maxEntrySizeBytes?: number
}

const MEBIBYTE = 1_048_576

/** Keeps responses in Redis or Valkey, 6.2 or later, where any number of processes share them: one server, one behind
 * Sentinels, or a cluster. Needs the package `ioredis`.
 *
 * A lookup takes one round trip. Bodies beyond 64 KiB are streamed both ways in chunks, each verified before it is given
 * out. Expiry is left to Redis, and so is eviction. Nothing of a request's credentials is written: a variant key is kept
 * as a digest, which `entries()` gives in its place.
 *
 * Methods reject with what ioredis rejects with: at once where the server cannot be reached, after `commandTimeout` where
 * it does not answer. A connection of the store's own is made with the first use, and anew with the first use after it was
 * lost; it does not keep the process alive. What is damaged is a miss, and in the midst of a body an error with
 * ERR_CACHE_BODY. After close() everything rejects with ERR_CACHE_CLOSED.
 *
 * Throws a TypeError with ERR_CACHE_OPTION for a bad option. */
export class RedisStore implements CacheStore {
  readonly capabilities = {
    tags: true,
    ranges: true,
    shared: true,
    leases: true
  } as const
  readonly maxEntrySizeBytes: number
  /** Tells a TieredStore above of what others change: by connections of its own, made once it is asked to. */
  readonly invalidations: Invalidations
  readonly #feed: InvalidationFeed
  readonly #connection: Connection
  readonly #names: Names
  readonly #codec: RecordCodec
  readonly #lookup: RedisLookup
  readonly #commit: Commit
  readonly #deletionLog: DeletionLog
  readonly #deletion: Deletion
  readonly #leases: Leases
  readonly #time = new StoreTime()
  readonly #open = new OpenWriters('RedisStore')

  constructor(options: RedisStoreOptions = {}) {
    const { namespace = 'undici-http-cache', maxVariants = 100, maxEntrySizeBytes = 32 * MEBIBYTE } = options
    const serializer = acceptBytesSerializer(options.serializer ?? new MessagePackSerializer())
    const maxTtlMs = acceptTtl(options.defaultTtlSeconds)
    positiveInteger('maxVariants', maxVariants)
    byteLimit('maxEntrySizeBytes', maxEntrySizeBytes)
    this.maxEntrySizeBytes = maxEntrySizeBytes
    this.#names = new Names(acceptNamespace(namespace), serializer.name, RECORD_VERSION)
    this.#connection = acceptConnection(options)
    this.#feed = new InvalidationFeed(this.#connection, this.#names)
    this.invalidations = this.#feed
    this.#codec = new RecordCodec(serializer)
    this.#deletionLog = new DeletionLog(this.#connection, this.#names)
    this.#deletion = new Deletion(this.#connection, this.#names, this.#deletionLog)
    this.#leases = new Leases(this.#connection, this.#names)
    this.#lookup = new RedisLookup(this.#connection, this.#names, this.#codec, this.#deletionLog.position, this.#time)
    this.#commit = new Commit(this.#connection, this.#names, this.#codec, { maxTtlMs, maxVariants })
  }

  get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): Promise<Lookup> {
    return this.#lookup.find(key, variantOf)
  }

  async put({ key }: Entry, options: PutOptions = {}): Promise<BodyWriter | undefined> {
    return this.#open.begin(() => this.#begin(key, options))
  }

  async #begin(key: CacheKey, options: PutOptions): Promise<BodyWriter | undefined> {
    const asOf = options.asOf ?? (await this.#deletionLog.position())
    if (typeof asOf !== 'number') return undefined
    const keyDigest = shortDigestOf(key)
    return new RedisBodyWriter({
      connection: this.#connection,
      maxBytes: this.maxEntrySizeBytes,
      bodyKeyOf: bodyName => this.#names.body(keyDigest, bodyName),
      store: async (entry, body) => {
        const isStored = await this.#commit.store(entry, body, asOf)
        if (isStored) {
          this.#lookup.noteStored(entry)
          this.#time.note(entry)
        }
        return isStored
      }
    })
  }

  async update(entry: Entry, { asOf, from }: UpdateOptions = {}): Promise<boolean> {
    if (asOf !== undefined && typeof asOf !== 'number') return false
    const updated = await this.#commit.update(entry, asOf, from)
    if (updated) this.#time.note(entry)
    if (updated && from !== undefined) this.#lookup.noteStored(entry)
    return updated
  }

  async remove(entry: Entry): Promise<void> {
    await this.#deletion.remove(entry)
  }

  async delete(key: CacheKey): Promise<void> {
    await this.#deletion.deleteKey(key)
  }

  /** Takes time in proportion to what carries the tag. */
  async deleteByTag(tag: string): Promise<void> {
    await this.#deletion.deleteTag(checkedTag(tag))
  }

  /** Removes what this namespace and serializer have stored. Takes time in proportion to all that is in Redis. */
  async clear(): Promise<void> {
    await this.#deletion.clear()
  }

  /** One round trip. What holds a lease, or what was left of it, is gone from Redis when its time is up. */
  lease(name: string, ttlMs: number): Promise<LeaseAnswer> {
    return this.#leases.take(name, ttlMs)
  }

  /** All that is stored, with the digests of variant keys in the place of variant keys. */
  async *entries(): AsyncGenerator<Entry> {
    yield* listStored(this.#connection, this.#names, this.#codec)
  }

  /** Waits for what is being stored, at most five seconds for what is not complete yet, which is then forgotten, and for
   * what else is under way; then closes the store's own connections. What is stored stays. */
  async close(): Promise<void> {
    await this.#open.close()
    this.#feed.close()
    await this.#connection.close()
  }
}
