import type { Entry } from '../../lib/rfc9111/types.ts'
import type { StoreTime } from '../shared/store-time.ts'
import type { MaybePromise } from '../store.ts'
import { discard, writeAll } from './body.ts'
import type { UndiciCacheStore, UndiciKey, UndiciValue } from './contract.ts'
import { listsKeyOf, responseKeyOf } from './layout.ts'
import type { UndiciLookup } from './lookup.ts'
import { deleteAtOf, emptyValue, recordOf, toValue } from './value.ts'
import { covers, toListsValue } from './vary-lists.ts'

/** Writes responses into a store of undici's, and looks whether they are what it gives back: a store that only adds to what
 * it holds goes on giving back what there was before, until all of the URI is deleted. */
export class Commit {
  readonly #inner: UndiciCacheStore
  readonly #lookup: UndiciLookup
  readonly #time: StoreTime

  constructor(inner: UndiciCacheStore, lookup: UndiciLookup, time: StoreTime) {
    this.#inner = inner
    this.#lookup = lookup
    this.#time = time
  }

  /** False where the store does not give the response back, or `isDeleted` says that it was deleted meanwhile. */
  async write(entry: Entry, pieces: readonly Uint8Array[], isDeleted: () => boolean): Promise<boolean> {
    const value = toValue(entry)
    if (value.deleteAt <= Date.now()) return false
    const target = responseKeyOf(entry.key, entry.variantKey)
    for (let attempts = 2; attempts > 0; attempts--) {
      const isListed = await this.#addList(entry)
      const isWritten = isListed && (await this.#retarget(target, value, pieces))
      if (isDeleted()) {
        await this.#inner.delete(target)
        return false
      }
      if (isListed && !isWritten) return false
      const back = isListed ? await this.#recordAt(target) : undefined
      if (back === recordOf(value)) {
        this.#time.note(entry)
        return true
      }
      if (isListed && back === undefined) return false
      await this.#inner.delete(target)
    }
    return false
  }

  /** Removes one response: what no lookup takes for one is written in its place. All of the URI is deleted where the store
   * goes on giving back the response. */
  async remove({ key, variantKey, id }: Entry): Promise<void> {
    const target = responseKeyOf(key, variantKey)
    await this.#retarget(target, emptyValue(), []).catch(() => false)
    if ((await this.#lookup.find(key, variantKey))?.entry.id === id) await this.#inner.delete(target)
  }

  /** Writes the entry's list of Vary field names, where it is not known. False where the store goes on without it.
   * The list without names is not written: so most keys take up one target in the store, not two. */
  async #addList(entry: Entry): Promise<boolean> {
    const { key, vary } = entry
    if (vary.length === 0) return true
    const known = await this.#lookup.lists(key)
    const deleteAt = deleteAtOf(entry)
    if (covers(known, vary, deleteAt)) return true
    await this.#retarget(listsKeyOf(key), toListsValue(key, known, vary, deleteAt), [])
    return covers(await this.#lookup.lists(key), vary, deleteAt)
  }

  /** False where the store declines. */
  async #retarget(target: UndiciKey, value: UndiciValue, pieces: readonly Uint8Array[]): Promise<boolean> {
    // What undici-cache-redis has beyond the contract, and needs, for it adds to what it holds.
    await (this.#inner as { deleteKeys?: (keys: UndiciKey[]) => MaybePromise<void> }).deleteKeys?.([target])
    return writeAll(this.#inner.createWriteStream(target, value), pieces)
  }

  async #recordAt(target: UndiciKey): Promise<string | undefined> {
    const result = await this.#inner.get(target)
    discard(result?.body)
    return result === undefined ? undefined : recordOf(result)
  }
}
