import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import type { Entry } from '../../lib/rfc9111/types.ts'
import type { StoredRecord } from '../../serializers/serializer.ts'
import type { ParsedHead, RecordHead } from '../shared/record-format.ts'

/** What may be kept in memory of records that were read. */
const MAX_BYTES = 4_194_304
/** Objects around a decoded record. */
const OVERHEAD_BYTES = 1000

/** A record file as it was read before: everything in front of the body, and what it was decoded to. */
export interface KnownRecord {
  readonly head: RecordHead
  readonly entry: Entry
  readonly fileBytes: number
  readonly front: Buffer
  readonly recordStart: number
  readonly recordChecksum: number
}

/** Records that were decoded before. A file is read for each lookup all the same; where its bytes turn out to be the same,
 * they need not be decoded again, and what was made of the entry is still of use. */
export class KnownRecords {
  readonly #known = new LRUCache<string, KnownRecord>({
    maxSize: MAX_BYTES,
    // Strings and objects of an entry take about twice as much as its bytes.
    sizeCalculation: ({ front }) => 3 * front.byteLength + OVERHEAD_BYTES
  })

  get(name: string): KnownRecord | undefined {
    return this.#known.get(name)
  }

  /** Only what ends in the body as it is: then all that is decoded lies in front of it. */
  learn(name: string, file: Buffer, { head, recordStart, recordChecksum }: ParsedHead, record: StoredRecord): void {
    const { entry, body } = record
    const bodyBytes = body?.byteLength ?? 0
    const bodyStart = file.byteLength - bodyBytes
    if (bodyStart < recordStart || (body !== undefined && file.compare(body, 0, bodyBytes, bodyStart) !== 0)) return
    const front = Buffer.from(file.subarray(0, bodyStart))
    const fileBytes = file.byteLength
    this.#known.set(name, { head, entry, fileBytes, front, recordStart, recordChecksum })
  }
}

/** Whether a file has the very bytes that are known: those in front of the body one by one, the rest by the checksum that
 * is among them. */
export function isSameFile(known: KnownRecord, file: Buffer): boolean {
  const { front, fileBytes, recordStart, recordChecksum } = known
  return (
    file.byteLength === fileBytes &&
    file.compare(front, 0, front.byteLength, 0, front.byteLength) === 0 &&
    crc32(file.subarray(recordStart)) === recordChecksum
  )
}
