import { join, resolve } from 'node:path'
import { optionError } from '../lib/errors.ts'
import { byteLimit, nonNegativeInteger, positiveInteger } from '../lib/option-checks.ts'
import type { CacheKey, Entry, VariantKey } from '../lib/rfc9111/types.ts'
import { MessagePackSerializer } from '../serializers/message-pack.ts'
import type { Serializer } from '../serializers/serializer.ts'
import { acceptBytesSerializer, type BytesSerializer, decodesCopies } from '../serializers/serializer-option.ts'
import { LmdbBodyWriter } from './lmdb/body-writer.ts'
import { Commit } from './lmdb/commit.ts'
import { DatabaseHandle } from './lmdb/database-handle.ts'
import { Deletion } from './lmdb/delete.ts'
import { listStored } from './lmdb/listing.ts'
import { LmdbLookup } from './lmdb/lookup.ts'
import { cacheDirectory } from './shared/file-options.ts'
import { OpenWriters } from './shared/open-writers.ts'
import { StoreTime } from './shared/store-time.ts'
import type { BodyWriter, CacheStore, Lookup, PutOptions, UpdateOptions } from './store.ts'

export interface LmdbStoreOptions {
  /** Where `http-cache.mdb` and the files beside it lie; made, for its owner alone, if it does not exist.
   * @default `$XDG_CACHE_HOME/undici-http-cache/lmdb`, or `~/.cache/undici-http-cache/lmdb` */
  readonly directory?: string
  /** Upper bound of what is stored by all processes together; the least recently used go first. The file does not
   * shrink, and is larger by what is being written and by gaps. Bytes.
   * @default `2147483648` (2 GiB) */
  readonly maxSizeBytes?: number
  /** Responses with larger bodies are not stored. Bytes.
   * @default half of `maxSizeBytes` */
  readonly maxEntrySizeBytes?: number
  /** What form responses are kept in; what another one has written is not found.
   * @default `MessagePackSerializer` */
  readonly serializer?: Serializer<Uint8Array>
  /** What this process may keep decoded, so that the next hit need not. It is never served without asking the database
   * whether it still holds; `0` keeps nothing, and then a small hit takes several times as long. Bytes.
   * @default `16777216` (16 MiB) */
  readonly maxMemorySizeBytes?: number
  /** The last use of a response, which eviction goes by, is written at most so often. Milliseconds.
   * @default `10000` */
  readonly recencyMs?: number
}

const MEBIBYTE = 1_048_576

/** Keeps responses in a memory-mapped LMDB database that any number of processes share. Needs the package `lmdb`.
 *
 * Lookups, and bodies up to 64 KiB, are answered in the same tick; larger bodies are read in chunks, each verified
 * before it is given out. Writes are gathered and done in the next turn of the event loop. The least recently used go first.
 *
 * The database is opened with the first use, and opening is tried again later where it fails: each method then throws, or
 * rejects with, what the file system or LMDB has thrown. Nothing is stored while less than 16 MiB of the disk are free, and
 * nothing deleted while less than 1 MiB are: that is an error with ENOSPC. Files that are gone are made anew. A data file
 * that is no LMDB database, was cut short, or was not written to the disk before the system crashed is set aside as
 * `http-cache.mdb.damaged`, and an empty one takes its place; with a warning, so is one that is damaged at its beginning, or
 * ends the processes that read it. Damage within: a miss, and in the midst of a body an error
 * with ERR_CACHE_BODY. After close() everything fails with ERR_CACHE_CLOSED.
 *
 * The directory is to be on a local disk, not on a network's. A file that somebody cuts short, or whose tree of pages
 * somebody overwrites, while it is open ends the process: LMDB trusts what is mapped.
 *
 * Throws a TypeError with ERR_CACHE_OPTION for a bad option. */
export class LmdbStore implements CacheStore {
  readonly capabilities = {
    tags: true,
    ranges: true,
    shared: true
  } as const
  readonly maxEntrySizeBytes: number
  readonly suggestedTimeoutMs = 250
  /** Where the database lies, as an absolute path. */
  readonly directory: string
  readonly #handle: DatabaseHandle
  readonly #serializer: BytesSerializer
  readonly #lookup: LmdbLookup
  readonly #commit: Commit
  readonly #deletion: Deletion
  readonly #open = new OpenWriters('LmdbStore')

  constructor(options: LmdbStoreOptions = {}) {
    const { maxSizeBytes = 2048 * MEBIBYTE, maxEntrySizeBytes = Math.ceil(maxSizeBytes / 2) } = options
    const {
      directory = join(cacheDirectory(), 'lmdb'),
      maxMemorySizeBytes = 16 * MEBIBYTE,
      recencyMs = 10_000
    } = options
    if (typeof directory !== 'string' || directory === '' || directory.includes('\0')) {
      throw optionError('directory', 'the path of a directory', directory)
    }
    positiveInteger('maxSizeBytes', maxSizeBytes, 'bytes')
    byteLimit('maxEntrySizeBytes', maxEntrySizeBytes)
    nonNegativeInteger('maxMemorySizeBytes', maxMemorySizeBytes)
    nonNegativeInteger('recencyMs', recencyMs)
    this.directory = resolve(directory)
    this.maxEntrySizeBytes = Math.min(maxEntrySizeBytes, maxSizeBytes)
    const handle = new DatabaseHandle(join(this.directory, 'http-cache.mdb'), maxSizeBytes)
    const serializer = decodingCopies(acceptBytesSerializer(options.serializer ?? new MessagePackSerializer()))
    const time = new StoreTime()
    this.#handle = handle
    this.#serializer = serializer
    this.#lookup = new LmdbLookup(handle, serializer, time, { maxMemorySizeBytes, recencyMs })
    this.#commit = new Commit(handle, serializer, time)
    this.#deletion = new Deletion(handle, serializer.name)
  }

  get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): Lookup {
    return this.#lookup.find(key, variantOf)
  }

  put(entry: Entry, options: PutOptions = {}): BodyWriter | undefined {
    return this.#open.begin(() => this.#begin(entry, options))
  }

  #begin(entry: Entry, options: PutOptions): BodyWriter | undefined {
    const { database } = this.#handle.open()
    const position = this.#lookup.position()
    const asOf = typeof options.asOf === 'number' ? options.asOf : position
    if (asOf < position && this.#lookup.isOvertaken(entry, asOf)) return undefined
    const arrival = database.changes() ?? 0
    return new LmdbBodyWriter({ database, commit: this.#commit, maxBytes: this.maxEntrySizeBytes, asOf, arrival })
  }

  async update(entry: Entry, { asOf, from }: UpdateOptions = {}): Promise<boolean> {
    return this.#commit.update(entry, typeof asOf === 'number' ? asOf : undefined, from)
  }

  async remove(entry: Entry): Promise<void> {
    await this.#deletion.remove(entry)
  }

  async delete(key: CacheKey): Promise<void> {
    await this.#deletion.deleteKey(key)
  }

  async deleteByTag(tag: string): Promise<void> {
    await this.#deletion.deleteTag(tag)
    this.#handle.sweepSoon()
  }

  async clear(): Promise<void> {
    await this.#deletion.clear()
    this.#handle.sweepSoon()
  }

  /** All that is stored, with the digests of variant keys in the place of variant keys. */
  async *entries(): AsyncGenerator<Entry> {
    yield* listStored(this.#handle, this.#serializer)
  }

  /** Removes at once what has expired, was deleted or is too much, which otherwise happens now and then in the background.
   * Not needed; for who wants the space. */
  async sweep(): Promise<void> {
    await this.#handle.open().sweeper.sweep()
  }

  /** Waits for what is being stored, at most five seconds for what is not complete yet, which is then forgotten. Writes
   * what is still to be written, to the disk, and closes the database. */
  async close(): Promise<void> {
    await this.#open.close()
    await this.#handle.close()
  }
}

/** A serializer that may be given memory which LMDB overwrites with the next read: it gets a copy if it may keep views. */
function decodingCopies(serializer: BytesSerializer): BytesSerializer {
  if (decodesCopies(serializer)) return serializer
  return {
    name: serializer.name,
    encode: record => serializer.encode(record),
    decode: encoded => serializer.decode(new Uint8Array(encoded))
  }
}
