import { CacheError } from '../../lib/errors.ts'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { Blocks } from '../shared/blocks.ts'
import { closedError } from '../shared/closed-error.ts'
import { DeletionLog } from '../shared/deletion-log.ts'
import { KeyedMutex } from '../shared/keyed-mutex.ts'
import { allMaybe, mapMaybe } from '../shared/maybe-promise.ts'
import { OpenWriters } from '../shared/open-writers.ts'
import { StoreTime } from '../shared/store-time.ts'
import type { BodyWriter, CacheStore, Lookup, MaybePromise, PutOptions, UpdateOptions } from '../store.ts'
import { Commit } from './commit.ts'
import type { UndiciCacheStore } from './contract.ts'
import { listsKeyOf } from './layout.ts'
import { UndiciLookup } from './lookup.ts'

export interface FromUndiciSettings {
  readonly maxEntrySizeBytes: number
  readonly clear: (() => MaybePromise<void>) | undefined
}

const NO_NAMES: readonly string[] = []

/** A CacheStore on a store of undici's. */
export class UndiciBackedStore implements CacheStore {
  readonly capabilities
  readonly maxEntrySizeBytes: number
  readonly #inner: UndiciCacheStore
  readonly #settings: FromUndiciSettings
  readonly #deletions = new DeletionLog()
  readonly #mutex = new KeyedMutex()
  readonly #lookup: UndiciLookup
  readonly #commit: Commit
  readonly #open = new OpenWriters("store over undici's")
  #closed = false

  constructor(inner: UndiciCacheStore, settings: FromUndiciSettings) {
    const { clear, maxEntrySizeBytes } = settings
    this.#inner = inner
    this.#settings = settings
    const time = new StoreTime()
    this.#lookup = new UndiciLookup(inner, time, () => this.#assertOpen())
    this.#commit = new Commit(inner, this.#lookup, time)
    this.maxEntrySizeBytes = maxEntrySizeBytes
    this.capabilities = {
      tags: false,
      ranges: false,
      shared: false,
      clear: clear !== undefined
    }
  }

  get(key: CacheKey, variantOf: (fieldNames: readonly string[]) => VariantKey): MaybePromise<Lookup> {
    this.#assertOpen()
    const { position } = this.#deletions
    return mapMaybe(this.#lookup.lists(key), ({ lists }) => {
      const variantKeys = [...new Set([NO_NAMES, ...lists].map(names => variantOf(names)))]
      return mapMaybe(allMaybe(variantKeys.map(variantKey => this.#lookup.find(key, variantKey))), found => ({
        stored: found.filter(each => each !== undefined).map(each => this.#lookup.storedOf(each)),
        otherVariants: lists.length > 0 && found.every(each => each === undefined),
        asOf: () => position
      }))
    })
  }

  put(entry: Entry, options: PutOptions = {}): BodyWriter | undefined {
    return this.#open.begin(() => this.#begin(entry, options))
  }

  #begin(entry: Entry, options: PutOptions): BodyWriter | undefined {
    const asOf = this.#positionOf(options)
    if (this.#deletions.covers(entry, asOf)) return undefined
    const blocks = new Blocks()
    let open = true
    return {
      write: chunk => {
        if (!open) return
        blocks.push(chunk)
        if (blocks.byteLength > this.maxEntrySizeBytes) open = false
      },
      commit: finished => {
        if (!open || this.#closed || this.#deletions.covers(finished, asOf)) return false
        open = false
        return this.#mutex.run(finished.key, () => this.#write(finished, blocks.finish(), asOf))
      },
      abort: () => {
        open = false
      }
    }
  }

  /** undici's contract knows no change of metadata: the body is read, and written once more. */
  async update(entry: Entry, options: UpdateOptions = {}): Promise<boolean> {
    this.#assertOpen()
    const asOf = this.#positionOf(options)
    const { from = entry.variantKey } = options
    return this.#mutex.run(entry.key, async () => {
      const found = await this.#lookup.find(entry.key, from)
      if (found?.entry.id !== entry.id || this.#deletions.covers(entry, asOf)) return false
      const pieces = await this.#lookup.readBody(found, this.maxEntrySizeBytes)
      if (pieces === undefined) return false
      if (from !== entry.variantKey) await this.#commit.remove(found.entry)
      return this.#write(entry, pieces, asOf)
    })
  }

  /** undici's contract deletes all of a URI: what is no response takes the place of the one that is to go. */
  async remove(entry: Entry): Promise<void> {
    this.#assertOpen()
    await this.#mutex.run(entry.key, async () => {
      const found = await this.#lookup.find(entry.key, entry.variantKey)
      if (found?.entry.id === entry.id) await this.#commit.remove(entry)
    })
  }

  delete(key: CacheKey): MaybePromise<void> {
    this.#assertOpen()
    this.#deletions.add('key', key)
    return this.#inner.delete(listsKeyOf(key))
  }

  deleteByTag(): never {
    throw new CacheError('ERR_CACHE_UNSUPPORTED', "undici's contract for stores has no tags to delete by")
  }

  clear(): MaybePromise<void> {
    this.#assertOpen()
    const { clear } = this.#settings
    if (clear === undefined) {
      throw new CacheError('ERR_CACHE_UNSUPPORTED', "undici's contract for stores cannot remove everything")
    }
    this.#deletions.addClear()
    return clear()
  }

  /** Waits for what is being stored, at most five seconds for what is not complete yet, which is then forgotten. */
  close(): MaybePromise<void> {
    return mapMaybe(this.#open.close(), () => this.#close())
  }

  #close(): MaybePromise<void> {
    if (this.#closed) return
    this.#closed = true
    return (this.#inner as { close?: () => MaybePromise<void> }).close?.()
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError("store over undici's")
  }

  #positionOf({ asOf }: Pick<PutOptions, 'asOf'>): number {
    return typeof asOf === 'number' ? asOf : this.#deletions.position
  }

  #write(entry: Entry, pieces: readonly Uint8Array[], asOf: number): Promise<boolean> {
    return this.#commit.write(entry, pieces, () => this.#deletions.covers(entry, asOf))
  }
}
