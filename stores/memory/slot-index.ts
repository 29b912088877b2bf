import type { CacheKey, VariantKey } from '../../lib/rfc9111/types.ts'
import { isSameVaryList, MAX_VARY_LISTS } from '../shared/vary-lists.ts'
import type { StoredInMemory } from './stored.ts'

/** One stored response. */
export interface Slot {
  readonly key: CacheKey
  readonly variantKey: VariantKey
  readonly entryId: string
  /** The place of its response among all that came, counted by the store: clocks can be set back. */
  readonly arrival: number
  readonly expiresAtMs: number
  readonly tags: readonly string[]
  readonly encoded: unknown
  readonly sizeBytes: number
  /** The Vary field names that select it. */
  readonly names: readonly string[]
  /** The same, of all that they select. */
  readonly list: SlotList
  /** A body in several pieces; one that fits into one is part of the record. */
  readonly blocks: readonly Uint8Array[] | undefined
  /** What lookups find, where it need not be decoded each time. */
  readonly stored: StoredInMemory | undefined
}

/** A list of Vary field names, and how many responses of one key it selects. */
export interface SlotList {
  /** Those of one of these responses, the last stored of them at first: nothing is kept that is not counted as its. */
  names: readonly string[]
  slotCount: number
}

/** What is stored for one key. */
export interface KeySlots {
  /** Most recent first. */
  lists: readonly SlotList[]
  readonly variants: Map<VariantKey, Slot>
}

const NO_SLOTS: readonly Slot[] = []

/** Finds stored responses by their keys and by their tags. */
export class SlotIndex {
  readonly #keys = new Map<CacheKey, KeySlots>()
  readonly #byTag = new Map<string, Set<Slot>>()

  ofKey(key: CacheKey): KeySlots | undefined {
    return this.#keys.get(key)
  }

  of(key: CacheKey, variantKey: VariantKey): Slot | undefined {
    return this.#keys.get(key)?.variants.get(variantKey)
  }

  withTag(tag: string): readonly Slot[] {
    const tagged = this.#byTag.get(tag)
    return tagged === undefined ? NO_SLOTS : [...tagged]
  }

  /** The key's list of these names, or a new one. */
  listOf(key: CacheKey, vary: readonly string[]): SlotList {
    const known = this.#keys.get(key)?.lists.find(({ names }) => isSameVaryList(names, vary))
    return known ?? { names: vary, slotCount: 0 }
  }

  /** Adds a slot, and moves its list to the front. Returns the slots of the oldest list where there are too many: only a
   * lookup by that list would find them. */
  add(slot: Slot): readonly Slot[] {
    let slots = this.#keys.get(slot.key)
    if (slots === undefined) {
      slots = { lists: [], variants: new Map() }
      this.#keys.set(slot.key, slots)
    }
    slots.variants.set(slot.variantKey, slot)
    for (const tag of slot.tags) {
      const tagged = this.#byTag.get(tag)
      if (tagged === undefined) this.#byTag.set(tag, new Set([slot]))
      else tagged.add(slot)
    }
    const { list } = slot
    list.names = slot.names
    list.slotCount++
    if (list === slots.lists[0]) return NO_SLOTS
    slots.lists = [list, ...slots.lists.filter(other => other !== list)]
    const surplus = slots.lists[MAX_VARY_LISTS]
    return surplus === undefined ? NO_SLOTS : [...slots.variants.values()].filter(other => other.list === surplus)
  }

  remove(slot: Slot): void {
    const slots = this.#keys.get(slot.key)
    if (slots?.variants.get(slot.variantKey) === slot) {
      slots.variants.delete(slot.variantKey)
      if (slots.variants.size === 0) this.#keys.delete(slot.key)
      else removeFromList(slots, slot)
    }
    for (const tag of slot.tags) {
      const tagged = this.#byTag.get(tag)
      tagged?.delete(slot)
      if (tagged?.size === 0) this.#byTag.delete(tag)
    }
  }
}

function removeFromList(slots: KeySlots, { list, names }: Slot): void {
  if (--list.slotCount === 0) slots.lists = slots.lists.filter(other => other !== list)
  if (list.slotCount === 0 || list.names !== names) return
  for (const other of slots.variants.values()) {
    if (other.list !== list) continue
    list.names = other.names
    return
  }
}
