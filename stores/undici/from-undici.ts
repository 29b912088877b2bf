import { CacheError } from '../../lib/errors.ts'
import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { Blocks } from '../blocks.ts'
import { sliceBlocks } from '../body-range.ts'
import { OpenWriters } from '../open-writers.ts'
import { closedError } from '../shared/closed-error.ts'
import { KeyedMutex } from '../shared/keyed-mutex.ts'
import { allMaybe, mapMaybe } from '../shared/maybe-promise.ts'
import { Tombstones } from '../shared/recent-deletions.ts'
import type { BodyWriter, CacheStore, Lookup, MaybePromise, PutOptions, Stored, UpdateOptions } from '../store.ts'
import { StoreTime } from '../store-time.ts'
import { discard, heldPieces, readAll, readPieces, writeAll } from './body.ts'
import type { UndiciCacheStore, UndiciKey, UndiciResult, UndiciValue } from './contract.ts'
import { placeOfLists, placeOfResponse } from './layout.ts'
import { deleteAtOf, emptyValue, recordOf, toEntry, toValue } from './value.ts'
import { covers, type Lists, readLists, toListsValue } from './vary-lists.ts'

export interface FromUndiciSettings {
  readonly maxEntrySizeBytes: number
  readonly clear: (() => MaybePromise<void>) | undefined
}

const NO_NAMES: readonly string[] = []

interface Found {
  readonly entry: Entry
  /** undefined: yet to be read. */
  readonly pieces: readonly Uint8Array[] | undefined
}

/** A CacheStore on a store of undici's. */
export class UndiciBackedStore implements CacheStore {
  readonly capabilities
  readonly maxEntrySizeBytes: number
  readonly #inner: UndiciCacheStore
  readonly #settings: FromUndiciSettings
  readonly #tombstones = new Tombstones()
  readonly #mutex = new KeyedMutex()
  readonly #time = new StoreTime()
  readonly #open = new OpenWriters("store over undici's")
  #closed = false

  constructor(inner: UndiciCacheStore, settings: FromUndiciSettings) {
    const { clear, maxEntrySizeBytes } = settings
    this.#inner = inner
    this.#settings = settings
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
    const { position } = this.#tombstones
    return mapMaybe(this.#lists(key), ({ lists }) => {
      const variantKeys = [...new Set([NO_NAMES, ...lists].map(names => variantOf(names)))]
      return mapMaybe(allMaybe(variantKeys.map(variantKey => this.#find(key, variantKey))), found => ({
        stored: found.filter(each => each !== undefined).map(each => this.#storedOf(each)),
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
    if (this.#tombstones.covers(entry, asOf)) return undefined
    const blocks = new Blocks()
    let open = true
    return {
      write: chunk => {
        if (!open) return
        blocks.push(chunk)
        if (blocks.byteLength > this.maxEntrySizeBytes) open = false
      },
      commit: finished => {
        if (!open || this.#closed || this.#tombstones.covers(finished, asOf)) return false
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
      const found = await this.#find(entry.key, from)
      if (found?.entry.id !== entry.id || this.#tombstones.covers(entry, asOf)) return false
      const pieces = found.pieces ?? (await this.#readAgain(found.entry))
      if (pieces === undefined) return false
      if (from !== entry.variantKey) await this.#empty(found.entry)
      return this.#write(entry, pieces, asOf)
    })
  }

  /** undici's contract deletes all of a URI: what is no response takes the place of the one that is to go. */
  async remove(entry: Entry): Promise<void> {
    this.#assertOpen()
    await this.#mutex.run(entry.key, async () => {
      const found = await this.#find(entry.key, entry.variantKey)
      if (found?.entry.id === entry.id) await this.#empty(entry)
    })
  }

  delete(key: CacheKey): MaybePromise<void> {
    this.#assertOpen()
    this.#tombstones.add('key', key)
    return this.#inner.delete(placeOfLists(key))
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
    this.#tombstones.addAll()
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
    return typeof asOf === 'number' ? asOf : this.#tombstones.position
  }

  #lists(key: CacheKey): MaybePromise<Lists> {
    return mapMaybe<UndiciResult | undefined, Lists>(this.#inner.get(placeOfLists(key)), result => {
      discard(result?.body)
      return readLists(result, key)
    })
  }

  #find(key: CacheKey, variantKey: VariantKey): MaybePromise<Found | undefined> {
    const place = placeOfResponse(key, variantKey)
    return mapMaybe<UndiciResult | undefined, Found | undefined>(this.#inner.get(place), result => {
      const entry = result === undefined ? undefined : toEntry(result, key, variantKey)
      const pieces = heldPieces(result?.body)
      // Who looks a response up may never read it, and a stream cannot be left lying about.
      if (pieces === undefined) discard(result?.body)
      return entry === undefined || this.#time.hasExpired(entry) ? undefined : { entry, pieces }
    })
  }

  #storedOf({ entry, pieces }: Found): Stored {
    return {
      entry,
      open: range => {
        if (pieces !== undefined) return range === undefined ? pieces : sliceBlocks(pieces, range)
        if (range !== undefined) return undefined
        return mapMaybe(this.#bodyAgain(entry), body => (body === undefined ? undefined : readPieces(body)))
      }
    }
  }

  /** The body of a response that was found before; undefined if it is another's by now. */
  #bodyAgain(entry: Entry): MaybePromise<UndiciResult['body']> {
    this.#assertOpen()
    const { key, variantKey } = entry
    const place = placeOfResponse(key, variantKey)
    return mapMaybe<UndiciResult | undefined, UndiciResult['body']>(this.#inner.get(place), result => {
      if (result === undefined) return undefined
      if (toEntry(result, key, variantKey)?.id === entry.id) return result.body
      discard(result.body)
      return undefined
    })
  }

  async #readAgain(entry: Entry): Promise<readonly Uint8Array[] | undefined> {
    const bytes = storedBytes(entry)
    const body = bytes <= this.maxEntrySizeBytes ? await this.#bodyAgain(entry) : undefined
    return body === undefined ? undefined : readAll(body, bytes)
  }

  /** Writes a response, and looks whether it is what the store gives back: one that only adds to what it holds goes on
   * giving what there was before, until all of the URI is deleted. False where it is not there, or deleted since. */
  async #write(entry: Entry, pieces: readonly Uint8Array[], asOf: number): Promise<boolean> {
    const { key, variantKey } = entry
    const value = toValue(entry)
    if (value.deleteAt <= Date.now()) return false
    const place = placeOfResponse(key, variantKey)
    for (let attempts = 2; attempts > 0; attempts--) {
      const remembered = await this.#remember(entry)
      const written = remembered && (await this.#replace(place, value, pieces))
      if (this.#tombstones.covers(entry, asOf)) {
        await this.#inner.delete(place)
        return false
      }
      if (remembered && !written) return false
      const back = remembered ? await this.#recordAt(place) : undefined
      if (back === recordOf(value)) {
        this.#time.note(entry)
        return true
      }
      if (remembered && back === undefined) return false
      await this.#inner.delete(place)
    }
    return false
  }

  /** Writes what no lookup takes for a response in the place of one. All of the URI is deleted where the store goes on giving
   * back the response. */
  async #empty({ key, variantKey, id }: Entry): Promise<void> {
    const place = placeOfResponse(key, variantKey)
    await this.#replace(place, emptyValue(), []).catch(() => false)
    if ((await this.#find(key, variantKey))?.entry.id === id) await this.#inner.delete(place)
  }

  /** Writes the entry's list of Vary field names, where it is not known. False where the store goes on without it.
   * That there may be none needs no remembering: most keys take up one place in the store, not two. */
  async #remember(entry: Entry): Promise<boolean> {
    const { key, vary } = entry
    if (vary.length === 0) return true
    const known = await this.#lists(key)
    const deleteAt = deleteAtOf(entry)
    if (covers(known, vary, deleteAt)) return true
    await this.#replace(placeOfLists(key), toListsValue(key, known, vary, deleteAt), [])
    return covers(await this.#lists(key), vary, deleteAt)
  }

  /** False where the store declines. */
  async #replace(place: UndiciKey, value: UndiciValue, pieces: readonly Uint8Array[]): Promise<boolean> {
    // What undici-cache-redis has beyond the contract, and needs, for it adds to what it holds.
    await (this.#inner as { deleteKeys?: (keys: UndiciKey[]) => MaybePromise<void> }).deleteKeys?.([place])
    return writeAll(this.#inner.createWriteStream(place, value), pieces)
  }

  async #recordAt(place: UndiciKey): Promise<string | undefined> {
    const result = await this.#inner.get(place)
    discard(result?.body)
    return result === undefined ? undefined : recordOf(result)
  }
}
