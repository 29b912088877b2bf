import type { ByteRange, CacheKey, Entry, EntryId, VariantKey } from '../lib/rfc9111/types.ts'

export type { ByteRange, CacheKey, Entry, EntryId, VariantKey }

/** A value, or a promise of it. A store that can answer at once does; the caller awaits only what is a promise. */
export type MaybePromise<T> = T | Promise<T>

/** Where a store's own order of deletions stood when a request began. Opaque: made and compared by the store alone.
 *
 * It serves one invariant, which every store keeps: **a deletion wins over every response whose request began before it**,
 * whatever the clocks say. `put`, `commit` and `update` refuse a response as of a position if a deletion of its key, of one
 * of its tags, or of everything has come after that position, and also if the store no longer knows, since it remembers a
 * limited number of deletions. Responses that are asked for after a deletion are stored. `remove` is no deletion.
 *
 * Positions are counted where the deletions of all who share the store meet, so each store has an order of its own: a
 * counter in the process (MemoryStore), in the transaction that changes the data (LmdbStore), on the server (RedisStore),
 * a log of files (FileStore), marks that are listed (ObjectStore). */
export type Position = unknown

/** A stored body: whole, in pieces, or as it is read. Iterating fails where the bytes turn out to be damaged; the cache then
 * deletes the response. An error with a code of the system (`EIO`), of undici, or with ERR_CACHE_STORE says instead that the
 * bytes cannot be read at the moment. The iterator's `return()`, if there is one, releases what is held open, also before
 * the first `next()`. */
export type Body = Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>

/** What a store can do beyond the minimum. */
export interface Capabilities {
  /** Whether `deleteByTag` works; false: it throws or rejects. */
  readonly tags: boolean
  /** Whether `open` reads a range without reading the rest. */
  readonly ranges: boolean
  /** Whether one process finds what another stores. */
  readonly shared: boolean
  /** Whether `clear` works; false: it throws or rejects. True by default. */
  readonly clear?: boolean
  /** Whether `lease` works, among all who share the store. False by default. */
  readonly leases?: boolean
}

/** A stored response that a lookup has found. */
export interface Stored {
  readonly entry: Entry
  /** Opens the stored body, or a range of it; undefined if it has gone since the lookup, or does not cover the range. The
   * body of a partial response has the bytes of `entry.segments`, one after the other, and a range counts from its own
   * first byte. */
  open(range?: ByteRange): MaybePromise<Body | undefined>
  /** As `open`, but the caller owns the bytes, and may keep and change them: whoever else opens the body gets other ones.
   * Saves the caller a copy. Left out where the store gives out the bytes that it keeps. */
  take?(range?: ByteRange): MaybePromise<Body | undefined>
}

/** What a store holds for a request. */
export interface Lookup {
  /** The stored responses that this request can select, newest first. */
  readonly stored: readonly Stored[]
  /** Whether the key has responses that other requests select: a vary-miss, not a uri-miss. */
  readonly otherVariants: boolean
  /** Returns the position of now. Called before the request goes to the origin; the response is stored as of it. A store
   * that knows it at the lookup keeps it here; another need not find it out for a hit. */
  asOf(): MaybePromise<Position>
  /** Looks into the next tier. Called where none of `stored` can be used, before the origin is asked. */
  deeper?(): MaybePromise<Lookup>
}

/** Writes one response. Nothing of it can be found before `commit`. */
export interface BodyWriter {
  /** Takes the next bytes, which belong to the store from then on. A promise: they are not taken yet. */
  write(chunk: Uint8Array): MaybePromise<void>
  /** Stores the response, with the finished entry: trailers, length and segments are known only now. The bytes that were
   * written are those of the segments; there may be fewer than `completeLength`. False: nothing is stored, since a deletion
   * has overtaken the response, or it is too large. A store may also refuse a response that was asked for before the one
   * that it holds; but not a body in favour of a response to HEAD, nor more bytes in favour of fewer, of the same
   * version. */
  commit(entry: Entry): MaybePromise<boolean>
  /** Forgets what was written. */
  abort(): MaybePromise<void>
}

export interface PutOptions {
  /** The position when the request began; undefined: that of now. */
  readonly asOf?: Position
}

export interface UpdateOptions extends PutOptions {
  /** The variant key that the response is stored under, where `entry` has another one: the response moves with its body, and
   * replaces what is stored there. undefined: it stays where it is. */
  readonly from?: VariantKey | undefined
}

/** Is told of what others change in a store that they share. */
export interface InvalidationListener {
  /** A response of the key with this name was replaced, freshened or removed, by any process. */
  changed(name: string): void
  /** Any response may have been changed. */
  everythingChanged(): void
  /** True: the listener is told of all changes from now on. False: of none, until it is called again. */
  isListening(isListening: boolean): void
}

/** How a store tells of what others change in it. */
export interface Invalidations {
  /** The name that changes of a key are announced by: the store may not keep the key itself. */
  nameOf(key: CacheKey): string
  /** Tells the listener of changes until the returned function is called; after a lost connection, again. */
  listen(listener: InvalidationListener): () => void
}

/** What the holder of a lease leaves for those who ask next: its work is done, or its result cannot be shared. */
export type LeaseMark = 'done' | 'unshared'

/** The exclusive right, limited in time, to do something on behalf of all who share a store. */
export interface Lease {
  /** Extends the lease to so long from now on. Milliseconds. False: it is not held any more. */
  renew(ttlMs: number): MaybePromise<boolean>
  /** Ends the lease: whoever asks next gets it. With a mark, they get the mark instead, for `markMs`. Does nothing where the
   * lease is not held any more. */
  release(mark?: LeaseMark, markMs?: number): MaybePromise<void>
}

/** The lease; 'held': another holds it; or the mark that its last holder has left. */
export type LeaseAnswer = Lease | 'held' | LeaseMark

/** Where responses are kept. Any method may throw or reject: the request goes on without the store.
 *
 * The times of an entry are those of the cache's clock (the option `now`), which may be far from real time, and the clocks
 * of two caches that share a store may differ. The cache judges freshness by its own clock. A lookup need not look at
 * `expiresAtMs` at all; if it does, it compares it with the time of the last response that the store was given. What a store
 * removes by real time, in sweeps or by the expiry of a server, it keeps for `expiresAtMs - responseTimeMs` from when it was
 * written. Deadlines, leases and the order of deletions do not depend on the cache's clock. */
export interface CacheStore {
  readonly capabilities: Capabilities
  /** The cache does not offer larger bodies. Bytes; undefined: no limit. */
  readonly maxEntrySizeBytes?: number | undefined
  /** The default of the option `storeTimeoutMs`: how long a request waits for the store. Read as the cache is made.
   * Milliseconds, > 0; at most 2,000 is taken; undefined: 250. */
  readonly suggestedTimeoutMs?: number | undefined
  /** Tells tiers above of changes by others; undefined: they are not told. */
  readonly invalidations?: Invalidations | undefined
  /** Returns what is stored for `key` and this request can select. `variantOf` maps a list of Vary field names to this
   * request's variant key: a store remembers the few lists of each key, and looks one variant up for each. */
  get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): MaybePromise<Lookup>
  /** Begins to write a response. undefined: the store declines it. */
  put(entry: Entry, options?: PutOptions): MaybePromise<BodyWriter | undefined>
  /** Replaces the metadata of a response, and keeps the body. False if `entry.id` is no longer stored, or was deleted
   * since. */
  update(entry: Entry, options?: UpdateOptions): MaybePromise<boolean>
  /** Removes one response: the one with that key, variant key and id, if it is still stored. Other variants stay, and so
   * does another response that has taken its place. It has no position: responses that are on their way are stored as if
   * there had been nothing to replace. undefined: the store cannot, and the whole key is deleted instead. */
  remove?(entry: Entry): MaybePromise<void>
  /** Removes every variant of `key`. */
  delete(key: CacheKey): MaybePromise<void>
  /** Removes every entry with the tag. The stores of this package also take an origin as it is written:
   * `origin:https://host/` is the tag `origin:https://host`. */
  deleteByTag(tag: string): MaybePromise<void>
  /** Removes everything. */
  clear(): MaybePromise<void>
  /** Gives the lease of that name to one at a time of all who share the store. It ends after `ttlMs`, or with `clear`, which
   * removes marks as well. Milliseconds.
   *
   * Names are any strings, unrelated to keys. They may contain credentials: a store outside the process keeps digests. */
  lease?(name: string, ttlMs: number): MaybePromise<LeaseAnswer>
  /** Lists all that is stored, in no particular order. */
  entries?(): AsyncIterable<Entry>
  /** Refuses new responses, waits for those that are being written, at most five seconds, and releases everything. A store
   * that keeps nothing beyond the process does not wait. */
  close(): MaybePromise<void>
}
