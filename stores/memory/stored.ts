import { isUint8Array } from 'node:util/types'
import type { ByteRange, Entry } from '../../lib/rfc9111/types.ts'
import { sliceBlocks } from '../shared/body-range.ts'
import type { Body, Lookup, Stored } from '../store.ts'

export class LookupInMemory implements Lookup {
  readonly stored: readonly Stored[]
  readonly otherVariants: boolean
  readonly #position: number

  constructor(stored: readonly Stored[], otherVariants: boolean, position: number) {
    this.stored = stored
    this.otherVariants = otherVariants
    this.#position = position
  }

  asOf(): number {
    return this.#position
  }
}

export class StoredInMemory implements Stored {
  readonly entry: Entry
  readonly #body: Uint8Array | readonly Uint8Array[] | undefined

  constructor(entry: Entry, body: Uint8Array | readonly Uint8Array[] | undefined) {
    this.entry = entry
    this.#body = body
  }

  open(range?: ByteRange): Body | undefined {
    if (range === undefined || this.#body === undefined) return this.#body
    return sliceBlocks(isUint8Array(this.#body) ? [this.#body] : this.#body, range)
  }
}
