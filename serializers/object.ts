import { decodeRecord } from './record.ts'
import type { Serializer, StoredRecord } from './serializer.ts'
import { registerBuiltIn } from './serializer-option.ts'

/** Keeps records as they are, in the memory of this process: the memory store's default, and for no other store.
 *
 * `encode` returns the record itself, and `decode` the same object each time: nothing is copied, nothing frozen, so
 * whoever hands a stored entry out of the package copies what a caller could alter.
 * `decode` of anything that `encode` has not returned gives a checked copy, whose body is the same bytes, or throws a
 * CacheError with ERR_CACHE_RECORD. */
export class ObjectSerializer implements Serializer<StoredRecord> {
  readonly name = 'object'
  readonly #encoded = new WeakSet<StoredRecord>()

  static {
    registerBuiltIn(ObjectSerializer.prototype)
  }

  encode(record: StoredRecord): StoredRecord {
    this.#encoded.add(record)
    return record
  }

  decode(encoded: StoredRecord): StoredRecord {
    return this.#encoded.has(encoded) ? encoded : decodeRecord(encoded, record => record)
  }
}
