import type { ByteRange, CacheKey, Entry, EntryId, VariantKey } from '../lib/rfc9111/types.ts'

export type { ByteRange, CacheKey, Entry, EntryId, VariantKey }

/** A store that can answer at once does; the caller awaits only what is a promise. */
export type MaybePromise<T> = T | Promise<T>

/** Where a store's own order of events stood when a request began. Opaque; made and compared by the store alone, so that a
 * deletion wins over every response whose request began before it, whatever the clocks say. */
export type Position = unknown

/** A stored body: at once, in pieces or as it is read. Iterating may fail where the bytes turn out damaged, which
 * deletes the response; but not with the code of the system (`EIO`), of undici, or with ERR_CACHE_STORE, which say that they
 * cannot be read just now. The iterator's `return()`, if there is one, lets go of what is held open, before the first
 * `next()` as well. */
export type Body = Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>

/** What a store can do beyond the least. */
export interface Capabilities {
  /** `deleteByTag` removes by tag; false: it throws or rejects. */
  readonly tags: boolean
  /** `open` reads a range without reading the rest. */
  readonly ranges: boolean
  /** What one process stores another finds. */
  readonly shared: boolean
  /** `clear` empties the store; false: it throws or rejects. True by default. */
  readonly clear?: boolean
  /** `lease` is there, for all who share the store. False by default. */
  readonly leases?: boolean
}

export interface Stored {
  readonly entry: Entry
  /** Opens the stored body, or a range of it; undefined if gone since the lookup or not covered. Of an entry that is a
   * part, that body is the part: it has the bytes of `entry.segments`, one after the other, and a range counts from its
   * own first byte. */
  open(range?: ByteRange): MaybePromise<Body | undefined>
  /** As `open`, but the bytes are the caller's own from then on, to keep and to change: nobody else has them or gets them,
   * and whoever opens the body again, here or after another lookup, gets others. Spares the caller a copy. Left out where
   * the store gives out the bytes that it keeps. */
  take?(range?: ByteRange): MaybePromise<Body | undefined>
}

export interface Lookup {
  /** What is stored and this request can select, newest first. */
  readonly stored: readonly Stored[]
  /** Whether the key holds responses that other requests select: a vary-miss, not a uri-miss. */
  readonly otherVariants: boolean
  /** Asked for before the request goes to the origin, to be given back with what it brings. A store that can tell at the
   * lookup remembers it here; one for which it is work of its own is spared that work on a hit. */
  asOf(): MaybePromise<Position>
  /** Tiers: asked when no candidate is usable, before the origin is. */
  deeper?(): MaybePromise<Lookup>
}

export interface BodyWriter {
  /** Takes the next bytes, which are the store's from then on. A promise means: not taken yet. */
  write(chunk: Uint8Array): MaybePromise<void>
  /** Makes the response visible, with the finished entry: trailers, length and segments are known only now. What was
   * written are the bytes of the segments, which may be less than `completeLength`: to a store it is a body like others.
   * False: overtaken by a deletion, or too large; nothing is stored. A store may also refuse what was asked for before
   * what it holds, but not a body for a response to HEAD, or more bytes for fewer, of the same version. */
  commit(entry: Entry): MaybePromise<boolean>
  /** Forgets what was written. */
  abort(): MaybePromise<void>
}

export interface PutOptions {
  /** The position that the request began at; undefined: now. */
  readonly asOf?: Position
}

export interface UpdateOptions extends PutOptions {
  /** The variant key that the response is stored under until now, where `entry` has another, and perhaps another `vary`: it
   * moves, body and all, and takes the place of what is stored there. undefined: it stays where it is. */
  readonly from?: VariantKey | undefined
}

/** Told of what others change in a store that they share. */
export interface InvalidationListener {
  /** Something of the key with this name was replaced, freshened or removed, by whomever. */
  changed(name: string): void
  everythingChanged(): void
  /** True: of whatever changes from now on it is told. False: no more, until further notice. */
  isListening(isListening: boolean): void
}

/** How a store tells of what others change in it. */
export interface Invalidations {
  /** The name by which changes of a key are told: what is stored may not say the key itself. */
  nameOf(key: CacheKey): string
  /** Tells until the returned function is called; tells anew after a lost connection. */
  listen(listener: InvalidationListener): () => void
}

/** What the holder of a lease leaves in its place for those who ask next: what it was held for is done, or need not be
 * done by one for all. */
export type LeaseMark = 'done' | 'unshared'

/** The right to do something in place of all who share a store, for a while. */
export interface Lease {
  /** Holds it for so long from now on. Milliseconds. False: it is held no more. */
  renew(ttlMs: number): MaybePromise<boolean>
  /** Lets go of it: whoever asks next gets it. With a mark, which stays for `markMs`, they are told that instead. Does
   * nothing where it is held no more. */
  release(mark?: LeaseMark, markMs?: number): MaybePromise<void>
}

/** 'held': another has it. A mark: what its last holder has left. */
export type LeaseAnswer = Lease | 'held' | LeaseMark

/** Where responses are kept. Any method may throw or reject: the request it was called for goes on without it.
 *
 * The times of an entry are those of the cache's clock (the option `now`), which may be far from real time, and those of
 * two caches that share a store may differ. The cache judges by its own what it is given: a store need not look at
 * `expiresAtMs` in lookups at all, and if it does, then at the time of the last response that it was given. What it removes
 * by real time, in sweeps or by the expiry of a server, it keeps for `expiresAtMs - responseTimeMs` from when it was
 * written. Deadlines, leases and the order of deletions have nothing to do with the cache's clock. */
export interface CacheStore {
  readonly capabilities: Capabilities
  /** Larger responses are not offered. Bytes of body; undefined: no limit. */
  readonly maxEntrySizeBytes?: number | undefined
  /** How long it is worth to wait for, where the user does not say: the default of the option `storeTimeoutMs`. Read as the
   * cache is made. Milliseconds, > 0; at most 2,000 is taken; undefined: 250. */
  readonly suggestedTimeoutMs?: number | undefined
  /** For tiers above a store that others share; undefined: it tells of no changes. */
  readonly invalidations?: Invalidations | undefined
  /** What is stored for `key` and this request can select. `variantOf` maps one remembered list of Vary field names to
   * this request's variant key: a store keeps, per key, the few lists it has seen and looks one variant up for each. */
  get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): MaybePromise<Lookup>
  /** Starts a body. Invisible until commit. undefined: declined. */
  put(entry: Entry, options?: PutOptions): MaybePromise<BodyWriter | undefined>
  /** Replaces metadata and keeps the body. False if that entry.id is no longer stored, or was deleted since. */
  update(entry: Entry, options?: UpdateOptions): MaybePromise<boolean>
  /** Removes one response: the one with that key, variant key and id, if it is still stored. Nothing else changes: other
   * variants stay, and so does another response that has taken its place. It is no deletion, and has no position: what is
   * on its way, for other variants and for this one, is stored as if there had been nothing to take the place of.
   * undefined: the store cannot, and the whole key is deleted instead. */
  remove?(entry: Entry): MaybePromise<void>
  /** Removes every variant of `key`. */
  delete(key: CacheKey): MaybePromise<void>
  /** Removes every entry that carries the tag. The stores of this package take an origin as it is written, too:
   * `origin:https://host/` is the tag `origin:https://host`. */
  deleteByTag(tag: string): MaybePromise<void>
  clear(): MaybePromise<void>
  /** Gives the right of that name to one at a time of all who share the store, for `ttlMs` from now on, after which it
   * ends by itself; `clear` ends it as well, and removes marks. Milliseconds.
   *
   * Names are any strings, and have nothing to do with keys. They may hold credentials: a store outside the process keeps
   * digests. */
  lease?(name: string, ttlMs: number): MaybePromise<LeaseAnswer>
  /** All that is stored, in no order. */
  entries?(): AsyncIterable<Entry>
  /** Begins no more bodies, waits until those that are being written are committed or aborted, at most five seconds, and lets
   * go of everything. A store that keeps nothing has nothing to wait for. */
  close(): MaybePromise<void>
}
