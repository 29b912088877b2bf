// An ObjectStore keeps digests of variant keys, and lists those; the contract suite is told which keys they are of.
import { createHash } from 'node:crypto'
import { ObjectStore, type ObjectStoreOptions } from 'undici-http-cache/stores/object'
import type { BodyWriter, Entry, PutOptions } from '../../../stores/store.ts'

export class ListingStore extends ObjectStore {
  readonly options: ObjectStoreOptions
  readonly #variantKeys = new Map<string, string>()

  constructor(options: ObjectStoreOptions) {
    super(options)
    this.options = options
  }

  override put(entry: Entry, options?: PutOptions): Promise<BodyWriter | undefined> {
    const digest = createHash('sha256').update(entry.variantKey, 'utf16le').digest('hex')
    this.#variantKeys.set(`sha256-${digest}`, entry.variantKey)
    return super.put(entry, options)
  }

  override async *entries(): AsyncGenerator<Entry> {
    for await (const entry of super.entries()) {
      yield { ...entry, variantKey: this.#variantKeys.get(entry.variantKey) ?? 'unknown' }
    }
  }
}
