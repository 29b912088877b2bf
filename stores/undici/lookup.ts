import { storedBytes } from '../../lib/rfc9111/segments.ts'
import type { CacheKey, Entry, VariantKey } from '../../lib/rfc9111/types.ts'
import { sliceBlocks } from '../shared/body-range.ts'
import { mapMaybe } from '../shared/maybe-promise.ts'
import type { StoreTime } from '../shared/store-time.ts'
import type { MaybePromise, Stored } from '../store.ts'
import { discard, heldPieces, readAll, readPieces } from './body.ts'
import type { UndiciCacheStore, UndiciResult } from './contract.ts'
import { listsKeyOf, responseKeyOf } from './layout.ts'
import { toEntry } from './value.ts'
import { type Lists, readLists } from './vary-lists.ts'

/** A stored response. */
export interface Found {
  readonly entry: Entry
  /** undefined: yet to be read. */
  readonly pieces: readonly Uint8Array[] | undefined
}

/** Looks responses up in a store of undici's. */
export class UndiciLookup {
  readonly #inner: UndiciCacheStore
  readonly #time: StoreTime
  readonly #assertOpen: () => void

  constructor(inner: UndiciCacheStore, time: StoreTime, assertOpen: () => void) {
    this.#inner = inner
    this.#time = time
    this.#assertOpen = assertOpen
  }

  lists(key: CacheKey): MaybePromise<Lists> {
    return mapMaybe<UndiciResult | undefined, Lists>(this.#inner.get(listsKeyOf(key)), result => {
      discard(result?.body)
      return readLists(result, key)
    })
  }

  find(key: CacheKey, variantKey: VariantKey): MaybePromise<Found | undefined> {
    const found = this.#inner.get(responseKeyOf(key, variantKey))
    return mapMaybe<UndiciResult | undefined, Found | undefined>(found, result => {
      const entry = result === undefined ? undefined : toEntry(result, key, variantKey)
      const pieces = heldPieces(result?.body)
      // Who looks a response up may never read it, and a stream must not stay open.
      if (pieces === undefined) discard(result?.body)
      return entry === undefined || this.#time.hasExpired(entry) ? undefined : { entry, pieces }
    })
  }

  storedOf({ entry, pieces }: Found): Stored {
    return {
      entry,
      open: range => {
        if (pieces !== undefined) return range === undefined ? pieces : sliceBlocks(pieces, range)
        if (range !== undefined) return undefined
        return mapMaybe(this.#bodyOf(entry), body => (body === undefined ? undefined : readPieces(body)))
      }
    }
  }

  /** The whole body; undefined where it is another's by now, or has more than `maxBytes`. */
  async readBody({ entry, pieces }: Found, maxBytes: number): Promise<readonly Uint8Array[] | undefined> {
    if (pieces !== undefined) return pieces
    const bytes = storedBytes(entry)
    const body = bytes <= maxBytes ? await this.#bodyOf(entry) : undefined
    return body === undefined ? undefined : readAll(body, bytes)
  }

  /** The body of a response that was found before; undefined if it is another's by now. */
  #bodyOf({ id, key, variantKey }: Entry): MaybePromise<UndiciResult['body']> {
    this.#assertOpen()
    const found = this.#inner.get(responseKeyOf(key, variantKey))
    return mapMaybe<UndiciResult | undefined, UndiciResult['body']>(found, result => {
      if (result === undefined) return undefined
      if (toEntry(result, key, variantKey)?.id === id) return result.body
      discard(result.body)
      return undefined
    })
  }
}
