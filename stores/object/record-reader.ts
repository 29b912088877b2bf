import type { Buffer } from 'node:buffer'
import type { StoredRecord } from '../../serializers/serializer.ts'
import type { BytesSerializer } from '../../serializers/serializer-option.ts'
import { headBytes, type ParsedHead, parseHead, type RecordHead, recordOf } from '../shared/record-format.ts'
import type { DriverCalls } from './driver-calls.ts'
import { recordPath } from './layout.ts'

/** A larger record is not stored, and is damaged where there is one. */
export const MAX_RECORD_BYTES = 4_194_304
const HEAD_BYTES = 4096

/** A record object, whole; without `parsed` it is damaged. */
export interface FoundRecord {
  readonly bytes: Buffer
  readonly parsed: ParsedHead | undefined
}

/** Reads record objects. */
export class RecordReader {
  readonly #calls: DriverCalls
  readonly #serializer: BytesSerializer

  constructor(calls: DriverCalls, serializer: BytesSerializer) {
    this.#calls = calls
    this.#serializer = serializer
  }

  async read(name: string): Promise<FoundRecord | undefined> {
    const bytes = await this.#calls.read(recordPath(name), MAX_RECORD_BYTES + 1)
    return bytes === undefined ? undefined : { bytes, parsed: parseHead(bytes) }
  }

  /** What a record says of itself; 'damaged' where nothing, undefined where there is none. */
  async readHead(name: string): Promise<RecordHead | 'damaged' | undefined> {
    const bytes = await this.#calls.read(recordPath(name), HEAD_BYTES, { start: 0, end: HEAD_BYTES })
    if (bytes === undefined) return undefined
    const isCut = (headBytes(bytes) ?? 0) > bytes.byteLength
    const parsed = isCut ? (await this.read(name))?.parsed : parseHead(bytes)
    return parsed === undefined ? 'damaged' : parsed.head
  }

  /** The record in a whole object; undefined where it is damaged. */
  decode({ bytes, parsed }: FoundRecord): StoredRecord | undefined {
    const encoded = parsed === undefined ? undefined : recordOf(bytes, parsed)
    if (encoded === undefined) return undefined
    try {
      return this.#serializer.decode(encoded)
    } catch {
      return undefined
    }
  }
}
