import type { StoredRecord } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import type { RecordSource } from '../shared/entry-records.ts'
import { decodeRecord, headBytes, parseHead, type RecordHead, type WholeRecord } from '../shared/record-format.ts'
import type { DriverCalls } from './driver-calls.ts'
import { recordPath } from './layout.ts'

/** A larger record is not stored, and is damaged where there is one. */
export const MAX_RECORD_BYTES = 4_194_304
const HEAD_BYTES = 4096

/** Reads record objects. */
export class RecordReader implements RecordSource {
  readonly #calls: DriverCalls
  readonly #serializer: BytesSerializer

  constructor(calls: DriverCalls, serializer: BytesSerializer) {
    this.#calls = calls
    this.#serializer = serializer
  }

  async readWhole(name: string): Promise<WholeRecord | undefined> {
    const bytes = await this.#calls.read(recordPath(name), MAX_RECORD_BYTES + 1)
    return bytes === undefined ? undefined : { bytes, parsed: parseHead(bytes) }
  }

  /** What a record says of itself; 'damaged' where nothing, undefined where there is none. */
  async readHead(name: string): Promise<RecordHead | 'damaged' | undefined> {
    const bytes = await this.#calls.read(recordPath(name), HEAD_BYTES, { start: 0, end: HEAD_BYTES })
    if (bytes === undefined) return undefined
    const isCut = (headBytes(bytes) ?? 0) > bytes.byteLength
    const parsed = isCut ? (await this.readWhole(name))?.parsed : parseHead(bytes)
    return parsed === undefined ? 'damaged' : parsed.head
  }

  decode(whole: WholeRecord): StoredRecord | undefined {
    return decodeRecord(this.#serializer, whole)
  }
}
