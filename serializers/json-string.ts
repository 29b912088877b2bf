import { fromJson, toJson } from './json-record.ts'
import { decodeRecord } from './record.ts'
import type { Serializer, StoredRecord } from './serializer.ts'
import { registerBuiltIn } from './serializer-option.ts'

/** Records as JSON text, for the memory store; other stores take JsonBytesSerializer.
 *
 * The body is text where it is valid UTF-8 and base64 where it is not, marked as such, so that any bytes survive.
 * `decode` throws a CacheError with ERR_CACHE_RECORD for anything that is no record, or one of another version. */
export class JsonStringSerializer implements Serializer<string> {
  readonly name = 'json-string'

  static {
    registerBuiltIn(JsonStringSerializer.prototype)
  }

  encode(record: StoredRecord): string {
    return toJson(record)
  }

  decode(encoded: string): StoredRecord {
    return decodeRecord(encoded, fromJson)
  }
}
